import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  dateOf,
  dayStart,
  fixed,
  pan,
  previousPeriod,
  readDate,
  readRange,
  spanOf,
  step,
  writeBound,
  writeDate,
  writeRange,
  zoom,
  zoomed,
} from "../../../src/dashboard/ranges/range";

const HOUR = 3_600_000;
const at = (written: string) => Date.parse(written);
const iso = (time: number) => new Date(time).toISOString();

// Its clock went back on 25 October 2026 at 03:00, and forward on 29 March 2026 at 02:00.
beforeAll(() => void vi.stubEnv("TZ", "Europe/Berlin"));
afterAll(() => void vi.unstubAllEnvs());

describe("a range", () => {
  it("of the last hour has sixty whole minutes, the current one included", () => {
    const { from, to } = spanOf("1h", at("2026-11-22T11:14:30Z"));
    expect([iso(from), iso(to)]).toEqual(["2026-11-22T10:15:00.000Z", "2026-11-22T11:15:00.000Z"]);
  });

  it("of 24 hours has 24 whole hours, the current one included", () => {
    const { from, to } = spanOf("24h", at("2026-11-22T11:14:30Z"));
    expect([iso(from), iso(to)]).toEqual(["2026-11-21T12:00:00.000Z", "2026-11-22T12:00:00.000Z"]);
  });

  it("of today is the whole local day, the evening included", () => {
    const { from, to, moving } = spanOf("today", at("2026-11-22T11:14:30Z"));
    expect([iso(from), iso(to), moving]).toEqual(["2026-11-21T23:00:00.000Z", "2026-11-22T23:00:00.000Z", true]);
  });

  it("of a day on which the clock goes back has 25 hours, and 23 if it goes forward", () => {
    const back = spanOf("yesterday", at("2026-10-26T12:00:00Z"));
    const forward = spanOf("yesterday", at("2026-03-30T12:00:00Z"));
    expect((back.to - back.from) / HOUR).toBe(25);
    expect((forward.to - forward.from) / HOUR).toBe(23);
  });

  it("of seven days begins at a local midnight, today being the seventh", () => {
    const { from } = spanOf("7d", at("2026-10-27T12:00:00Z"));
    // Before the clock went back, midnight was at 22:00 UTC.
    expect(iso(from)).toBe("2026-10-20T22:00:00.000Z");
  });

  it("with an open end follows the clock, with an open start begins a day before its end", () => {
    const now = at("2026-11-22T11:00:00Z");
    expect(spanOf({ from: now - HOUR, to: null }, now)).toEqual({ from: now - HOUR, to: now, moving: true });
    expect(spanOf({ from: null, to: now }, now)).toEqual({ from: now - 24 * HOUR, to: now, moving: false });
  });
});

describe("a preset by days of the service's zone", () => {
  // In Kolkata it is the 23rd already.
  const now = at("2026-11-22T20:00:00Z");
  const zone = "Asia/Kolkata";

  it("counts from today there, seven days having seven of its midnights", () => {
    expect(iso(spanOf("7d", now, zone).from)).toBe("2026-11-16T18:30:00.000Z");
    const { from, to } = spanOf("yesterday", now, zone);
    expect([iso(from), iso(to)]).toEqual(["2026-11-21T18:30:00.000Z", "2026-11-22T18:30:00.000Z"]);
  });

  it("is asked for by its dates there, as is the period before it", () => {
    const span = spanOf("7d", now, zone);
    expect(writeBound(span.from, true, span.zone)).toBe("2026-11-17");
    expect(writeBound(previousPeriod("7d", span).from, true, span.zone)).toBe("2026-11-10");
  });
});

