import { readClaims } from "../client/auth/claims";
import { ADMIN_ROLE } from "../client/catalogue";

/**
 * Whether a token has the role of admins, by default `admin` in the claim `roles`. This decides whether to offer the button;
 * the service decides on access.
 */
export function isAdmin(token: string | null, role?: string | null, rolesClaim?: string | null): boolean {
  if (token === null) return false;
  return readClaims(token, rolesClaim || undefined)?.roles.includes(role || ADMIN_ROLE) === true;
}
