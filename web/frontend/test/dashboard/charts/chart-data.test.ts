import { describe, expect, it } from "vitest";
import {
  type ChartName,
  METRICS,
  makeCharts,
  makeTimeCharts,
  readout,
  stackLines,
} from "../../../src/dashboard/charts/chart-data";
import type { Points } from "../../../src/dashboard/charts/points";
import type { ResponseTimes } from "../../../src/dashboard/charts/response-times";

const HOUR = 3_600_000;
const START = Date.parse("2026-11-22T00:00:00Z");

function hours(amounts: Record<string, (number | null)[]>, start = START): Points {
  const length = Object.values(amounts)[0]?.length ?? 0;
  return { interval: "hour", start: Array.from({ length }, (_, index) => start + index * HOUR), amounts, zone: "UTC" };
}

function chart(name: ChartName, points: Points, earlier: Points | null = null, now = START + 99 * HOUR, to = 0) {
  const before = earlier && { points: earlier, shift: 24 * HOUR };
  const found = makeCharts(points, before, now, to).find((one) => one.name === name);
  if (!found) throw new Error(`no chart ${name}`);
  return found;
}

describe("the charts", () => {
  it("are all made from one answer, also from one without events", () => {
    const none = Object.fromEntries(METRICS.filter((name) => name !== "model_messages").map((name) => [name, [0, 0]]));
    expect(makeCharts(hours(none), null, START, 0)).toHaveLength(9);
  });

  it("have as total what their points add up to", () => {
    expect(chart("messages", hours({ messages: [1, 2, 3] })).total).toBe(6);
  });

  it("have a gap and no total where events were pruned, never a silent 0", () => {
    const points = hours({
      messages: [null, 3],
      responses: [null, 1],
      response_time_us: [null, 1_000_000],
      "model_messages:a": [null, 2],
      "model_messages:b": [null, 1],
    });
    expect(chart("messages", points)).toMatchObject({ total: null, lines: [{ values: [null, 3] }] });
    expect(chart("response_time", points)).toMatchObject({ total: null, lines: [{ values: [null, 1] }] });
    expect(chart("models", points).total).toBeNull();
    expect(stackLines(chart("models", points).lines)).toEqual([
      [null, 2],
      [null, 3],
    ]);
    expect(chart("models", hours({ messages: [null, 0] })).total).toBeNull();
  });

  it("weigh the mean response time by the messages that carry one", () => {
    const points = hours({ response_time_us: [1_000_000, 9_000_000], responses: [1, 3] });
    expect(chart("response_time", points).total).toBe(2.5);
  });

  it("take the active users of a range from the service, since points count one user many times", () => {
    const points = hours({ active_users: [10, 20] });
    const before = { points: hours({ active_users: [9, 9] }, START - 24 * HOUR), shift: 24 * HOUR };
    const users = { total: 21, compared: [10, 12] as const };
    const made = makeCharts(points, before, START + 99 * HOUR, 0, users).find(({ name }) => name === "active_users");
    expect(made).toMatchObject({ total: 21, compared: [10, 12], lines: [{ values: [10, 20] }] });
    expect(chart("active_users", points, before.points)).toMatchObject({ total: null, compared: null });
  });

  it("tell of failed calls which share of all calls they are, and that it needs attention from 5 % on", () => {
    const few = chart("api_errors", hours({ api_calls: [50, 50], api_errors: [2, 2] }));
    expect(few).toMatchObject({ total: 4, whole: 100, needsAttention: false });
    expect(chart("api_errors", hours({ api_calls: [50, 50], api_errors: [2, 3] })).needsAttention).toBe(true);
    expect(chart("api_errors", hours({ api_calls: [0, 0], api_errors: [0, 0] })).needsAttention).toBe(false);
    expect(chart("messages", hours({ messages: [1] })).whole).toBeNull();
  });

  it("compare with the period before only what has ended", () => {
    const now = hours({ messages: [4, 6, 1] });
    const before = hours({ messages: [5, 5, 50] }, START - 24 * HOUR);
    expect(chart("messages", now, before, START + 2.5 * HOUR).compared).toEqual([10, 10]);
  });

  it("of today reach midnight: the period before has all points, the line only those until now", () => {
    const now = hours({ messages: [4] });
    const before = hours({ messages: [5, 6, 7] }, START - 24 * HOUR);
    const made = chart("messages", now, before, START, START + 3 * HOUR);
    expect(made.start).toHaveLength(3);
    expect(made.lines[0]?.values).toEqual([4]);
    expect(made.previous).toEqual([5, 6, 7]);
  });

  it("name the messages without a model, so that the parts add up to all messages", () => {
    const points = hours({ messages: [9, 4, null], "model_messages:a": [3, 4, null], "model_messages:": [1, 0, null] });
    const { lines, total } = chart("models", points);
    expect(lines.map(({ label, values }) => [label, values])).toEqual([
      ["a", [3, 4, null]],
      ["Other models", [1, 0, null]],
      ["Without a model", [5, 0, null]],
    ]);
    expect(stackLines(lines).at(-1)).toEqual([9, 4, null]);
    expect(total).toBe(chart("messages", points).total);
    const all = chart("models", hours({ messages: [3], "model_messages:a": [3] }));
    expect(all).toMatchObject({ total: 3, lines: [{ label: "a" }] });
    expect(all.lines).toHaveLength(1);
  });

  it("tell of a point every line, the sum of a stack, and the period before", () => {
    const points = hours({ messages: [5, 9], "model_messages:a": [3, 4] });
    const before = hours({ messages: [7, 8] }, START - 24 * HOUR);
    const told = (name: ChartName) => readout(chart(name, points, before), 1).map(({ label, value }) => [label, value]);
    expect(told("messages")).toEqual([
      ["Messages", 9],
      ["Period before", 8],
    ]);
    expect(told("models")).toEqual([
      ["a", 4],
      ["Without a model", 5],
      ["All messages", 9],
      ["Period before", 8],
    ]);
  });

  it("stack models so that the topmost line is the sum", () => {
    const { lines } = chart("models", hours({ "model_messages:a": [3, 0], "model_messages:b": [1, 2] }));
    expect(stackLines(lines)).toEqual([
      [3, 0],
      [4, 2],
    ]);
  });
});

