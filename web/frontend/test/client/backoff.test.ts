import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Backoff, Throttle } from "../../src/client/backoff";

describe("the delay before a reconnect", () => {
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

describe("a throttle", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("runs the action at once, then once for all requests during a pause, and pauses double", async () => {
    const start = Date.now();
    const done: number[] = [];
    const throttle = new Throttle(
      () => done.push(Date.now() - start),
      () => 1,
    );
    for (let passed = 0; passed < 60_000; passed += 16) {
      throttle.request();
      await vi.advanceTimersByTimeAsync(16);
    }
    expect(done.map((ms) => Math.round(ms / 1000))).toEqual([0, 1, 3, 7, 15, 31, 51]);
    throttle.cancel();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("runs it at once again after a minute", async () => {
    const action = vi.fn();
    const throttle = new Throttle(action, () => 1);
    for (let n = 0; n < 9; n += 1) throttle.request();
    await vi.advanceTimersByTimeAsync(61_000);
    expect(action).toHaveBeenCalledTimes(2);
    throttle.request();
    throttle.request();
    expect(action).toHaveBeenCalledTimes(3);
    await vi.advanceTimersByTimeAsync(1000);
    expect(action).toHaveBeenCalledTimes(4);
  });
});
