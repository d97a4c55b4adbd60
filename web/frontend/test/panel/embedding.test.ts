import { describe, expect, it } from "vitest";
import { isAdmin } from "../../src/panel/admin";
import { absoluteAddress, serviceOf } from "../../src/panel/service-address";

const PAGE = "https://shop.example/admin/";

function token(claims: object): string {
  const bytes = new TextEncoder().encode(JSON.stringify(claims));
  const part = btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");
  return `e30.${part}.signature`;
}

describe("where the service is", () => {
  it("is where the script came from, under a path prefix or not", () => {
    expect(serviceOf("https://a.example/analytics/panel.js", PAGE)).toBe("https://a.example");
    expect(serviceOf("https://a.example/tools/analytics/panel.js?v=1", PAGE)).toBe("https://a.example/tools");
    expect(serviceOf("https://cdn.example/app.js", PAGE)).toBe("https://cdn.example");
    expect(serviceOf("", PAGE)).toBe(PAGE);
  });

  it("is an http(s) address and nothing else, since a link is made of it", () => {
    expect(absoluteAddress("https://a.example/", PAGE)).toBe("https://a.example");
    expect(absoluteAddress("/tools/", PAGE)).toBe("https://shop.example/tools");
    for (const given of ["javascript:alert(1)", "http://", "data:text/html,x"])
      expect(absoluteAddress(given, PAGE)).toBeNull();
  });
});

describe("an admin's token", () => {
  it("carries the role admin, in a list or a text", () => {
    for (const roles of [["user", "admin"], "admin", "user admin"])
      expect(isAdmin(token({ sub: "zoë", roles }))).toBe(true);
    for (const claims of [{}, { roles: "administrator" }, { roles: ["user"] }, { roles: { includes: 1 } }]) {
      expect(isAdmin(token(claims))).toBe(false);
    }
  });

  it.each([
    ["Keycloak", { realm_access: { roles: ["boss"] } }, "realm_access.roles"],
    ["a client of Keycloak", { resource_access: { "a.b": { roles: ["boss"] } } }, "resource_access.a.b.roles"],
    ["Auth0", { "https://example.com/roles": ["boss"] }, "https://example.com/roles"],
    ["Entra", { roles: ["boss"] }, null],
    ["Cognito", { "cognito:groups": ["boss"] }, "cognito:groups"],
    ["scopes", { scope: "openid boss" }, "scope"],
  ])("of %s carries the role in the claim that is set", (_name, claims, path) => {
    expect(isAdmin(token({ sub: 42, ...claims }), "boss", path)).toBe(true);
    expect(isAdmin(token({ sub: 42, ...claims }), "admin", path)).toBe(false);
    expect(isAdmin(token({ sub: 42, ...claims }), "boss", "other.claim")).toBe(false);
  });

  it("is none if it cannot be read", () => {
    for (const broken of [null, "", "a.b.c", "e30.bnVsbA.x"]) expect(isAdmin(broken)).toBe(false);
  });
});