describe("the charts of response times", () => {
  const iso = (hour: number) => new Date(START + hour * HOUR).toISOString();
  function times(p95: (number | null)[], first = 0): ResponseTimes {
    const figures = <Value>(value: Value) => ({
      p50_response_time: value,
      p95_response_time: value,
      p99_response_time: value,
    });
    const percentiles = { total: figures(9), points: figures(p95) };
    const start = p95.map((_, index) => iso(first + index));
    return { ...percentiles, interval: "hour", start, items: [{ label: "a", ...percentiles }] };
  }
  const like = chart("response_time", hours({ response_time_us: [1, 1], responses: [1, 1] }));

  it("have the percentiles at the points of the other charts, none at points that began since, and the total of the range", () => {
    const [messages, byModel, ...others] = makeTimeCharts(like, null, {
      messages: { now: times([3]), before: null },
      api_calls: null,
    });
    expect(others).toEqual([]);
    expect(messages?.lines.map(({ label, values }) => [label, values])).toEqual([
      ["p50", [3, null]],
      ["p95", [3, null]],
      ["p99", [3, null]],
    ]);
    expect(messages).toMatchObject({ name: "response_time", total: 9, qualifier: "p95", compared: null });
    expect(byModel).toMatchObject({ name: "response_time_models", lines: [{ label: "a", values: [3, null] }] });
  });

  it("compare with the 95th percentile of the period before, point by point", () => {
    const earlier = { points: hours({}, START - 24 * HOUR), shift: 24 * HOUR };
    const before = times([5, 6], -24);
    const [messages] = makeTimeCharts(like, earlier, { messages: { now: times([3, 4]), before }, api_calls: null });
    expect(messages).toMatchObject({ previous: [5, 6], compared: [9, 9] });
  });
});
