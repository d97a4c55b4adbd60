import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { token } from "../fake-service";

describe("the token of a link", () => {
  let stored = new Map<string, string>();

  function visit(hash: string): { replaced: string[] } {
    const replaced: string[] = [];
    vi.stubGlobal("location", { hash, pathname: "/analytics", search: "?range=7d" });
    vi.stubGlobal("history", {
      state: null,
      replaceState: (_: unknown, __: string, url: string) => replaced.push(url),
    });
    vi.stubGlobal("sessionStorage", {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => stored.set(key, value),
      removeItem: (key: string) => stored.delete(key),
    });
    return { replaced };
  }

  /** What this tab is signed in with. */
  async function kept(): Promise<string | null> {
    return (await import("../../../src/client/auth/token")).storedToken();
  }

  beforeEach(() => {
    vi.resetModules();
    stored = new Map();
  });
  afterEach(() => vi.unstubAllGlobals());

  it("moves from the fragment into this tab's storage, and out of the address", async () => {
    const { replaced } = visit("#token=a.b.c");
    const page = await import("../../../src/client/auth/sign-in-link");
    expect(page.arrive()).toBe("signed-in");
    expect(replaced).toEqual(["/analytics?range=7d"]);
    expect([...stored.values()]).toEqual(["a.b.c"]);
    expect(await kept()).toBe("a.b.c");
  });

  it("leaves the rest of the fragment", async () => {
    const { replaced } = visit("#view=users&token=a.b.c");
    (await import("../../../src/client/auth/sign-in-link")).arrive();
    expect(replaced).toEqual(["/analytics?range=7d#view=users"]);
  });

  it("leaves an address without a token alone", async () => {
    const { replaced } = visit("#users");
    const page = await import("../../../src/client/auth/sign-in-link");
    expect(page.arrive()).toBe("nothing");
    expect(replaced).toEqual([]);
    expect(await kept()).toBeNull();
  });

  it("is erased from the address even if it is empty, and then there was none", async () => {
    const { replaced } = visit("#token=");
    const page = await import("../../../src/client/auth/sign-in-link");
    expect(page.arrive()).toBe("nothing");
    expect(replaced).toEqual(["/analytics?range=7d"]);
    expect(await kept()).toBeNull();
  });

  it("is erased from the address, and used, even where nothing can be stored", async () => {
    const { replaced } = visit("#token=a.b.c");
    const refuse = () => {
      throw new DOMException("denied", "SecurityError");
    };
    vi.stubGlobal("sessionStorage", { getItem: refuse, setItem: refuse, removeItem: refuse });
    const page = await import("../../../src/client/auth/sign-in-link");
    page.arrive();
    expect(replaced.length).toBe(1);
    expect(await kept()).toBe("a.b.c");
    (await import("../../../src/client/auth/token")).forgetToken();
    expect(await kept()).toBeNull();
  });

  const SOON = Date.now() + 60_000;
  const HELD = token(SOON, "ada", "acme");

  async function held(by: string) {
    visit("");
    (await import("../../../src/client/auth/token")).storeToken(by);
  }

  it.each([
    ["another subject", token(SOON, "eve", "acme")],
    ["another tenant", token(SOON, "ada", "globex")],
    ["nobody", "a.b.c"],
  ])("of %s asks first where somebody is signed in", async (_, other) => {
    await held(HELD);
    const { replaced } = visit(`#view=users&token=${other}`);
    const page = await import("../../../src/client/auth/sign-in-link");
    expect(page.arrive()).toBe("asks");
    expect(replaced).toEqual(["/analytics?range=7d#view=users"]);
    expect(await kept()).toBe(HELD);
    expect(page.offer()?.held).toMatchObject({ subject: "ada", tenant: "acme" });
    page.stay();
    expect(page.offer()).toBeNull();
    expect(await kept()).toBe(HELD);
    visit(`#token=${other}`);
    page.arrive();
    page.useLink();
    expect(page.offer()).toBeNull();
    expect(await kept()).toBe(other);
  });

  it("of the same person is taken, with other roles too, and so is any once the session has ended", async () => {
    for (const [before, link] of [
      [HELD, token(SOON + 60_000, "ada", "acme", ["admin", "editor"])],
      [token(Date.now() - 1, "ada"), token(SOON, "eve")],
      ["no.token.c", token(SOON, "eve")],
    ] as const) {
      await held(before);
      visit(`#token=${link}`);
      const page = await import("../../../src/client/auth/sign-in-link");
      expect(page.arrive()).toBe("signed-in");
      expect(page.offer()).toBeNull();
      expect(await kept()).toBe(link);
    }
  });

  it("that asks is forgotten when another is taken, and an empty one changes nothing", async () => {
    await held(HELD);
    const page = await import("../../../src/client/auth/sign-in-link");
    visit(`#token=${token(SOON, "eve")}`);
    expect(page.arrive()).toBe("asks");
    visit("#token=");
    expect(page.arrive()).toBe("nothing");
    expect(page.offer()?.link?.subject).toBe("eve");
    visit(`#token=${token(SOON, "ada", "acme")}`);
    expect(page.arrive()).toBe("signed-in");
    expect(page.offer()).toBeNull();
  });
});
