/** What a token says about itself. A token is a secret: it stays in its tab, and reaches no log, error message or URL. */

/** The claims of a token. For display and timing only: the service verifies the token. */
export interface Claims {
  readonly subject: string | null;
  readonly tenant: string;
  readonly roles: readonly unknown[];
  /** When the token expires, in ms since 1970; null if it does not say. */
  readonly expires: number | null;
}

/** Read the claims of a JWT without verifying it; null if it is not a JWT. */
export function readClaims(token: string): Claims | null {
  try {
    const { sub, tenant, roles, exp } = JSON.parse(decode(token.split(".")[1] ?? ""));
    return {
      subject: typeof sub === "string" ? sub : null,
      tenant: typeof tenant === "string" ? tenant : "default",
      roles: Array.isArray(roles) ? roles : [],
      expires: typeof exp === "number" ? exp * 1000 : null,
    };
  } catch {
    return null;
  }
}

function decode(base64url: string): string {
  const bytes = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
}

/** Whether the text has only characters of a JWT. Others cannot stand in a header or in the name of a subprotocol. */
export function isWellFormed(token: string): boolean {
  return /^[\w.-]+$/.test(token);
}

/**
 * Identify the tenant, the subject and the roles of a token; null if it names no subject. Tabs share a connection only if
 * all three are the same, since the service may refuse a token that lost a role.
 */
export function identity(token: string): string | null {
  const claims = readClaims(token);
  if (claims === null || claims.subject === null) return null;
  const roles = claims.roles.filter((role) => typeof role === "string").sort();
  return JSON.stringify([claims.tenant, claims.subject, roles]);
}
