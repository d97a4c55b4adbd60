import { readClaims } from "../client/auth/claims";
import { ADMIN_ROLE } from "../client/catalogue";

/** Whether a token has the role admin. This decides whether to offer the button; the service decides on access. */
export function isAdmin(token: string | null): boolean {
  return token !== null && readClaims(token)?.roles.includes(ADMIN_ROLE) === true;
}
