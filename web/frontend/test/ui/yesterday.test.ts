import { describe, expect, it } from "vitest";
import { type MinuteSeries, seriesParams, Yesterday, yesterdayOf } from "../../src/ui/yesterday";

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const NOW = Date.parse("2026-11-22T12:00:30.000Z");

/** Messages by the minute from 11:55 yesterday on: 0, 1, 2 ... */
const SERIES: MinuteSeries = {
  start: Array.from({ length: 70 }, (_, index) =>
    new Date(Date.parse("2026-11-21T11:55:00.000Z") + index * MINUTE).toISOString(),
  ),
  metrics: { total_messages: Array.from({ length: 70 }, (_, index) => index) },
  timezone: "UTC",
};

describe("the figures of yesterday at this time", () => {
  it("are those at the end of the last minute that was over 24 hours ago", () => {
    expect(yesterdayOf(SERIES, "total_messages", NOW)).toBe(4);
    expect(yesterdayOf(SERIES, "total_messages", NOW + 29_999)).toBe(4);
    expect(yesterdayOf(SERIES, "total_messages", NOW + 30_000)).toBe(5);
  });

  it("are unknown before they are loaded, and for a figure that was not loaded", () => {
    expect(yesterdayOf(null, "total_messages", NOW)).toBeNull();
    expect(yesterdayOf(SERIES, "total_tokens", NOW)).toBeNull();
    expect(yesterdayOf(SERIES, "total_messages", NOW - DAY)).toBeNull();
  });

  it("are unknown after the end of the loaded series", () => {
    expect(yesterdayOf(SERIES, "total_messages", NOW + 65 * MINUTE)).toBe(69);
    expect(yesterdayOf(SERIES, "total_messages", NOW + 66 * MINUTE)).toBeNull();
    expect(yesterdayOf(SERIES, "total_messages", NOW + 600 * MINUTE)).toBeNull();
  });

  it("are those of the day before by the clock of the service's days, although it went forward", () => {
    // 00:10 in Berlin after the day of 23 hours; 24 hours earlier was 23:10 of the day before the last.
    const now = Date.parse("2026-03-29T22:10:30Z");
    const start = ["2026-03-28T22:09:00Z", "2026-03-28T23:09:00Z"];
    const series = { start, metrics: { active_users_today: [900, 4] }, timezone: "Europe/Berlin" };
    expect(yesterdayOf(series, "active_users_today", now)).toBe(4);
    expect(yesterdayOf({ ...series, timezone: "UTC" }, "active_users_today", now)).toBe(900);
  });

  it("are loaded again at once if in the zone of the first response yesterday is not 24 hours ago", async () => {
    const now = Date.parse("2026-10-25T23:10:30Z");
    const asked: string[] = [];
    const get = async <T>(_path: string, params?: object) => {
      const { from } = params as { from: string };
      asked.push(from);
      const start = Array.from({ length: 70 }, (_, index) => new Date(Date.parse(from) + index * MINUTE).toISOString());
      return { start, metrics: { total_messages: start.map(() => 1) }, timezone: "Europe/Berlin" } as T;
    };
    const yesterday = new Yesterday({ get }, () => {});
    for (let second = 0; second < 5; second++) await yesterday.update(now + second * 1000);
    expect(asked).toEqual(["2026-10-24T23:05:30.000Z", "2026-10-24T22:05:31.000Z"]);
    expect(yesterday.of("total_messages", now + 5000)).toBe(1);
  });

  it("are loaded around this time yesterday, with enough for the next hour", () => {
    const { from, to, interval } = seriesParams(NOW - DAY);
    expect(NOW - DAY - Date.parse(from ?? "")).toBe(5 * MINUTE);
    expect(Date.parse(to ?? "") - (NOW - DAY)).toBe(65 * MINUTE);
    expect(interval).toBe("minute");
  });

  it("are loaded by one request at a time, again after minutes, and sooner after a failure", async () => {
    let asked = 0;
    let fails = true;
    const get = async <T>() => {
      asked += 1;
      if (fails) throw new Error("unreachable");
      return SERIES as T;
    };
    const yesterday = new Yesterday({ get }, () => {});
    await Promise.all([yesterday.update(NOW), yesterday.update(NOW)]);
    expect(asked).toBe(1);
    await yesterday.update(NOW + 29_000);
    expect(asked).toBe(1);
    fails = false;
    await yesterday.update(NOW + 30_000);
    expect(yesterday.of("total_messages", NOW)).toBe(4);
    await yesterday.update(NOW + 9 * MINUTE);
    expect(asked).toBe(2);
    await yesterday.update(NOW + 11 * MINUTE);
    expect(asked).toBe(3);
    yesterday.clear();
    expect(yesterday.of("total_messages", NOW)).toBeNull();
  });
});
