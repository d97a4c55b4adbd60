import { describe, expect, it } from "vitest";
import { automatic, chosen, HOUR, MAX_POINTS, possible, WIDTH } from "../../../src/dashboard/ranges/interval";
import { MINUTE } from "../../../src/ui/figures";
import { DAY } from "../../../src/ui/yesterday";

describe("the width of points", () => {
  it("is a minute up to six hours, an hour up to ten days, a day beyond", () => {
    expect([HOUR, 6 * HOUR].map(automatic)).toEqual(["minute", "minute"]);
    expect([6 * HOUR + MINUTE, 10 * DAY].map(automatic)).toEqual(["hour", "hour"]);
    expect([11 * DAY, 3650 * DAY].map(automatic)).toEqual(["day", "day"]);
  });

  it("stays an hour over ten days in which the clock was put back", () => {
    expect(automatic(10 * DAY + HOUR)).toBe("hour");
  });

  it("can be chosen only where there are at least two points, and fewer than are drawn well", () => {
    expect(possible(HOUR)).toEqual(["minute"]);
    expect(possible(24 * HOUR)).toEqual(["minute", "hour"]);
    expect(possible(90 * DAY)).toEqual(["day"]);
    for (const length of [5 * MINUTE, 7 * HOUR, 3 * DAY, 80 * DAY, 400 * DAY]) {
      for (const interval of possible(length)) expect(length / WIDTH[interval]).toBeLessThan(MAX_POINTS);
    }
  });

  it("is the automatic one where the wish is not possible", () => {
    expect(chosen("minute", 90 * DAY)).toBe("day");
    expect(chosen("nonsense", HOUR)).toBe("minute");
    expect(chosen("minute", DAY)).toBe("minute");
  });
});
