import { describe, expect, it } from "vitest";
import {
  automaticInterval,
  chooseInterval,
  hasHours,
  INTERVAL_MS,
  MAX_POINTS,
  possibleIntervals,
} from "../../../src/dashboard/ranges/interval";
import { spanOf } from "../../../src/dashboard/ranges/range";
import { DAY, HOUR, MINUTE } from "../../../src/ui/time";

describe("the interval of points", () => {
  it("is a minute up to six hours, an hour up to ten days, a day beyond", () => {
    expect([HOUR, 6 * HOUR].map(automaticInterval)).toEqual(["minute", "minute"]);
    expect([6 * HOUR + MINUTE, 10 * DAY].map(automaticInterval)).toEqual(["hour", "hour"]);
    expect([11 * DAY, 3650 * DAY].map(automaticInterval)).toEqual(["day", "day"]);
  });

  it("stays an hour over ten days in which the clock was put back", () => {
    expect(automaticInterval(10 * DAY + HOUR)).toBe("hour");
  });

  it("can be chosen only where there are at least two points, and fewer than are drawn well", () => {
    expect(possibleIntervals(HOUR)).toEqual(["minute"]);
    expect(possibleIntervals(24 * HOUR)).toEqual(["minute", "hour"]);
    expect(possibleIntervals(90 * DAY)).toEqual(["day"]);
    for (const length of [5 * MINUTE, 7 * HOUR, 3 * DAY, 80 * DAY, 400 * DAY]) {
      for (const interval of possibleIntervals(length)) expect(length / INTERVAL_MS[interval]).toBeLessThan(MAX_POINTS);
    }
  });

  it("is the automatic one where the wanted one is not possible", () => {
    expect(chooseInterval("minute", 90 * DAY)).toBe("day");
    expect(chooseInterval("nonsense", HOUR)).toBe("minute");
    expect(chooseInterval("minute", DAY)).toBe("minute");
  });

  it("is no hour for whole days that begin within an hour of UTC, so that the first point begins at midnight", () => {
    const now = Date.parse("2026-11-22T12:00:00Z");
    const chosen = (range: "today" | "7d" | "24h", zone: string, wanted?: string) => {
      const span = spanOf(range, now, zone);
      return chooseInterval(wanted, span.to - span.from, hasHours(range, span));
    };
    for (const zone of ["Asia/Kolkata", "Asia/Kathmandu", "Australia/Adelaide"]) {
      expect(chosen("7d", zone)).toBe("day");
      expect(chosen("7d", zone, "hour")).toBe("day");
      expect(chosen("today", zone)).toBe("minute");
      expect(chosen("24h", zone)).toBe("hour");
    }
    for (const zone of ["UTC", "Asia/Tokyo", "America/New_York"]) {
      expect(chosen("7d", zone)).toBe("hour");
      expect(chosen("today", zone)).toBe("hour");
      expect(chosen("7d", zone, "day")).toBe("day");
    }
  });
});
