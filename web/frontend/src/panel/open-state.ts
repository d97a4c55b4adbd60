/** Remembers in this browser whether the panel is open. */

const KEY = "convoai-analytics.panel";

export function wasOpen(): boolean {
  try {
    return localStorage.getItem(KEY) === "open";
  } catch {
    return false; // A sandboxed frame has no storage.
  }
}

export function rememberOpen(open: boolean): void {
  try {
    if (open) localStorage.setItem(KEY, "open");
    else localStorage.removeItem(KEY);
  } catch {
    // Without storage it is not remembered.
  }
}
