/** Whether a token is an admin's: decides what is offered, never what is allowed, which the service does. */

export function isAdmin(token: string | null): boolean {
  try {
    const { roles } = JSON.parse(decoded(token?.split(".")[1] ?? ""));
    return Array.isArray(roles) && roles.includes("admin");
  } catch {
    return false;
  }
}

function decoded(base64url: string): string {
  const bytes = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
}
