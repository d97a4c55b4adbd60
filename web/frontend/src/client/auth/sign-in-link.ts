/**
 * Links that sign in, such as `/analytics#token=...`. One that somebody else made must not put a person into another
 * account without a word: whoever is signed in already is asked.
 */

import { type Claims, claims, storedToken, storeToken } from "./token";

/** A link that waits for the person's word: whom it signs in (null: it does not say), and who is signed in. */
export interface Offer {
  readonly link: Claims | null;
  readonly held: Claims;
}

/** What an address held: no token, one that is stored now, or one that waits for the person's word. */
export type Arrival = "nothing" | "signed-in" | "asks";

let waiting: { token: string; offer: Offer } | null = null;

/** Take the token out of the address, and into this tab's storage unless somebody else is signed in there. */
export function arrive(): Arrival {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return "nothing";
  fragment.delete("token");
  const rest = fragment.toString();
  // Erased first: not even a storage that fails leaves it in the address, the history or a bookmark.
  history.replaceState(history.state, "", location.pathname + location.search + (rest && `#${rest}`));
  if (token.trim() === "") return "nothing";
  const link = claims(token);
  const held = signedIn();
  waiting = held === null || isSame(held, link) ? null : { token, offer: { link, held } };
  if (waiting !== null) return "asks";
  storeToken(token);
  return "signed-in";
}

/** The link that waits for the person's word; null: none. */
export function offer(): Offer | null {
  return waiting?.offer ?? null;
}

/** Sign in as the link says. */
export function useLink(): void {
  if (waiting !== null) storeToken(waiting.token);
  waiting = null;
}

/** Stay who is signed in; the link's token is forgotten. */
export function stay(): void {
  waiting = null;
}

/** Who is signed in; null: nobody whose token still counts. */
function signedIn(): Claims | null {
  const held = claims(storedToken() ?? "");
  return held === null || held.subject === null || (held.expires ?? Number.POSITIVE_INFINITY) <= Date.now()
    ? null
    : held;
}

function isSame(held: Claims, link: Claims | null): boolean {
  return link !== null && link.subject === held.subject && link.tenant === held.tenant;
}
