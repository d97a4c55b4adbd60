import { describe, expect, it } from "vitest";
import { identity, isWellFormed, readClaims } from "../../../src/client/auth/claims";
import { token } from "../fake-service";

const NOW = Date.parse("2026-11-22T11:14:00.000Z");

function signed(claims: object): string {
  return `e30.${btoa(JSON.stringify(claims))}.c2ln`;
}

describe("claims", () => {
  it("are read from the token, in any alphabet", () => {
    const utf8 = new TextEncoder().encode('{"sub":"Zoë 🙂~~~","tenant":"acme","roles":["admin"],"exp":1795346140}');
    const body = btoa(String.fromCharCode(...utf8))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replace(/=+$/, "");
    expect(body).toMatch(/[-_]/);
    expect(readClaims(`e30.${body}.c2ln`)).toEqual({
      subject: "Zoë 🙂~~~",
      tenant: "acme",
      roles: ["admin"],
      expires: 1_795_346_140_000,
    });
  });

  it("have the default tenant, no role and no expiry if the token names none", () => {
    expect(readClaims(`e30.${btoa('{"sub":"ada"}')}.c2ln`)).toEqual({
      subject: "ada",
      tenant: "default",
      roles: [],
      expires: null,
    });
  });

  it.each(["", "abc", "a.b.c", "..", "a.bnVsbA.c"])(
    "of text that is not a token (%j) are null, without an error",
    (written) => {
      expect(readClaims(written)).toBeNull();
      expect(identity(written)).toBeNull();
    },
  );

  it("tell one tenant and subject from another", () => {
    const identities = [token(NOW, "ada"), token(NOW, "ada", "acme"), token(NOW, "grace"), token(NOW + 1, "ada")].map(
      identity,
    );
    expect(new Set(identities).size).toBe(3);
    expect(identities[3]).toBe(identities[0]);
  });

  it("tell a token with other roles from one with the same in another order", () => {
    const roles = [["admin", "user"], ["user", "admin"], ["user"], [7, "user"]];
    const [both, turned, lost, odd] = roles.map((some) => identity(token(NOW, "ada", "default", some)));
    expect(turned).toBe(both);
    expect(lost).not.toBe(both);
    expect(odd).toBe(lost);
  });

  it("tell tenants and roles apart whichever claims hold them, and know the same session by its next token", () => {
    const claims = { sub: 7, iat: 1, jti: "a", org: { id: "acme" }, realm_access: { roles: ["x", "admin"] } };
    const same = { ...claims, iat: 2, exp: 9, jti: "b", realm_access: { roles: ["admin", "x"] } };
    expect(identity(signed(claims))).not.toBeNull();
    expect(identity(signed(same))).toBe(identity(signed(claims)));
    for (const change of [
      { org: { id: "globex" } },
      { realm_access: { roles: ["x"] } },
      { scope: "admin" },
      { sub: 8 },
    ])
      expect(identity(signed({ ...claims, ...change }))).not.toBe(identity(signed(claims)));
  });

  it("take a whole number as the subject's text", () => {
    expect(readClaims(signed({ sub: 42 }))?.subject).toBe("42");
    for (const sub of [true, 1.5, null, [], 2 ** 60]) expect(readClaims(signed({ sub }))?.subject).toBeNull();
  });

  it("are only read from text with the characters of a token", () => {
    expect(isWellFormed(token(NOW))).toBe(true);
    for (const pasted of ["", "a b", "a\nb", "tökén", '"a.b.c"']) expect(isWellFormed(pasted)).toBe(false);
  });
});
