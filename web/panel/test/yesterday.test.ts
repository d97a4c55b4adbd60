import { describe, expect, it } from "vitest";
import { question, type Series, Yesterday, yesterdayOf } from "../src/panel/yesterday.js";

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const NOW = Date.parse("2026-11-22T12:00:30.000Z");

/** Messages by the minute from 11:55 yesterday on: 0, 1, 2 ... */
const SERIES: Series = {
  start: Array.from({ length: 70 }, (_, index) =>
    new Date(Date.parse("2026-11-21T11:55:00.000Z") + index * MINUTE).toISOString(),
  ),
  metrics: { total_messages: Array.from({ length: 70 }, (_, index) => index) },
};

describe("the figures of yesterday at this time", () => {
  it("are those at the end of the last minute that was over 24 hours ago", () => {
    expect(yesterdayOf(SERIES, "total_messages", NOW)).toBe(4);
    expect(yesterdayOf(SERIES, "total_messages", NOW + 29_999)).toBe(4);
    expect(yesterdayOf(SERIES, "total_messages", NOW + 30_000)).toBe(5);
  });

  it("are unknown before they are loaded, and for a figure that was not told", () => {
    expect(yesterdayOf(null, "total_messages", NOW)).toBeNull();
    expect(yesterdayOf(SERIES, "total_tokens", NOW)).toBeNull();
    expect(yesterdayOf(SERIES, "total_messages", NOW - DAY)).toBeNull();
  });

  it("are asked for around this time yesterday, with enough for an hour to come", () => {
    const { from, to, interval } = question(NOW);
    expect(NOW - DAY - Date.parse(from ?? "")).toBe(5 * MINUTE);
    expect(Date.parse(to ?? "") - (NOW - DAY)).toBe(65 * MINUTE);
    expect(interval).toBe("minute");
  });

  it("are asked for once at a time, again after minutes, and sooner after a failure", async () => {
    let asked = 0;
    let fails = true;
    const get = async <T>() => {
      asked += 1;
      if (fails) throw new Error("unreachable");
      return SERIES as T;
    };
    const yesterday = new Yesterday({ get }, () => {});
    await Promise.all([yesterday.keep(NOW), yesterday.keep(NOW)]);
    expect(asked).toBe(1);
    await yesterday.keep(NOW + 29_000);
    expect(asked).toBe(1);
    fails = false;
    await yesterday.keep(NOW + 30_000);
    expect(yesterday.of("total_messages", NOW)).toBe(4);
    await yesterday.keep(NOW + 9 * MINUTE);
    expect(asked).toBe(2);
    await yesterday.keep(NOW + 11 * MINUTE);
    expect(asked).toBe(3);
    yesterday.forget();
    expect(yesterday.of("total_messages", NOW)).toBeNull();
  });
});
