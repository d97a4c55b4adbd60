import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

describe("the token of a tab", () => {
  beforeEach(() => vi.resetModules());
  afterEach(() => vi.unstubAllGlobals());

  function stub(sessionStorage: object): void {
    vi.stubGlobal("sessionStorage", sessionStorage);
  }

  it("is stored, and can be removed", async () => {
    const stored = new Map<string, string>();
    stub({
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => stored.set(key, value),
      removeItem: (key: string) => stored.delete(key),
    });
    const tab = await import("../../../src/client/auth/token-storage");
    expect(tab.storedToken()).toBeNull();
    tab.storeToken("a.b.c");
    expect([...stored.values()]).toEqual(["a.b.c"]);
    expect(tab.storedToken()).toBe("a.b.c");
    tab.removeToken();
    expect(tab.storedToken()).toBeNull();
  });

  it("lasts as long as the page where nothing can be stored", async () => {
    const refuse = () => {
      throw new DOMException("denied", "SecurityError");
    };
    stub({ getItem: refuse, setItem: refuse, removeItem: refuse });
    const tab = await import("../../../src/client/auth/token-storage");
    tab.storeToken("a.b.c");
    expect(tab.storedToken()).toBe("a.b.c");
    tab.removeToken();
    expect(tab.storedToken()).toBeNull();
  });
});
