/**
 * Links that sign in, such as `/analytics#token=...`. A link that somebody else made must not switch a person to another
 * account silently, so a person who is signed in already has to confirm it.
 */

import { type Claims, readClaims } from "./claims";
import { storedToken, storeToken } from "./token-storage";

/** A link that waits for the person's answer: the claims of its token (null: it has none), and those of the current one. */
export interface PendingLink {
  readonly link: Claims | null;
  readonly current: Claims;
}

/** What the address held: no token, a token that is stored now, or one that waits for the person's answer. */
export type LinkResult = "none" | "signed-in" | "needs-answer";

let pending: { token: string; link: PendingLink } | null = null;

/** Take the token out of the address, and store it unless somebody else is signed in in this tab. */
export function takeLinkToken(): LinkResult {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return "none";
  fragment.delete("token");
  const rest = fragment.toString();
  // Removed first, so that it leaves the address, the history and bookmarks even if the storage fails.
  history.replaceState(history.state, "", location.pathname + location.search + (rest && `#${rest}`));
  if (token.trim() === "") return "none";
  const link = readClaims(token);
  const current = currentClaims();
  pending = current === null || isSamePerson(current, link) ? null : { token, link: { link, current } };
  if (pending !== null) return "needs-answer";
  storeToken(token);
  return "signed-in";
}

/** The link that waits for the person's answer; null if there is none. */
export function pendingLink(): PendingLink | null {
  return pending?.link ?? null;
}

/** Sign in with the link's token. */
export function acceptLink(): void {
  if (pending !== null) storeToken(pending.token);
  pending = null;
}

/** Stay signed in as before; the link's token is dropped. */
export function rejectLink(): void {
  pending = null;
}

/** The claims of the stored token; null if there is none, or it has expired. */
function currentClaims(): Claims | null {
  const current = readClaims(storedToken() ?? "");
  const expires = current?.expires ?? Number.POSITIVE_INFINITY;
  return current === null || current.subject === null || expires <= Date.now() ? null : current;
}

function isSamePerson(current: Claims, link: Claims | null): boolean {
  return link !== null && link.subject === current.subject && link.tenant === current.tenant;
}
