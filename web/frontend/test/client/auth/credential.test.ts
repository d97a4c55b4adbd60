import { afterEach, describe, expect, it, vi } from "vitest";
import {
  canBeSent,
  expiryOf,
  identityOf,
  isSame,
  requestOf,
  type Session,
  subprotocolsOf,
} from "../../../src/client/auth/credential";
import { token } from "../fake-service";

const SOON = 1_900_000_000_000;
const SESSION: Session = { subject: "ada", tenant: "acme", roles: ["admin"], id: "0123", expires: SOON };

describe("a credential", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("is shown as a bearer token, or by the browser's cookie and the page's origin", () => {
    vi.stubGlobal("location", { origin: "https://analytics.example" });
    expect(requestOf("a.b.c")).toEqual({ headers: { Authorization: "Bearer a.b.c" }, credentials: "omit" });
    expect(requestOf(SESSION)).toEqual({
      headers: { "X-Page-Origin": "https://analytics.example" },
      credentials: "same-origin",
    });
    expect(subprotocolsOf("a.b.c")).toEqual(["bearer.a.b.c"]);
    expect(subprotocolsOf(SESSION)).toEqual([]);
  });

  it("ends when the token says, or the session", () => {
    expect(expiryOf(token(SOON))).toBe(SOON);
    expect(expiryOf(SESSION)).toBe(SOON);
    expect(expiryOf("a.b.c")).toBeNull();
  });

  it("is the same as one of the same session with the same end", () => {
    expect(isSame(SESSION, { ...SESSION })).toBe(true);
    expect(isSame(SESSION, { ...SESSION, expires: SOON + 1000 })).toBe(false);
    expect(isSame(SESSION, { ...SESSION, id: "4567" })).toBe(false);
    expect(isSame(SESSION, "a.b.c")).toBe(false);
    expect(isSame("a.b.c", "a.b.c")).toBe(true);
    expect(isSame(null, SESSION)).toBe(false);
  });

  it("identifies a person with roles, whatever the session", () => {
    const other = { ...SESSION, id: "4567", expires: SOON + 1000 };
    expect(identityOf(other)).toBe(identityOf(SESSION));
    for (const change of [{ subject: "eve" }, { tenant: "default" }, { roles: ["admin", "editor"] }])
      expect(identityOf({ ...SESSION, ...change })).not.toBe(identityOf(SESSION));
    expect(identityOf(token(SOON, "ada", "acme"))).not.toBe(identityOf(SESSION));
  });

  it("can be sent unless it is no token", () => {
    expect([canBeSent("a.b.c"), canBeSent("a b"), canBeSent(SESSION)]).toEqual([true, false, true]);
  });
});
