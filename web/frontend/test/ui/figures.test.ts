import { describe, expect, it } from "vitest";
import type { Minute } from "../../src/client/catalogue";
import { chooseFigures, FIGURES, type FigureName, fitting, lastHour, MINUTES } from "../../src/ui/figures";
import { minuteOf } from "../../src/ui/time";

const NOW = Date.parse("2026-11-22T12:00:30.000Z");

function minute(ago: number, counters: Partial<Minute>): Minute {
  return { start: new Date(Date.parse("2026-11-22T12:00:00.000Z") - ago * 60_000).toISOString(), ...counters };
}

function hour(name: FigureName, minutes: Minute[], now = NOW) {
  const figure = FIGURES.find((one) => one.name === name);
  if (!figure) throw new Error(name);
  return lastHour(figure, minutes, now);
}

describe("a figure in a narrow place", () => {
  const tokens = FIGURES.find(({ name }) => name === "total_tokens") as (typeof FIGURES)[number];

  it("has all its digits as long as they have room, else few characters", () => {
    expect(fitting(tokens, 8_024_751, 9)).toBe("8,024,751");
    expect(fitting(tokens, 61_317_680, 9)).toBe("61.3M");
    expect(fitting(tokens, 9_007_199_254_740_991, 15).length).toBeLessThanOrEqual(15);
    expect(fitting(tokens, null, 9)).toBe("–");
  });
});

describe("the last hour of a figure", () => {
  it("has the current minute at its right edge, and 0 for a minute that is absent", () => {
    const values = hour("total_messages", [minute(0, { messages: 7 }), minute(59, { messages: 3 })]);
    expect(values).toHaveLength(MINUTES);
    expect([values[0], values[1], values.at(-1)]).toEqual([3, 0, 7]);
  });

  it("shifts by the clock alone, and leaves out minutes older than an hour or in the future", () => {
    const minutes = [minute(-2, { messages: 9 }), minute(0, { messages: 7 }), minute(59, { messages: 3 })];
    const later = hour("total_messages", minutes, NOW + 60_000);
    expect(later.slice(-2)).toEqual([7, 0]);
    expect(later[0]).toBe(0);
    expect(minuteOf(NOW + 29_999)).toBe(minuteOf(NOW));
    expect(minuteOf(NOW + 30_000)).toBe(minuteOf(NOW) + 1);
  });

  it("is the minute's mean response time in seconds, with a gap where nothing was measured", () => {
    const values = hour("avg_response_time", [
      minute(0, { responses: 4, response_time_us: 6_000_000 }),
      minute(1, { messages: 2 }),
    ]);
    expect(values.slice(-2)).toEqual([null, 1.5]);
  });

  it("takes each figure from its counter", () => {
    const minutes = [minute(0, { users: 1, active_users: 2, conversations: 3, messages: 4, tokens: 5 })];
    const last = FIGURES.map((figure) => lastHour(figure, minutes, NOW).at(-1));
    expect(last).toEqual([1, 2, 3, 4, 5, null]);
  });
});

describe("the figures of an attribute", () => {
  it("are those that it names, in its order and six at the most; without a known name they are the usual ones", () => {
    const { figures, unknown } = chooseFigures("total_cost, total_users,nothing,total_cost");
    expect([figures.map(({ name }) => name), unknown]).toEqual([["total_cost", "total_users"], ["nothing"]]);
    expect(chooseFigures("nothing").figures).toEqual(FIGURES);
    expect(chooseFigures(null)).toEqual({ figures: FIGURES, unknown: [] });
    const many =
      "total_cost,total_llm_calls,failed_llm_calls,total_input_tokens,total_output_tokens,total_users,total_tokens";
    expect(chooseFigures(many).figures).toHaveLength(6);
  });

  it("write money in dollars, of which the last hour has the decimal text of each minute", () => {
    const [cost] = chooseFigures("total_cost").figures;
    expect(cost?.write(12.4)).toBe("$12.40");
    expect(cost?.write(0.00123)).toBe("$0.00123");
    expect(cost && lastHour(cost, [minute(1, { llm_cost: "0.5" })], NOW).slice(-2)).toEqual([0.5, 0]);
  });
});