describe("the period before", () => {
  it("of today is yesterday, by the clock", () => {
    const span = spanOf("today", at("2026-10-26T12:00:00Z"));
    const { from, to } = previousPeriod("today", span);
    expect([from, to]).toEqual([dayStart(span.from, -1), span.from]);
    expect((to - from) / HOUR).toBe(25);
  });

  it("of thirty days is the thirty days before, up to the same clock time", () => {
    const now = at("2026-11-10T12:30:00Z");
    const { from, to } = previousPeriod("30d", spanOf("30d", now));
    expect(from).toBe(dayStart(now, -59));
    expect(iso(to)).toBe("2026-10-11T11:30:00.000Z");
  });

  it("of the last hour is the hour before it", () => {
    const span = spanOf("1h", at("2026-11-22T11:14:30Z"));
    expect(previousPeriod("1h", span)).toEqual({ from: span.from - HOUR, to: span.from });
  });

  it("of whole days that were chosen by hand is as many whole days, although the clock was changed", () => {
    const from = dayStart(at("2026-10-25T12:00:00Z"));
    const span = { from, to: dayStart(from, 1), moving: false };
    expect(previousPeriod({ from, to: span.to }, span)).toEqual({ from: dayStart(from, -1), to: from });
  });

  it("may be the same weekdays a year before", () => {
    const span = spanOf("7d", at("2026-11-22T11:14:30Z"), "UTC");
    const { from, to } = previousPeriod("7d", span, "year");
    expect([iso(from), iso(to)]).toEqual(["2025-11-17T00:00:00.000Z", "2025-11-23T11:14:30.000Z"]);
    expect(new Date(from).getUTCDay()).toBe(new Date(span.from).getUTCDay());
  });

  it("of any other stretch is as long, right before it", () => {
    const span = { from: at("2026-11-20T10:07:00Z"), to: at("2026-11-20T13:00:00Z"), moving: false };
    const { from, to } = previousPeriod({ from: span.from, to: span.to }, span);
    expect([to, to - from]).toEqual([span.from, span.to - span.from]);
  });
});

describe("zooming", () => {
  const now = at("2026-11-22T12:00:00Z");
  const span = { from: now - 4 * HOUR, to: now, moving: true };

  it("in halves what is shown, around the middle", () => {
    expect(zoom(span, 0.5, now)).toEqual({ from: now - 3 * HOUR, to: now - HOUR });
  });

  it("out never shows what is still to come, yet as much as was asked for", () => {
    expect(zoom(span, 2, now)).toEqual({ from: now - 8 * HOUR, to: now });
  });

  it("in ends at five minutes", () => {
    const { from, to } = zoom({ from: now - 60_000, to: now, moving: true }, 0.5, now) as {
      from: number;
      to: number;
    };
    expect(to - from).toBe(5 * 60_000);
  });

  it("sideways keeps the length, and stops at now", () => {
    expect(pan({ ...span, from: now - 8 * HOUR, to: now - 4 * HOUR }, 0.5, now)).toEqual({
      from: now - 6 * HOUR,
      to: now - 2 * HOUR,
    });
    expect(pan(span, 0.5, now)).toEqual({ from: now - 4 * HOUR, to: now });
  });

  it("takes each step of a chart, and null leads back", () => {
    expect(zoomed(span, "in", now)).toEqual(zoom(span, 0.5, now));
    expect(zoomed(span, "out", now)).toEqual(zoom(span, 2, now));
    expect(zoomed(span, "earlier", now)).toEqual(pan(span, -0.5, now));
    expect(zoomed(span, "later", now)).toEqual(pan(span, 0.5, now));
    const chosen = { from: now - 2 * HOUR, to: now - HOUR };
    expect(zoomed(span, chosen, now)).toEqual(chosen);
    expect(zoomed(span, "reset", now)).toBeNull();
  });
});

it("a range that no longer moves has the same days, with all of the last one, or the same hours", () => {
  const now = at("2026-11-22T11:14:30Z");
  const zone = "Asia/Kolkata";
  expect(fixed("7d", now, zone)).toEqual({ from: at("2026-11-15T18:30:00Z"), to: at("2026-11-22T18:30:00Z") });
  expect(fixed("1h", now)).toEqual({ from: at("2026-11-22T10:15:00Z"), to: at("2026-11-22T11:15:00Z") });
  const chosen = { from: now - 2 * HOUR, to: now - HOUR };
  expect(fixed(chosen, now, zone)).toEqual(chosen);
});

