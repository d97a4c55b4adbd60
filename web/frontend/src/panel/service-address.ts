/** Where the service is, if the page does not say: where this script came from. */

const NAME = "/analytics/panel.js";

// Only while a classic script runs for the first time does the document know which one it is.
const script = globalThis.document?.currentScript;

/** The service of this script, without a slash at its end. */
export const SERVICE = serviceOf(script && "src" in script ? script.src : "", globalThis.location?.origin ?? "");

/** The service that serves a script at *src*, under a path prefix or not; *otherwise* if there is no such address. */
export function serviceOf(src: string, otherwise: string): string {
  if (!URL.canParse(src)) return otherwise;
  const { origin, pathname } = new URL(src);
  return pathname.endsWith(NAME) ? origin + pathname.slice(0, -NAME.length) : origin;
}

/** The address that a page gave, in full and without a slash at its end; null if it is none. */
export function addressOf(given: string, base: string): string | null {
  if (!URL.canParse(given, base)) return null;
  const { protocol, origin, pathname } = new URL(given, base);
  return /^https?:$/.test(protocol) ? (origin + pathname).replace(/\/+$/, "") : null;
}
