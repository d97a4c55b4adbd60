/** What a token says about itself. A token is a secret: it stays in its tab, and reaches no log, error message or URL. */

/** The claims of a token. For display and timing only: the service verifies the token. */
export interface Claims {
  readonly subject: string | null;
  readonly tenant: string;
  readonly roles: readonly unknown[];
  /** When the token expires, in ms since 1970; null if it does not say. */
  readonly expires: number | null;
}

/**
 * Read the claims of a JWT without verifying it; null if it is not a JWT. The roles are in the claim of the name
 * `rolesClaim`, or at this path, as in the service: a list, or a text that is split at spaces.
 */
export function readClaims(token: string, rolesClaim = "roles"): Claims | null {
  try {
    const claims = parse(token);
    const { sub, tenant, exp } = claims;
    return {
      subject: subjectOf(sub),
      tenant: typeof tenant === "string" ? tenant : "default",
      roles: rolesOf(claims, rolesClaim),
      expires: typeof exp === "number" ? exp * 1000 : null,
    };
  } catch {
    return null;
  }
}

// biome-ignore lint/suspicious/noExplicitAny: what a token holds is not known
function parse(token: string): any {
  return JSON.parse(decode(token.split(".")[1] ?? ""));
}

/** The subject; a whole number is taken as its text, but not beyond those that JavaScript holds exactly. */
function subjectOf(sub: unknown): string | null {
  return typeof sub === "string" ? sub : Number.isSafeInteger(sub) ? String(sub) : null;
}

function rolesOf(claims: unknown, name: string): readonly unknown[] {
  const roles = find(claims, name);
  if (typeof roles === "string") return roles.split(/\s+/).filter((role) => role !== "");
  return Array.isArray(roles) ? roles : [];
}

/** Find the claim of this name, or at this path; undefined if there is none. */
function find(claims: unknown, name: string): unknown {
  if (!isObject(claims)) return undefined;
  if (Object.hasOwn(claims, name) && claims[name] !== null) return claims[name];
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
    const head = name.slice(0, dot);
    const found = Object.hasOwn(claims, head) ? find(claims[head], name.slice(dot + 1)) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function decode(base64url: string): string {
  const bytes = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
}

/** Whether the text has only characters of a JWT. Others cannot stand in a header or in the name of a subprotocol. */
export function isWellFormed(token: string): boolean {
  return /^[\w.-]+$/.test(token);
}

/** Claims that differ between two tokens of one session. */
const OF_ONE_TOKEN = new Set([
  ...["exp", "iat", "nbf", "jti", "nonce", "auth_time", "at_hash", "c_hash", "sid", "session_state"],
  ...["origin_jti", "event_id", "uti", "aio", "rh"],
]);

/**
 * Identify whom a token is of, and what it allows; null if it names no subject. Tabs share a connection only if this is the
 * same: the service may refuse a token that lost a role. Which claims hold roles and tenant is a setting of the service, so
 * that all claims count but those that each token has anew.
 */
export function identity(token: string): string | null {
  if (readClaims(token)?.subject == null) return null;
  const { sub, tenant, ...others } = parse(token);
  const rest = Object.entries(others).filter(([name]) => !OF_ONE_TOKEN.has(name));
  return JSON.stringify([tenant ?? "default", subjectOf(sub), inOrder(Object.fromEntries(rest))]);
}

/** The same claims in one order: names and the texts of lists are sorted, what else lists hold is no role. */
function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((item) => typeof item === "string").sort();
  if (!isObject(value)) return value;
  return Object.keys(value)
    .sort()
    .map((name) => [name, inOrder(value[name])]);
}
