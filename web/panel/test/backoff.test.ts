import { describe, expect, it } from "vitest";
import { Backoff } from "../src/backoff.js";

describe("the wait before a reconnect", () => {
  it("is at most twenty seconds, under a bound that doubles", () => {
    const backoff = new Backoff(() => 1);
    expect(Array.from({ length: 8 }, () => backoff.next())).toEqual([
      1000, 2000, 4000, 8000, 16_000, 20_000, 20_000, 20_000,
    ]);
  });

  it("is never under half a second", () => {
    const backoff = new Backoff(() => 0);
    expect(Array.from({ length: 8 }, () => backoff.next())).toEqual(Array(8).fill(500));
  });

  it("is spread over the whole range, from the first time on", () => {
    const waits = Array.from({ length: 500 }, () => new Backoff().next());
    expect(Math.min(...waits)).toBeLessThan(550);
    expect(Math.max(...waits)).toBeGreaterThan(950);
  });

  it("begins again after a connection that lasted a minute, and after no shorter one", () => {
    const backoff = new Backoff(() => 1);
    backoff.next();
    backoff.next();
    backoff.lasted(59_999);
    expect(backoff.next()).toBe(4000);
    backoff.lasted(60_000);
    expect(backoff.next()).toBe(1000);
  });

  it("begins again when it is told to", () => {
    const backoff = new Backoff(() => 1);
    backoff.next();
    backoff.reset();
    expect(backoff.next()).toBe(1000);
  });
});
