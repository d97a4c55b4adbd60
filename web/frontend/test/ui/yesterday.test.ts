import { describe, expect, it } from "vitest";
import { clockOf, daysBack, momentOf, question, type Series, Yesterday, yesterdayOf } from "../../src/ui/yesterday";

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;
const NOW = Date.parse("2026-11-22T12:00:30.000Z");

/** Messages by the minute from 11:55 yesterday on: 0, 1, 2 ... */
const SERIES: Series = {
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

  it("are unknown before they are loaded, and for a figure that was not told", () => {
    expect(yesterdayOf(null, "total_messages", NOW)).toBeNull();
    expect(yesterdayOf(SERIES, "total_tokens", NOW)).toBeNull();
    expect(yesterdayOf(SERIES, "total_messages", NOW - DAY)).toBeNull();
  });

  it("are unknown once what is held has ended: a figure of another hour is none of this time", () => {
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

  it("are asked for again at once where the first answer tells a zone in which yesterday is not 24 hours ago", async () => {
    const now = Date.parse("2026-10-25T23:10:30Z");
    const asked: string[] = [];
    const get = async <T>(_path: string, params?: object) => {
      const { from } = params as { from: string };
      asked.push(from);
      const start = Array.from({ length: 70 }, (_, index) => new Date(Date.parse(from) + index * MINUTE).toISOString());
      return { start, metrics: { total_messages: start.map(() => 1) }, timezone: "Europe/Berlin" } as T;
    };
    const yesterday = new Yesterday({ get }, () => {});
    for (let second = 0; second < 5; second++) await yesterday.keep(now + second * 1000);
    expect(asked).toEqual(["2026-10-24T23:05:30.000Z", "2026-10-24T22:05:31.000Z"]);
    expect(yesterday.of("total_messages", now + 5000)).toBe(1);
  });

  it("are asked for around this time yesterday, with enough for an hour to come", () => {
    const { from, to, interval } = question(NOW - DAY);
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

describe("the same clock time a day earlier", () => {
  const dayEarlier = (written: string, zone: string) => new Date(daysBack(Date.parse(written), 1, zone)).toISOString();

  it("is 24 hours ago where clocks are not changed", () => {
    expect(dayEarlier("2026-03-29T22:10:30.250Z", "UTC")).toBe("2026-03-28T22:10:30.250Z");
    expect(dayEarlier("2026-03-29T22:10:30.250Z", "Asia/Kolkata")).toBe("2026-03-28T22:10:30.250Z");
  });

  it("is 23 hours ago after clocks went forward, and 25 after they went back", () => {
    expect(dayEarlier("2026-03-29T22:10:00Z", "Europe/Berlin")).toBe("2026-03-28T23:10:00.000Z");
    expect(dayEarlier("2026-10-25T23:10:00Z", "Europe/Berlin")).toBe("2026-10-24T22:10:00.000Z");
    expect(dayEarlier("2026-10-26T23:10:00Z", "Europe/Berlin")).toBe("2026-10-25T23:10:00.000Z");
  });

  it("is the moment of the change for a time that was left out: it never runs back", () => {
    for (const clock of ["00:00", "00:30", "00:59"]) {
      expect(dayEarlier(`2026-03-30T${clock}:00Z`, "Europe/Berlin")).toBe("2026-03-29T01:00:00.000Z");
    }
    expect(dayEarlier("2026-03-30T01:00:00Z", "Europe/Berlin")).toBe("2026-03-29T01:00:00.000Z");
  });

  it("is the first of a time that came twice, and comes twice for both of them", () => {
    expect(dayEarlier("2026-10-26T01:30:00Z", "Europe/Berlin")).toBe("2026-10-25T00:30:00.000Z");
    expect(dayEarlier("2026-10-25T00:30:00Z", "Europe/Berlin")).toBe("2026-10-24T00:30:00.000Z");
    expect(dayEarlier("2026-10-25T01:30:00Z", "Europe/Berlin")).toBe("2026-10-24T00:30:00.000Z");
  });

  it("is 24 hours ago in a zone that the browser does not know", () => {
    expect(dayEarlier("2026-03-29T22:10:00Z", "Moon/Tranquility")).toBe("2026-03-28T22:10:00.000Z");
  });
});

it("clocks of a zone lead back to the moment, whatever the year and the zone", () => {
  for (const zone of ["UTC", "Asia/Kolkata", "Pacific/Kiritimati", "Australia/Lord_Howe", "America/New_York"]) {
    for (const written of ["2026-11-22T11:14:30.125Z", "2026-01-01T00:00:00Z", "0002-06-01T12:00:00Z"]) {
      const time = Date.parse(written);
      expect(momentOf(clockOf(time, zone), zone)).toBe(time);
    }
  }
});
