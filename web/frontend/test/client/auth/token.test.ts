import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Credentials, claims, identity, isSound, Renewal, renewAfter, type TokenSource } from "../../../src/client/auth/token";
import { Mint, settle, token } from "../fake-service";

const NOW = Date.parse("2026-11-22T11:14:00.000Z");
const MINUTE = 60_000;

describe("claims", () => {
  it("are read from the token, in any alphabet", () => {
    const utf8 = new TextEncoder().encode('{"sub":"Zoë 🙂~~~","tenant":"acme","roles":["admin"],"exp":1795346140}');
    const body = btoa(String.fromCharCode(...utf8))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replace(/=+$/, "");
    expect(body).toMatch(/[-_]/);
    expect(claims(`e30.${body}.c2ln`)).toEqual({
      subject: "Zoë 🙂~~~",
      tenant: "acme",
      roles: ["admin"],
      expires: 1_795_346_140_000,
    });
  });

  it("have the default tenant, no role and no end where none is named", () => {
    expect(claims(`e30.${btoa('{"sub":"ada"}')}.c2ln`)).toEqual({
      subject: "ada",
      tenant: "default",
      roles: [],
      expires: null,
    });
  });

  it.each(["", "abc", "a.b.c", "..", "a.bnVsbA.c"])(
    "of what is no token (%j) are none, without an error",
    (written) => {
      expect(claims(written)).toBeNull();
      expect(identity(written)).toBeNull();
    },
  );

  it("tell one tenant and subject from another", () => {
    const whose = [token(NOW, "ada"), token(NOW, "ada", "acme"), token(NOW, "grace"), token(NOW + 1, "ada")].map(
      identity,
    );
    expect(new Set(whose).size).toBe(3);
    expect(whose[3]).toBe(whose[0]);
  });

  it("tell a token with other roles from one with the same in another order", () => {
    const roles = [["admin", "user"], ["user", "admin"], ["user"], [7, "user"]];
    const [both, turned, lost, odd] = roles.map((some) => identity(token(NOW, "ada", "default", some)));
    expect(turned).toBe(both);
    expect(lost).not.toBe(both);
    expect(odd).toBe(lost);
  });

  it("are not expected in what has other characters than a token", () => {
    expect(isSound(token(NOW))).toBe(true);
    for (const pasted of ["", "a b", "a\nb", "tökén", '"a.b.c"']) expect(isSound(pasted)).toBe(false);
  });
});

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
    const page = await import("../../../src/client/auth/token");
    expect(page.storeToken(pasted)).toBe(true);
    expect(page.storedToken()).toBe("a.b.c");
  });

  it("is not replaced by an empty paste, and can be forgotten", async () => {
    visit();
    const page = await import("../../../src/client/auth/token");
    page.storeToken("a.b.c");
    expect(page.storeToken("  ")).toBe(false);
    expect(page.storedToken()).toBe("a.b.c");
    page.forgetToken();
    expect(page.storedToken()).toBeNull();
  });
});

describe("credentials", () => {
  it("ask the source once, however many need a token", async () => {
    const mint = new Mint();
    const credentials = new Credentials(async () => mint.source());
    expect(await Promise.all([credentials.token(), credentials.token()])).toEqual(["t1.a.b", "t1.a.b"]);
    expect(await credentials.token()).toBe("t1.a.b");
    expect(mint.made).toBe(1);
  });

  it("ask again for another only if the one refused is the one in use", async () => {
    const mint = new Mint();
    const credentials = new Credentials(mint.source);
    await credentials.token();
    expect(await credentials.instead("t1.a.b")).toBe("t2.a.b");
    expect(await credentials.instead("t1.a.b")).toBe("t2.a.b");
    expect(mint.made).toBe(2);
  });

  it("have none instead of a token that the source gives again", async () => {
    const credentials = new Credentials(() => "a.b.c");
    await credentials.token();
    expect(await credentials.instead("a.b.c")).toBeNull();
  });

  it("ask again after the source failed, or had none", async () => {
    const answers = [() => Promise.reject(new Error("away")), () => null, () => "", () => "a.b.c"];
    const credentials = new Credentials(() => answers.shift()?.() ?? null);
    await expect(credentials.token()).rejects.toThrow("away");
    expect(await credentials.token()).toBeNull();
    expect(await credentials.token()).toBeNull();
    expect(await credentials.token()).toBe("a.b.c");
  });

  it("drop an answer that was on its way when they were told to forget", async () => {
    const answers: ((token: string) => void)[] = [];
    const credentials = new Credentials(() => new Promise<string>((resolve) => answers.push(resolve)));
    void credentials.token();
    credentials.forget();
    const second = credentials.token();
    answers[1]?.("new.a.b");
    answers[0]?.("old.a.b");
    await second;
    expect(credentials.held).toBe("new.a.b");
  });

  it("ask a source that was replaced once the answer of the one before is in, and keep the token until then", async () => {
    const answers: ((token: string) => void)[] = [];
    const credentials = new Credentials(() => new Promise<string>((resolve) => answers.push(resolve)));
    const first = credentials.token();
    answers[0]?.("one.a.b");
    await first;
    const renewed = credentials.instead("one.a.b");
    const asked = credentials.again();
    await Promise.resolve();
    answers[1]?.("two.a.b");
    expect(await renewed).toBe("two.a.b");
    await vi.waitUntil(() => answers.length === 3);
    expect(credentials.held).toBe("two.a.b");
    answers[2]?.("three.a.b");
    expect(await asked).toBe("three.a.b");
    expect(credentials.held).toBe("three.a.b");
  });

  it("tell of each new token once, with the one before", async () => {
    const told: unknown[] = [];
    const tokens = ["one.a.b", "two.a.b", "two.a.b"];
    const credentials = new Credentials(() => tokens.shift() ?? null);
    credentials.onChange = (...change) => told.push(change);
    await credentials.token();
    await credentials.instead("one.a.b");
    credentials.forget();
    await credentials.token();
    expect(told).toEqual([
      ["one.a.b", null],
      ["two.a.b", "one.a.b"],
    ]);
  });
});

