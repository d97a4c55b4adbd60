import { expect, it } from "vitest";
import type { Breakdown, BreakdownRow } from "../../../src/client/catalogue";
import { each, intervalOf, makeChart, ofRows, readChoice, rowLabel } from "../../../src/dashboard/breakdowns/breakdown";
import { totalsOf } from "../../../src/dashboard/breakdowns/totals";

const NOW = Date.parse("2026-11-22T12:00:00.000Z");

function row(
  label: string,
  points: readonly (string | number | null)[],
  more: Partial<BreakdownRow> = {},
): BreakdownRow {
  return { label, second: null, username: null, value: "1", count: 1, unpriced_calls: 0, points, ...more };
}

const FOUND: Breakdown = {
  items: [row("a", ["1", "0.5"]), row("b", ["0.25", "0"])],
  metric: "cost",
  by: ["model"],
  unit: "US dollars",
  interval: "day",
  timezone: "UTC",
  from: "2026-11-20T00:00:00.000Z",
  to: "2026-11-22T00:00:00.000Z",
  kept_from: null,
  start: ["2026-11-20T00:00:00.000Z", "2026-11-21T00:00:00.000Z"],
  total: "2.75",
  count: 9,
  unpriced_calls: 31,
  rows: 3,
  others: { beyond_bound: "0.5", without_label: "0.5" },
  position: "p",
};

it("reads what is broken down from the address; what there is not becomes what there is", () => {
  expect(readChoice({ metric: "api_calls", by: "endpoint" })).toEqual({ metric: "api_calls", by: "endpoint" });
  expect(readChoice({ metric: "api_calls", by: "user" })).toEqual({ metric: "api_calls", by: "endpoint" });
  expect(readChoice({ metric: "fun" })).toEqual({ metric: "cost", by: "model" });
  expect(readChoice({ by: "model,user" })).toEqual({ metric: "cost", by: "model,user" });
});

it("has points by hour for short ranges of what is kept by hour", () => {
  const of = (by: string, range: string) => intervalOf({ metric: "cost", by }, { range }, NOW, "UTC");
  expect([of("model", "24h"), of("user", "24h"), of("model", "30d")]).toEqual(["hour", "day", "day"]);
});

it("charts the rows, and what the whole has beyond them; the calls without a price stand beside the total", () => {
  const chart = makeChart(FOUND, [1.5, 1.25], NOW, "Cost by model");
  expect(chart.lines.map(({ label, values }) => [label, values])).toEqual([
    ["a", [1, 0.5]],
    ["b", [0.25, 0]],
    ["All others", [0.25, 0.75]],
  ]);
  expect([chart.total, chart.qualifier, chart.unit, chart.stacked]).toEqual([
    2.75,
    "and 31 calls without a price",
    "dollars",
    true,
  ]);
});

it("draws rows that do not add up beside each other", () => {
  const chart = makeChart({ ...FOUND, metric: "p95_response_time", unit: "seconds", others: null }, null, NOW, "");
  expect([chart.stacked, chart.lines.length, chart.main]).toEqual([false, 2, [1, 0.5]]);
});

it("names a row by user and second dimension", () => {
  expect(rowLabel(row("u1", [], { username: "Ada", second: "large" }))).toBe("Ada · large");
});

it("divides the cost of the rows by their number, and that of all by the tokens that have a price", () => {
  expect(each(ofRows(FOUND), 3)).toBeCloseTo(0.58333);
  expect(each("0", 0)).toBeNull();
  const series = { interval: "day" as const, timezone: "UTC", start: [], position: "p" };
  const metrics = {
    input_tokens: [1000, 500],
    output_tokens: [10, null],
    unpriced_tokens: [500, 0],
    cached_input_tokens: [],
  };
  expect(totalsOf({ ...series, metrics })).toMatchObject({ input_tokens: 1500, priced: 1010 });
});
