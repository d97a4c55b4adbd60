/** What a request shows who asks by: a token, or the session of this browser, whose cookie no script can read. */

import { BEARER } from "../catalogue";
import { identity, isWellFormed, readClaims } from "./claims";

/** A session, as the service describes it. */
export interface Session {
  readonly subject: string;
  readonly tenant: string;
  readonly roles: readonly string[];
  /** Tells this session from others; it opens nothing. */
  readonly id: string;
  /** When the session ends, in ms since 1970. */
  readonly expires: number;
}

export type Credential = string | Session;

/** Whether two credentials are the same token, or the same session with the same end. */
export function isSame(one: Credential | null, other: Credential | null): boolean {
  if (one === null || other === null || typeof one === "string" || typeof other === "string") return one === other;
  return one.id === other.id && one.expires === other.expires;
}

/** When a credential ends, in ms since 1970; null if it does not say. */
export function expiryOf(credential: Credential): number | null {
  return typeof credential === "string" ? (readClaims(credential)?.expires ?? null) : credential.expires;
}

/** Identify whom a credential is of, and what it allows; null if it names no subject. Tabs share what has the same. */
export function identityOf(credential: Credential): string | null {
  if (typeof credential === "string") return identity(credential);
  const { tenant, subject, roles } = credential;
  return JSON.stringify(["session", tenant, subject, [...roles].sort()]);
}

/** Whether the credential has only characters that can stand in a request. */
export function canBeSent(credential: Credential): boolean {
  return typeof credential !== "string" || isWellFormed(credential);
}

/** How a request shows it. Only pages of the service's own origin have a session, and name that origin. */
export function requestOf(credential: Credential): {
  headers: Record<string, string>;
  credentials: RequestCredentials;
} {
  return typeof credential === "string"
    ? { headers: { Authorization: `Bearer ${credential}` }, credentials: "omit" }
    : { headers: ownOrigin(), credentials: "same-origin" };
}

/** The header by which a page of the service names its origin: browsers leave it out of requests that read. */
export function ownOrigin(): Record<string, string> {
  return { "X-Page-Origin": location.origin };
}

/** The subprotocols by which a WebSocket shows it, beside the protocol's own. */
export function subprotocolsOf(credential: Credential): readonly string[] {
  return typeof credential === "string" ? [BEARER + credential] : [];
}
