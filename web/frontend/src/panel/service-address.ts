/** The address of the service: the one that the page gives, else the one from which this script was loaded. */

const NAME = "/analytics/panel.js";

// The document knows the current script only while a classic script runs for the first time.
const script = globalThis.document?.currentScript;

/** The service from which this script was loaded, without a slash at the end. */
export const DEFAULT_SERVICE = serviceOf(
  script && "src" in script ? script.src : "",
  globalThis.location?.origin ?? "",
);

/** The service that serves a script at *src*, with or without a path prefix; *otherwise* if *src* is not an address. */
export function serviceOf(src: string, otherwise: string): string {
  if (!URL.canParse(src)) return otherwise;
  const { origin, pathname } = new URL(src);
  return pathname.endsWith(NAME) ? origin + pathname.slice(0, -NAME.length) : origin;
}

/** The absolute form of an http(s) address, without a slash at the end; null if it is not one. */
export function absoluteAddress(given: string, base: string): string | null {
  if (!URL.canParse(given, base)) return null;
  const { protocol, origin, pathname } = new URL(given, base);
  return /^https?:$/.test(protocol) ? (origin + pathname).replace(/\/+$/, "") : null;
}
