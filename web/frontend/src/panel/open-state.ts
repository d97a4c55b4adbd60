/** Whether the panel was open when this browser saw it last. */

const KEY = "convoai-analytics.panel";

export function wasOpen(): boolean {
  try {
    return localStorage.getItem(KEY) === "open";
  } catch {
    return false; // No storage, as in a sandboxed frame.
  }
}

export function rememberOpen(open: boolean): void {
  try {
    if (open) localStorage.setItem(KEY, "open");
    else localStorage.removeItem(KEY);
  } catch {
    // No storage: it is forgotten.
  }
}