describe("renewal", () => {
  beforeEach(() => void vi.useFakeTimers({ now: NOW }));
  afterEach(() => void vi.useRealTimers());

  it.each([
    [8 * 60 * MINUTE, 0.8 * 8 * 60 * MINUTE],
    [2 * MINUTE, 1.5 * MINUTE],
    [40_000, 20_000],
    [10_000, 5000],
    [500, 1000],
    [-5, 1000],
  ])("of a token with %i ms left comes after %i ms", (left, after) => {
    expect(renewAfter(left)).toBe(after);
  });

  /** Watch over a token of so many ms whose source gives `next`, on a machine whose clock is `ahead`. */
  async function watch(left: number, next: () => ReturnType<TokenSource>, ahead = 0, isSure = () => true) {
    const first = token(NOW + left);
    const answers: (() => ReturnType<TokenSource>)[] = [() => first];
    const credentials = new Credentials(() => (answers.shift() ?? next)());
    const ended = vi.fn();
    const renewal = new Renewal(credentials, () => Date.now() - ahead, ended, isSure);
    credentials.onChange = (taken) => renewal.watch(taken);
    vi.setSystemTime(NOW + ahead);
    await credentials.token();
    return { credentials, renewal, ended, first };
  }

  it("has the next token before the first ends, and so on", async () => {
    const next = vi.fn(() => token(Date.now() + 10 * MINUTE));
    const { credentials, renewal, ended, first } = await watch(10 * MINUTE, next);
    await vi.advanceTimersByTimeAsync(8 * MINUTE - 1);
    expect(credentials.held).toBe(first);
    await vi.advanceTimersByTimeAsync(1);
    expect(credentials.held).not.toBe(first);
    await vi.advanceTimersByTimeAsync(80 * MINUTE);
    expect(next).toHaveBeenCalledTimes(11);
    expect(ended).not.toHaveBeenCalled();
    renewal.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("asks a source that has none yet again, seldom, and says when the token has ended", async () => {
    const next = vi.fn(() => null);
    const { ended } = await watch(60 * MINUTE, next);
    await vi.advanceTimersByTimeAsync(60 * MINUTE - 1);
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(2000);
    expect(ended).toHaveBeenCalledOnce();
    expect(next.mock.calls.length).toBeLessThan(20);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("goes by the service's clock", async () => {
    const { credentials, renewal, ended, first } = await watch(10 * MINUTE, () => null, 60 * MINUTE);
    await vi.advanceTimersByTimeAsync(9 * MINUTE);
    expect(ended).not.toHaveBeenCalled();
    expect(credentials.held).not.toBe(first);
    renewal.stop();
  });

  it("waits for the end of a token of many years, which no timer can hold", async () => {
    const next = vi.fn(() => null);
    const { renewal } = await watch(10 * 365 * 24 * 60 * MINUTE, next);
    await vi.advanceTimersByTimeAsync(60 * 24 * 60 * MINUTE);
    expect(next).not.toHaveBeenCalled();
    renewal.stop();
  });

  it("asks again when the source only failed, as after a sleep, and signs nobody out for it", async () => {
    const answers = [() => Promise.reject(new Error("the network is not up yet")), () => token(NOW + 480 * MINUTE)];
    const next = vi.fn(() => answers.shift()?.() ?? null);
    const { credentials, renewal, ended, first } = await watch(10 * MINUTE, next);
    vi.setSystemTime(NOW + 60 * MINUTE);
    renewal.check();
    await vi.advanceTimersByTimeAsync(1000);
    expect(next).toHaveBeenCalledTimes(2);
    expect(credentials.held).not.toBe(first);
    expect(ended).not.toHaveBeenCalled();
    renewal.stop();
  });

  it("asks a source that goes on failing ever more seldom, and once it has none the token has ended", async () => {
    let fails = true;
    const next = vi.fn(() => (fails ? Promise.reject(new Error("away")) : null));
    const { ended } = await watch(MINUTE, next);
    await vi.advanceTimersByTimeAsync(30 * MINUTE);
    expect(ended).not.toHaveBeenCalled();
    expect(next.mock.calls.length).toBeGreaterThan(30 * 3);
    expect(next.mock.calls.length).toBeLessThan(30 * 10);
    fails = false;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(ended).toHaveBeenCalledOnce();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("takes no token for ended by a clock that is not sure", async () => {
    let isSure = false;
    const { renewal, ended } = await watch(
      10 * MINUTE,
      () => null,
      0,
      () => isSure,
    );
    vi.setSystemTime(NOW + 70 * MINUTE);
    renewal.check();
    await vi.advanceTimersByTimeAsync(5 * MINUTE);
    expect(ended).not.toHaveBeenCalled();
    // The frame that makes it sure: the clock had been set forward by an hour and is back.
    isSure = true;
    vi.setSystemTime(NOW + 5 * MINUTE);
    await vi.advanceTimersByTimeAsync(5 * MINUTE - 1);
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(2000);
    expect(ended).toHaveBeenCalledOnce();
  });

  it("is made up for when the machine wakes", async () => {
    const next = vi.fn(() => token(NOW + 90 * MINUTE));
    const { renewal } = await watch(60 * MINUTE, next);
    vi.setSystemTime(NOW + 55 * MINUTE);
    renewal.check();
    await settle();
    expect(next).toHaveBeenCalledOnce();
    renewal.stop();
  });
});
