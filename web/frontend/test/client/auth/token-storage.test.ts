import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

describe("the page's own token", () => {
  let stored: Map<string, string>;

  function visit(): void {
    stored = new Map();
    vi.stubGlobal("sessionStorage", {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => stored.set(key, value),
      removeItem: (key: string) => stored.delete(key),
    });
  }

  beforeEach(() => vi.resetModules());
  afterEach(() => vi.unstubAllGlobals());

  it.each(["a.b.c", "  a.b.c\n", "Bearer a.b.c", "bearer   a.b.c "])("is taken as pasted: %j", async (pasted) => {
    visit();
    const page = await import("../../../src/client/auth/token-storage");
    expect(page.storeToken(pasted)).toBe(true);
    expect(page.storedToken()).toBe("a.b.c");
  });

  it("is not replaced by an empty paste, and can be removed", async () => {
    visit();
    const page = await import("../../../src/client/auth/token-storage");
    page.storeToken("a.b.c");
    expect(page.storeToken("  ")).toBe(false);
    expect(page.storedToken()).toBe("a.b.c");
    page.removeToken();
    expect(page.storedToken()).toBeNull();
  });
});