describe("the address of a range", () => {
  it("leads back to it, preset or not, bounded or not", () => {
    const bounded = { from: at("2026-11-20T10:00:00Z"), to: at("2026-11-21T10:00:00Z") };
    for (const range of ["7d", bounded, { ...bounded, to: null }, { ...bounded, from: null }] as const) {
      expect(readRange(writeRange(range), "1h")).toEqual(range);
    }
  });

  it("that makes no sense is the usual range", () => {
    expect(readRange({ range: "8d" }, "1h")).toBe("1h");
    expect(readRange({ from: "soon" }, null)).toBeNull();
    expect(readRange({ from: "2026-11-22T00:00:00Z", to: "2026-11-21T00:00:00Z" }, "24h")).toBe("24h");
  });
});

describe("an input for a day", () => {
  it("shows the date in the service's zone, and gives the first moment of that day back", () => {
    const time = at("2026-07-01T20:30:00Z");
    expect(writeDate(time)).toBe("2026-07-01");
    expect(writeDate(time, "Asia/Kolkata")).toBe("2026-07-02");
    expect(readDate("2026-07-02", "Asia/Kolkata")).toBe(at("2026-07-01T18:30:00Z"));
    expect(readDate(writeDate(time))).toBe(dayStart(time));
  });

  it("lets a year be typed digit by digit", () => {
    expect(writeDate(readDate("0002-11-22") ?? 0)).toBe("0002-11-22");
  });

  it("is nothing while it is empty", () => {
    expect(readDate("")).toBeNull();
  });
});

describe("a step", () => {
  const now = at("2026-11-22T11:14:30Z");
  const zone = "Asia/Kolkata";

  it("back shows as many whole days right before, and one forward leads to the preset again", () => {
    for (const preset of ["today", "7d", "30d", "90d", "12m"] as const) {
      const back = step(preset, -1, now, zone);
      const span = spanOf(preset, now, zone);
      expect(back).toEqual({ from: previousPeriod(preset, span).from, to: span.from });
      expect(step(back, 1, now, zone)).toBe(preset);
    }
  });

  it("keeps the days whole where the clock was changed", () => {
    const { from, to } = step("7d", -1, at("2026-10-27T12:00:00Z")) as { from: number; to: number };
    expect([iso(from), iso(to)]).toEqual(["2026-10-13T22:00:00.000Z", "2026-10-20T22:00:00.000Z"]);
  });

  it("by hours moves by the length of the range", () => {
    const { from, to } = spanOf("1h", now);
    expect(step("1h", -1, now)).toEqual({ from: from - HOUR, to: from });
    expect(step({ from: from - HOUR, to: to - HOUR }, 1, now)).toBe("1h");
  });

  it("never leads into the future", () => {
    for (const range of ["1h", "today", "30d", { from: now - HOUR, to: null }] as const) {
      expect(step(range, 1, now, zone)).toEqual(range);
    }
    expect(step({ from: now - 3 * HOUR, to: now - HOUR }, 1, now)).toEqual({ from: now - HOUR, to: null });
  });
});

it("whole days are asked for by their dates, which the service takes in its own zone; all else by the moment", () => {
  const midnight = dayStart(at("2026-11-22T12:00:00Z"));
  expect(writeBound(midnight, true)).toBe("2026-11-22");
  expect(writeBound(midnight, false)).toBe("2026-11-21T23:00:00.000Z");
  expect(writeBound(midnight + 1, true)).toBe("2026-11-21T23:00:00.001Z");
});

describe("a date that is typed", () => {
  it("is read as it is written in the page or in German, and as none if there is no such day", () => {
    expect(dateOf("2026-11-30")).toBe("2026-11-30");
    expect(dateOf(" 2026-2-5 ")).toBe("2026-02-05");
    expect(dateOf("5.2.2026")).toBe("2026-02-05");
    for (const none of ["", "2026-02-30", "31.11.2026", "11/30/2026", "2026", "tomorrow"])
      expect(dateOf(none)).toBe("");
    expect(readDate("30.11.2026", "Europe/Berlin")).toBe(readDate("2026-11-30", "Europe/Berlin"));
  });
});
