/**
 * Who uses this page: the session of this browser, which all tabs have, and the page's client.
 *
 * A token, or the code of a panel, is exchanged for the session and then forgotten. Where a browser keeps no cookies, a
 * token stays in its tab instead.
 */

import { type Credential, identityOf } from "../../client/auth/credential";
import { type Key, takeLinkKey } from "../../client/auth/sign-in-link";
import { removeToken, storedToken, storeToken } from "../../client/auth/token-storage";
import { AnalyticsClient } from "../../client/client";
import { RestError } from "../../client/rest";
import { beginSignIn, endSession, openSession, type Person, readSession } from "../../client/session";

/** A link that waits for the person's answer: whom it signs in, and who is signed in. */
export interface PendingLink {
  readonly link: Person;
  readonly current: Person;
}

/** Where a tab keeps the address that it left for the provider's pages. */
const LEFT = "convoai-analytics.left";
/** The name of the channel by which tabs hear that somebody signed in or out. */
const CHANNEL = "convoai-analytics.session";

returnToView();

/** A key that was not tried yet: of the link that opened this page. */
let untried: Key | null = takeLinkKey();
let pending: { readonly key: Key; readonly link: PendingLink } | null = null;
let refusal: string | null = null;
/** Whose figures are on this page. */
let identity: string | null = null;

const channel = typeof BroadcastChannel === "function" ? new BroadcastChannel(CHANNEL) : null;

export const client = new AnalyticsClient({ url: "", token: credential });
if (channel !== null) channel.onmessage = onOtherTab;
client.start();

/** The link that waits for the person's answer; null if there is none. */
export function pendingLink(): PendingLink | null {
  return pending?.link ?? null;
}

/** Why the service refused the last token or code, in its own words; null if it did not. */
export function lastRefusal(): string | null {
  return refusal;
}

/** Sign in; the reason if the service refuses, else null. Rejects if the service does not answer. */
export async function signIn(key: Key): Promise<string | null> {
  await use(key, true);
  if (refusal === null) client.signIn();
  return refusal;
}

/** Leave for the provider's pages. Throws `RestError` with the reason if that is not possible. */
export async function continueWithProvider(): Promise<void> {
  const address = await beginSignIn();
  try {
    sessionStorage.setItem(LEFT, location.search + location.hash);
  } catch {
    // Without storage the person comes back to the overview.
  }
  location.assign(address);
}

/** Use the key of a link that was opened in this page. Tells whether somebody is signed in by it. */
export async function followLink(key: Key): Promise<boolean> {
  await use(key, false);
  return pending === null && refusal === null;
}

/** Sign in with the link that waits. Tells whether somebody is signed in by it. */
export async function acceptLink(): Promise<boolean> {
  if (pending !== null) await use(pending.key, true);
  return refusal === null;
}

/** Stay signed in as before; the link's key is dropped. */
export function rejectLink(): void {
  pending = null;
  refusal = null;
}

/** Sign out, in all tabs. Rejects if the service does not answer: then the session goes on. */
export async function signOut(): Promise<void> {
  removeToken();
  await endSession();
  channel?.postMessage("signed-out");
}

/** What the page's requests show; null if nobody is signed in. */
async function credential(): Promise<Credential | null> {
  if (untried !== null) {
    const key = untried;
    await use(key, false);
    untried = null;
  }
  const found = (await readSession().catch(forbidden)) ?? storedToken();
  if (found !== null) {
    const before = identity;
    identity = identityOf(found);
    // Somebody else signed in, in another tab: nothing of what this page holds is for that person.
    if (before !== null && before !== identity) reload();
  }
  return found;
}

/** Exchange a key for the session; what comes of it is in `pending` and `refusal`. Rejects without an answer. */
async function use(key: Key, replace: boolean): Promise<void> {
  pending = null;
  refusal = null;
  try {
    const opening = await openSession(key, replace);
    if (opening.kind === "other") {
      const current = (await readSession()) ?? { subject: null, tenant: "default" };
      pending = { key, link: { link: opening.person, current } };
      return;
    }
    removeToken();
    if ("token" in key && (await readSession()) === null) storeToken(key.token);
    if (opening.kind === "new") channel?.postMessage("signed-in");
  } catch (error) {
    if (!(error instanceof RestError) || error.status < 400 || error.status >= 500) throw error;
    refusal = error.detail;
  }
}

/** Show the view that this tab showed before it left for the provider's pages. */
function returnToView(): void {
  try {
    const left = sessionStorage.getItem(LEFT);
    sessionStorage.removeItem(LEFT);
    if (left && location.search + location.hash === "")
      history.replaceState(history.state, "", location.pathname + left);
  } catch {
    // Without storage nothing was kept.
  }
}

/** A session whose role was taken away is none. */
function forbidden(error: unknown): null {
  if (!(error instanceof RestError) || error.status !== 403) throw error;
  refusal = error.detail;
  return null;
}

function onOtherTab(): void {
  if (client.status.kind === "signed-out") client.signIn();
  else reload();
}

/** Reload the page, so that nothing remains of the figures before. */
export function reload(): void {
  client.stop();
  location.reload();
}
