import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { token } from "../fake-service";

describe("the token of a link", () => {
  let storage = new Map<string, string>();

  function visit(hash: string): { replaced: string[] } {
    const replaced: string[] = [];
    vi.stubGlobal("location", { hash, pathname: "/analytics", search: "?range=7d" });
    vi.stubGlobal("history", {
      state: null,
      replaceState: (_: unknown, __: string, url: string) => replaced.push(url),
    });
    vi.stubGlobal("sessionStorage", {
      getItem: (key: string) => storage.get(key) ?? null,
      setItem: (key: string, value: string) => storage.set(key, value),
      removeItem: (key: string) => storage.delete(key),
    });
    return { replaced };
  }

  /** What this tab is signed in with. */
  async function stored(): Promise<string | null> {
    return (await import("../../../src/client/auth/token-storage")).storedToken();
  }

  beforeEach(() => {
    vi.resetModules();
    storage = new Map();
  });
  afterEach(() => vi.unstubAllGlobals());

  it("moves from the fragment into this tab's storage, and out of the address", async () => {
    const { replaced } = visit("#token=a.b.c");
    const page = await import("../../../src/client/auth/sign-in-link");
    expect(page.takeLinkToken()).toBe("signed-in");
    expect(replaced).toEqual(["/analytics?range=7d"]);
    expect([...storage.values()]).toEqual(["a.b.c"]);
    expect(await stored()).toBe("a.b.c");
  });

  it("leaves the rest of the fragment", async () => {
    const { replaced } = visit("#view=users&token=a.b.c");
    (await import("../../../src/client/auth/sign-in-link")).takeLinkToken();
    expect(replaced).toEqual(["/analytics?range=7d#view=users"]);
  });

  it("leaves an address without a token alone", async () => {
    const { replaced } = visit("#users");
    const page = await import("../../../src/client/auth/sign-in-link");
    expect(page.takeLinkToken()).toBe("none");
    expect(replaced).toEqual([]);
    expect(await stored()).toBeNull();
  });

  it("is erased from the address even if it is empty, and then there was none", async () => {
    const { replaced } = visit("#token=");
    const page = await import("../../../src/client/auth/sign-in-link");
    expect(page.takeLinkToken()).toBe("none");
    expect(replaced).toEqual(["/analytics?range=7d"]);
    expect(await stored()).toBeNull();
  });

  it("is erased from the address, and used, even where nothing can be stored", async () => {
    const { replaced } = visit("#token=a.b.c");
    const refuse = () => {
      throw new DOMException("denied", "SecurityError");
    };
    vi.stubGlobal("sessionStorage", { getItem: refuse, setItem: refuse, removeItem: refuse });
    const page = await import("../../../src/client/auth/sign-in-link");
    page.takeLinkToken();
    expect(replaced.length).toBe(1);
    expect(await stored()).toBe("a.b.c");
    (await import("../../../src/client/auth/token-storage")).removeToken();
    expect(await stored()).toBeNull();
  });

  const SOON = Date.now() + 60_000;
  const CURRENT = token(SOON, "ada", "acme");

  async function signedIn(by: string) {
    visit("");
    (await import("../../../src/client/auth/token-storage")).storeToken(by);
  }

  it.each([
    ["another subject", token(SOON, "eve", "acme")],
    ["another tenant", token(SOON, "ada", "globex")],
    ["nobody", "a.b.c"],
  ])("of %s needs an answer where somebody is signed in", async (_, other) => {
    await signedIn(CURRENT);
    const { replaced } = visit(`#view=users&token=${other}`);
    const page = await import("../../../src/client/auth/sign-in-link");
    expect(page.takeLinkToken()).toBe("needs-answer");
    expect(replaced).toEqual(["/analytics?range=7d#view=users"]);
    expect(await stored()).toBe(CURRENT);
    expect(page.pendingLink()?.current).toMatchObject({ subject: "ada", tenant: "acme" });
    page.rejectLink();
    expect(page.pendingLink()).toBeNull();
    expect(await stored()).toBe(CURRENT);
    visit(`#token=${other}`);
    page.takeLinkToken();
    page.acceptLink();
    expect(page.pendingLink()).toBeNull();
    expect(await stored()).toBe(other);
  });

  it("of the same person is taken, with other roles too, and so is any once the session has ended", async () => {
    for (const [before, link] of [
      [CURRENT, token(SOON + 60_000, "ada", "acme", ["admin", "editor"])],
      [token(Date.now() - 1, "ada"), token(SOON, "eve")],
      ["no.token.c", token(SOON, "eve")],
    ] as const) {
      await signedIn(before);
      visit(`#token=${link}`);
      const page = await import("../../../src/client/auth/sign-in-link");
      expect(page.takeLinkToken()).toBe("signed-in");
      expect(page.pendingLink()).toBeNull();
      expect(await stored()).toBe(link);
    }
  });

  it("that needs an answer is dropped when another is taken, and an empty one changes nothing", async () => {
    await signedIn(CURRENT);
    const page = await import("../../../src/client/auth/sign-in-link");
    visit(`#token=${token(SOON, "eve")}`);
    expect(page.takeLinkToken()).toBe("needs-answer");
    visit("#token=");
    expect(page.takeLinkToken()).toBe("none");
    expect(page.pendingLink()?.link?.subject).toBe("eve");
    visit(`#token=${token(SOON, "ada", "acme")}`);
    expect(page.takeLinkToken()).toBe("signed-in");
    expect(page.pendingLink()).toBeNull();
  });
});
