import { expect, it } from "vitest";
import { percentileFigures, type ResponseTimes, withPercentiles } from "../../../src/dashboard/details/percentiles";
import type { Series } from "../../../src/dashboard/details/trend";

const START = ["2026-11-29T12:00:00.000Z", "2026-11-29T13:00:00.000Z"];
const SERIES: Series = { interval: "hour", timezone: "UTC", start: START, metrics: { messages: [1, 2] } };
const TIMES: ResponseTimes = {
  interval: "hour",
  start: START,
  total: { p50_response_time: 1, p95_response_time: 2, p99_response_time: null },
  points: { p50_response_time: [1, null], p95_response_time: [2, null], p99_response_time: [null, null] },
};

it("shows percentiles of the range, and their points where they are those of the page", () => {
  const figures = percentileFigures(TIMES, SERIES);
  expect(figures.map(({ value }) => value)).toEqual([1, 2, null]);
  expect(figures.map(({ metric }) => metric)).toEqual(["p50_response_time", "p95_response_time", "p99_response_time"]);
  expect(withPercentiles(SERIES, TIMES).metrics).toEqual({ messages: [1, 2], ...TIMES.points });
});

it("has no chart for points of another length, and no values while they are loading", () => {
  expect(percentileFigures(TIMES, { ...SERIES, interval: "minute" })[0]?.metric).toBeUndefined();
  expect(percentileFigures(null, SERIES).map(({ value }) => value)).toEqual([null, null, null]);
  expect(withPercentiles(SERIES, null)).toBe(SERIES);
});
