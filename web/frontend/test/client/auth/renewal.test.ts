import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Credentials, type TokenSource } from "../../../src/client/auth/credentials";
import { Renewal, renewAfter } from "../../../src/client/auth/renewal";
import { settle, token } from "../fake-service";

const NOW = Date.parse("2026-11-22T11:14:00.000Z");
const MINUTE = 60_000;

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

  /** Renew a token that expires in `left` ms, with a source that gives `next`, on a machine whose clock is `ahead`. */
  async function watch(left: number, next: () => ReturnType<TokenSource>, ahead = 0, isClockKnown = () => true) {
    const first = token(NOW + left);
    const answers: (() => ReturnType<TokenSource>)[] = [() => first];
    const credentials = new Credentials(() => (answers.shift() ?? next)());
    const ended = vi.fn();
    const renewal = new Renewal(credentials, () => Date.now() - ahead, ended, isClockKnown);
    credentials.onChange = (taken) => renewal.watch(taken);
    vi.setSystemTime(NOW + ahead);
    await credentials.token();
    return { credentials, renewal, ended, first };
  }

  it("gets the next token before the first expires, and so on", async () => {
    const next = vi.fn(() => token(Date.now() + 10 * MINUTE));
    const { credentials, renewal, ended, first } = await watch(10 * MINUTE, next);
    await vi.advanceTimersByTimeAsync(8 * MINUTE - 1);
    expect(credentials.current).toBe(first);
    await vi.advanceTimersByTimeAsync(1);
    expect(credentials.current).not.toBe(first);
    await vi.advanceTimersByTimeAsync(80 * MINUTE);
    expect(next).toHaveBeenCalledTimes(11);
    expect(ended).not.toHaveBeenCalled();
    renewal.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("calls a source without a new token again, seldom, and reports when the token has expired", async () => {
    const next = vi.fn(() => null);
    const { ended } = await watch(60 * MINUTE, next);
    await vi.advanceTimersByTimeAsync(60 * MINUTE - 1);
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(2000);
    expect(ended).toHaveBeenCalledOnce();
    expect(next.mock.calls.length).toBeLessThan(20);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("uses the service's clock", async () => {
    const { credentials, renewal, ended, first } = await watch(10 * MINUTE, () => null, 60 * MINUTE);
    await vi.advanceTimersByTimeAsync(9 * MINUTE);
    expect(ended).not.toHaveBeenCalled();
    expect(credentials.current).not.toBe(first);
    renewal.stop();
  });

  it("waits for the expiry of a token of many years, which is too long for a timer", async () => {
    const next = vi.fn(() => null);
    const { renewal } = await watch(10 * 365 * 24 * 60 * MINUTE, next);
    await vi.advanceTimersByTimeAsync(60 * 24 * 60 * MINUTE);
    expect(next).not.toHaveBeenCalled();
    renewal.stop();
  });

  it("calls the source again when it failed, as after a sleep, and does not sign out", async () => {
    const answers = [() => Promise.reject(new Error("the network is not up yet")), () => token(NOW + 480 * MINUTE)];
    const next = vi.fn(() => answers.shift()?.() ?? null);
    const { credentials, renewal, ended, first } = await watch(10 * MINUTE, next);
    vi.setSystemTime(NOW + 60 * MINUTE);
    renewal.check();
    await vi.advanceTimersByTimeAsync(1000);
    expect(next).toHaveBeenCalledTimes(2);
    expect(credentials.current).not.toBe(first);
    expect(ended).not.toHaveBeenCalled();
    renewal.stop();
  });

  it("calls a source that keeps failing less and less often; when it has no token, the session ends", async () => {
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

  it("does not end a session by a clock that is not known", async () => {
    let isClockKnown = false;
    const { renewal, ended } = await watch(
      10 * MINUTE,
      () => null,
      0,
      () => isClockKnown,
    );
    vi.setSystemTime(NOW + 70 * MINUTE);
    renewal.check();
    await vi.advanceTimersByTimeAsync(5 * MINUTE);
    expect(ended).not.toHaveBeenCalled();
    // A frame makes the clock known: the clock had been set forward by an hour and is back.
    isClockKnown = true;
    vi.setSystemTime(NOW + 5 * MINUTE);
    await vi.advanceTimersByTimeAsync(5 * MINUTE - 1);
    expect(ended).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(2000);
    expect(ended).toHaveBeenCalledOnce();
  });

  it("is done at once when the machine wakes up", async () => {
    const next = vi.fn(() => token(NOW + 90 * MINUTE));
    const { renewal } = await watch(60 * MINUTE, next);
    vi.setSystemTime(NOW + 55 * MINUTE);
    renewal.check();
    await settle();
    expect(next).toHaveBeenCalledOnce();
    renewal.stop();
  });
});
