import { describe, expect, it } from "vitest";
import {
  automaticInterval,
  chooseInterval,
  INTERVAL_MS,
  MAX_POINTS,
  possibleIntervals,
} from "../../../src/dashboard/ranges/interval";
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
});
