import { describe, expect, it, vi } from "vitest";
import { Credentials } from "../../../src/client/auth/credentials";
import { Mint } from "../fake-service";

describe("credentials", () => {
  it("call the source once, however many callers need a token", async () => {
    const mint = new Mint();
    const credentials = new Credentials(async () => mint.source());
    expect(await Promise.all([credentials.token(), credentials.token()])).toEqual(["t1.a.b", "t1.a.b"]);
    expect(await credentials.token()).toBe("t1.a.b");
    expect(mint.made).toBe(1);
  });

  it("call the source again only if the refused token is the one in use", async () => {
    const mint = new Mint();
    const credentials = new Credentials(mint.source);
    await credentials.token();
    expect(await credentials.replacement("t1.a.b")).toBe("t2.a.b");
    expect(await credentials.replacement("t1.a.b")).toBe("t2.a.b");
    expect(mint.made).toBe(2);
  });

  it("have no replacement if the source gives the same token again", async () => {
    const credentials = new Credentials(() => "a.b.c");
    await credentials.token();
    expect(await credentials.replacement("a.b.c")).toBeNull();
  });

  it("call the source again after it failed, or had no token", async () => {
    const answers = [() => Promise.reject(new Error("away")), () => null, () => "", () => "a.b.c"];
    const credentials = new Credentials(() => answers.shift()?.() ?? null);
    await expect(credentials.token()).rejects.toThrow("away");
    expect(await credentials.token()).toBeNull();
    expect(await credentials.token()).toBeNull();
    expect(await credentials.token()).toBe("a.b.c");
  });

  it("ignore a token that arrives after they were cleared", async () => {
    const answers: ((token: string) => void)[] = [];
    const credentials = new Credentials(() => new Promise<string>((resolve) => answers.push(resolve)));
    void credentials.token();
    credentials.clear();
    const second = credentials.token();
    answers[1]?.("new.a.b");
    answers[0]?.("old.a.b");
    await second;
    expect(credentials.current).toBe("new.a.b");
  });

  it("call a replaced source after the call to the one before, and keep the token until then", async () => {
    const answers: ((token: string) => void)[] = [];
    const credentials = new Credentials(() => new Promise<string>((resolve) => answers.push(resolve)));
    const first = credentials.token();
    answers[0]?.("one.a.b");
    await first;
    const renewed = credentials.replacement("one.a.b");
    const asked = credentials.reload();
    await Promise.resolve();
    answers[1]?.("two.a.b");
    expect(await renewed).toBe("two.a.b");
    await vi.waitUntil(() => answers.length === 3);
    expect(credentials.current).toBe("two.a.b");
    answers[2]?.("three.a.b");
    expect(await asked).toBe("three.a.b");
    expect(credentials.current).toBe("three.a.b");
  });

  it("announce each new token once, with the one before", async () => {
    const told: unknown[] = [];
    const tokens = ["one.a.b", "two.a.b", "two.a.b"];
    const credentials = new Credentials(() => tokens.shift() ?? null);
    credentials.onChange = (...change) => told.push(change);
    await credentials.token();
    await credentials.replacement("one.a.b");
    credentials.clear();
    await credentials.token();
    expect(told).toEqual([
      ["one.a.b", null],
      ["two.a.b", "one.a.b"],
    ]);
  });
});
