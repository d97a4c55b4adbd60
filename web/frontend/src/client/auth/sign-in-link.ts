/** Links that sign in, such as `/analytics#token=...`, or with a code of 30 seconds that a panel was given. */

/** What a session is opened by: an admin's token, or a code that becomes one once. */
export type Key = { readonly token: string } | { readonly code: string };

/** Take the key out of the address; null if the address has none. */
export function takeLinkKey(): Key | null {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const [token, code] = [fragment.get("token"), fragment.get("code")];
  if (token === null && code === null) return null;
  fragment.delete("token");
  fragment.delete("code");
  const rest = fragment.toString();
  // Removed first, so that it leaves the address, the history and bookmarks whatever follows.
  history.replaceState(history.state, "", location.pathname + location.search + (rest && `#${rest}`));
  if (token?.trim()) return { token: plainToken(token) };
  return code?.trim() ? { code: code.trim() } : null;
}

/** The token that a person pasted, without spaces around it and "Bearer " before it. */
export function plainToken(pasted: string): string {
  return pasted.trim().replace(/^bearer\s+/i, "");
}
