import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  activityType,
  age,
  ago,
  count,
  dayLabel,
  daysLabel,
  magnitude,
  moment,
  NO_VALUE,
  seconds,
} from "../../src/ui/format";

const NOW = Date.parse("2026-11-22T12:00:00.000Z");
const earlier = (ms: number) => new Date(NOW - ms).toISOString();

describe("numbers", () => {
  it("writes a count in full, to the last digit", () => {
    expect(count(9_007_199_254_740_991).replace(/\D/g, "")).toBe("9007199254740991");
    expect(count(null)).toBe(NO_VALUE);
  });

  it("never rounds a change to no change", () => {
    expect(magnitude(0.0004)).toMatch(/^< 0\D1/);
    expect(magnitude(-0.032)).toMatch(/^3\D2/);
    expect(magnitude(0)).toMatch(/^0/);
  });
});

describe("durations", () => {
  it("takes the unit that fits after rounding: never 1,000 ms, 60.00 s or 1 min 60 s", () => {
    expect(seconds(0.85)).toBe("850 ms");
    expect(seconds(0.9996)).toMatch(/^1\D00 s$/);
    expect(seconds(59.996)).toBe("1 min 0 s");
    expect(seconds(119.7)).toBe("2 min 0 s");
    expect(seconds(null)).toBe(NO_VALUE);
  });

  it("tells an age in whole units, and one below a second, or from a clock that is ahead, as now", () => {
    expect([-4000, 999, 1000, 59_999, 60_000, 7_200_000].map(age)).toEqual([
      "now",
      "now",
      "1 s old",
      "59 s old",
      "1 min old",
      "2 h old",
    ]);
  });

  it("tells how long ago in few characters, and never that something is yet to come", () => {
    expect(ago(earlier(-60_000), NOW)).toBe("now");
    expect(ago(earlier(42_000), NOW)).toBe("42s ago");
    expect(ago(earlier(5 * 60_000), NOW)).toBe("5m ago");
    expect(ago(earlier(2 * 3_600_000), NOW)).toBe("2h ago");
    expect(ago(earlier(30 * 3_600_000), NOW)).toBe("1d ago");
  });
});

describe("types of activity", () => {
  it("has words for any type, also for one that nobody thought of", () => {
    expect(activityType("message_sent")).toBe("Message sent");
    expect(activityType("file_upload")).toBe("File upload");
    expect(activityType("toString")).toBe("ToString");
    expect(activityType("__")).toBe("__");
  });
});

describe("days and moments", () => {
  beforeAll(() => void vi.useFakeTimers({ now: NOW }));
  afterAll(() => void vi.useRealTimers());

  it("are written without what goes without saying: today's date, and this year", () => {
    const spaces = (text: string) => text.replace(/\s/g, " ");
    expect(spaces(moment("2026-11-22T09:05:59.000Z"))).toMatch(/^\d+:05 [AP]M$/);
    expect(spaces(moment("2026-11-02T12:05:00.000Z"))).toMatch(/^Nov \d+, \d+:05 [AP]M$/);
    expect(moment("2025-11-02T12:05:00.000Z")).toContain("2025");
    expect(dayLabel("2026-11-02T12:05:00.000Z")).toMatch(/^\w+day, November \d+$/);
    expect(dayLabel("2025-11-02T12:05:00.000Z")).toContain("2025");
    const at = (day: string) => Date.parse(`${day}T12:00:00Z`);
    expect(daysLabel(at("2026-11-02"), at("2026-11-08"), "UTC")).toMatch(/^Nov 2\D+8$/);
    expect(daysLabel(at("2025-12-29"), at("2026-01-04"), "UTC")).toMatch(/2025\D.*2026/);
  });
});
