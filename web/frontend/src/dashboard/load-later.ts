/** Code that comes after the page. */

/** How long to wait before it is asked for again, in milliseconds. */
export const RETRY_MS = 2000;

/** Load code, and ask again while it cannot be fetched: the service may be restarting. Rejects with what the code throws. */
export async function loadLater(load: () => Promise<unknown>): Promise<void> {
  for (;;) {
    try {
      await load();
      return;
    } catch (error) {
      // What cannot be fetched is a TypeError (ECMAScript's host hook, as HTML defines it).
      if (!(error instanceof TypeError)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
