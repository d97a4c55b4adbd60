import { afterEach, describe, expect, it, vi } from "vitest";
import { plainToken, takeLinkKey } from "../../../src/client/auth/sign-in-link";

describe("the key of a link", () => {
  function visit(hash: string): { replaced: string[] } {
    const replaced: string[] = [];
    vi.stubGlobal("location", { hash, pathname: "/analytics", search: "?range=7d" });
    vi.stubGlobal("history", {
      state: null,
      replaceState: (_: unknown, __: string, url: string) => replaced.push(url),
    });
    return { replaced };
  }

  afterEach(() => vi.unstubAllGlobals());

  it.each([
    ["#token=a.b.c", { token: "a.b.c" }, ""],
    ["#token=Bearer%20a.b.c", { token: "a.b.c" }, ""],
    ["#code=abc", { code: "abc" }, ""],
    ["#view=users&token=a.b.c", { token: "a.b.c" }, "#view=users"],
    ["#code=abc&view=users", { code: "abc" }, "#view=users"],
    ["#token=a.b.c&code=abc", { token: "a.b.c" }, ""],
    ["#token=", null, ""],
    ["#code=%20", null, ""],
  ])("is taken out of the address %s", (hash, key, rest) => {
    const { replaced } = visit(hash);
    expect(takeLinkKey()).toEqual(key);
    expect(replaced).toEqual([`/analytics?range=7d${rest}`]);
  });

  it("leaves an address without one alone", () => {
    const { replaced } = visit("#users");
    expect(takeLinkKey()).toBeNull();
    expect(replaced).toEqual([]);
  });
});

it.each(["a.b.c", "  a.b.c\n", "Bearer a.b.c", "bearer   a.b.c "])("a token is taken as pasted: %j", (pasted) => {
  expect(plainToken(pasted)).toBe("a.b.c");
});
