/** The session of this browser with the service: what opens it, who is signed in, and its end. */

import { ownOrigin, type Session } from "./auth/credential";
import type { Key } from "./auth/sign-in-link";
import { endpoint, problem, RestError, reply } from "./rest";

/** The name of a person. */
export interface Person {
  readonly subject: string | null;
  readonly tenant: string;
}

/** What became of a key: there is a session now, or somebody else is signed in and has to agree. */
export type Opening =
  | { readonly kind: "new" | "renewed"; readonly session: Session }
  | { readonly kind: "other"; readonly person: Person };

/** Who is signed in at this page's own origin; null if nobody is. Throws {@link RestError}. */
export async function readSession(): Promise<Session | null> {
  const response = await request("GET");
  if (response.status === 204) return null;
  if (!response.ok) throw await problem(response);
  return described(response);
}

/** Open a session; `replace` ends that of somebody else. Throws {@link RestError} with the service's reason. */
export async function openSession(key: Key, replace = false): Promise<Opening> {
  const [body, headers] = "code" in key ? [{ code: key.code }, {}] : [{}, { Authorization: `Bearer ${key.token}` }];
  const response = await request("POST", headers, { ...body, replace });
  if (response.status === 409) {
    const { subject, tenant } = await response.json();
    return { kind: "other", person: { subject, tenant } };
  }
  if (!response.ok) throw await problem(response);
  return { kind: response.status === 201 ? "new" : "renewed", session: await described(response) };
}

/** Sign out, in all tabs. Throws {@link RestError}. */
export async function endSession(): Promise<void> {
  const response = await request("DELETE");
  if (!response.ok) throw await problem(response);
}

/** How to sign in here: with a provider of this name, or (null) with a token alone; and why the last attempt failed. */
export interface Ways {
  readonly provider: string | null;
  readonly reason: string | null;
}

/** Read how to sign in. Throws {@link RestError}. */
export async function readWays(): Promise<Ways> {
  const response = await request("GET", {}, undefined, "sign-in");
  if (!response.ok) throw await problem(response);
  return response.json();
}

/** Begin to sign in with the provider; gives the address to go to. Throws {@link RestError} with the service's reason. */
export async function beginSignIn(): Promise<string> {
  const response = await request("POST", {}, undefined, "sign-in/oidc");
  if (!response.ok) throw await problem(response);
  const { location } = await response.json();
  return location;
}

function request(
  method: string,
  headers: Record<string, string> = {},
  body?: unknown,
  path = "session",
): Promise<Response> {
  return reply(endpoint("", path), {
    method,
    headers: { ...ownOrigin(), ...headers, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    credentials: "same-origin",
  });
}

async function described(response: Response): Promise<Session> {
  const session = await response.json().catch(() => null);
  if (typeof session?.subject !== "string") throw new RestError(0, "", null);
  return { ...session, expires: session.expires * 1000 };
}
