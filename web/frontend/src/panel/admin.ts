import { claims } from "../client/auth/token";

/** Whether a token is an admin's: decides what is offered, never what is allowed, which the service does. */
export function isAdmin(token: string | null): boolean {
  return token !== null && claims(token)?.roles.includes("admin") === true;
}
