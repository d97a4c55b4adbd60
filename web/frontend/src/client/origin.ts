/** Whether the service refuses this page's origin, which browsers report to a page like a service that does not answer. */

/** A file that the service gives to the pages of all origins. */
const OPEN_TO_ALL = "/analytics/panel.js";
const TIMEOUT_MS = 5000;

/**
 * Whether the service at `url` answers this page's request for what is open to all. If it does, and gives this page no
 * figures, then it refuses the page's origin. A request with the mode "no-cors" would succeed also for a proxy's error page.
 */
export async function answersOtherOrigins(url: string): Promise<boolean> {
  const here = globalThis.location;
  if (here === undefined || new URL(url, here.href).origin === here.origin) return false;
  try {
    const response = await fetch(url.replace(/\/+$/, "") + OPEN_TO_ALL, {
      method: "HEAD",
      cache: "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return response.ok;
  } catch {
    return false;
  }
}
