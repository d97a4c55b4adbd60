/**
 * Who is signed in. The access token lives in this script's memory, the token that renews it in a cookie of the auth
 * service that no script reads. Tabs share the cookie, and so the person.
 */

import { services } from "/config.js";

/** Where the analytics dashboard, a page of this origin, looks for its token: in the storage of its own tab. */
const DASHBOARD = "convoai-analytics.token";
/** The next token is asked for when so much of this one's life is over: before the dashboard would ask. */
const RENEW_AT = 0.6;
/** A token with less than these ms left is not used any more. */
const LEAST_MS = 10_000;

const tabs = new BroadcastChannel("convoai.session");
const events = new EventTarget();
let token = null;
let expires = 0;
let renewing = null;
let timer;

/** What the auth service refused; `status` says how, `field` what is at fault. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? "This does not work just now.");
    this.status = status;
    this.field = problem.field;
  }
}

/** Who is signed in: `{id, username, isAdmin}`; null: nobody. What it says is for display: services verify the token. */
export function person() {
  if (token === null) return null;
  const { sub, preferred_username, roles } = claims(token);
  return { id: sub, username: preferred_username, isAdmin: roles.includes("admin") };
}

/** Call `listener` whenever somebody signs in or out, or has other roles. */
export function onChange(listener) {
  events.addEventListener("change", listener);
}

export async function register(username, password) {
  await ask("/users/", JSON.stringify({ username, password }), "application/json");
}

export async function signIn(username, password) {
  take(await ask("/auth/token", new URLSearchParams({ grant_type: "password", username, password })));
}

/** Go on with the session of before, if there is one; says who is signed in. Throws if the auth service is away. */
export async function resume() {
  await renew();
  return person();
}

/** Give a token that lasts a while yet; null: nobody is signed in. Throws if the auth service is away. */
export async function getToken() {
  if (token !== null && Date.now() < expires - LEAST_MS) return token;
  if (token !== null || renewing !== null) await renew();
  return token;
}

export async function signOut() {
  forget();
  tabs.postMessage("signed-out");
  await ask("/auth/logout", new URLSearchParams());
}

tabs.onmessage = () => forget();

/** However many ask at a time, the service is asked once. */
function renew() {
  renewing ??= ask("/auth/refresh", new URLSearchParams())
    .then(take)
    .catch((error) => {
      if (error.status !== 401) throw error;
      forget();
    })
    .finally(() => {
      renewing = null;
    });
  return renewing;
}

async function ask(path, body, type) {
  const headers = type === undefined ? {} : { "Content-Type": type };
  const answer = await fetch(services.auth + path, { method: "POST", body, headers, credentials: "include" });
  if (!answer.ok) throw new Refused(answer.status, await answer.json().catch(() => ({})));
  return answer.status === 204 ? null : answer.json();
}

/** Take an answer of the auth service: a token, or nothing, since there is no session. */
function take(answer) {
  if (answer === null) return forget();
  const { access_token, expires_in } = answer;
  token = access_token;
  expires = Date.now() + expires_in * 1000;
  keepForDashboard(person().isAdmin ? token : null);
  clearTimeout(timer);
  timer = setTimeout(() => renew().catch(later), expires_in * 1000 * RENEW_AT);
  events.dispatchEvent(new Event("change"));
}

/** The auth service is away: ask again soon, the session goes on. */
function later() {
  timer = setTimeout(() => renew().catch(later), 5000);
}

function forget() {
  token = null;
  clearTimeout(timer);
  keepForDashboard(null);
  events.dispatchEvent(new Event("change"));
}

function keepForDashboard(kept) {
  try {
    if (kept === null) sessionStorage.removeItem(DASHBOARD);
    else sessionStorage.setItem(DASHBOARD, kept);
  } catch {
    // Without a storage the dashboard asks for a token.
  }
}

/** Whose token the dashboard has in this tab; null: none, or one that has ended. */
export function ofDashboard() {
  try {
    const { sub, exp } = claims(sessionStorage.getItem(DASHBOARD));
    return exp * 1000 > Date.now() ? sub : null;
  } catch {
    return null;
  }
}

function claims(jwt) {
  const base64 = jwt.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))));
}
