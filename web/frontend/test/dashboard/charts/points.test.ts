import { describe, expect, it } from "vitest";
import {
  alignEarlier,
  countEnded,
  coveredSpan,
  fromSeries,
  type Points,
  rankModels,
  removeBefore,
  responseTimes,
  topModels,
  withActiveUsers,
  withMinutes,
  withTail,
} from "../../../src/dashboard/charts/points";

const MINUTE = 60_000;
const START = Date.parse("2026-11-22T11:00:00Z");
const iso = (time: number) => new Date(time).toISOString();

function minutes(amounts: Record<string, number[]>): Points {
  const length = Object.values(amounts)[0]?.length ?? 0;
  return {
    interval: "minute",
    start: Array.from({ length }, (_, index) => START + index * MINUTE),
    amounts,
    zone: "UTC",
  };
}

describe("live minutes", () => {
  const points = minutes({ messages: [1, 2, 3], tokens: [10, 20, 30] });

  it("replace the amounts of their minutes, so that merging twice changes nothing", () => {
    const live = [{ start: iso(START + 2 * MINUTE), messages: 7, tokens: 70 }];
    const once = withMinutes(points, live, START + 2 * MINUTE);
    expect(once.amounts).toEqual({ messages: [1, 2, 7], tokens: [10, 20, 70] });
    expect(withMinutes(once, live, START + 2 * MINUTE)).toEqual(once);
  });

  it("count for 0 where a counter is absent", () => {
    const live = [{ start: iso(START + MINUTE), messages: 5 }];
    expect(withMinutes(points, live, START).amounts).toEqual({ messages: [1, 5, 3], tokens: [10, 0, 30] });
  });

  it("come with the clock: minutes without events are points too", () => {
    const grown = withMinutes(points, [{ start: iso(START + 4 * MINUTE), messages: 9 }], START + 4.5 * MINUTE);
    expect(grown.start).toHaveLength(5);
    expect(grown.amounts.messages).toEqual([1, 2, 3, 0, 9]);
  });

  it("leave the active users as they are, and those of new minutes unknown", () => {
    const active = minutes({ messages: [1, 2], active_users: [1, 2] });
    const live = [
      { start: iso(START + MINUTE), messages: 5, active_users: 9 },
      { start: iso(START + 2 * MINUTE), messages: 6, active_users: 9 },
    ];
    const grown = withMinutes(active, live, START + 2 * MINUTE);
    expect(grown.amounts).toEqual({ messages: [1, 5, 6], active_users: [1, 2, null] });
    const later = { ...minutes({ active_users: [3, 4] }), start: [START + MINUTE, START + 2 * MINUTE] };
    expect(withActiveUsers(grown, later).amounts).toEqual({ messages: [1, 5, 6], active_users: [1, 3, 4] });
  });

  it("outside of the range are left out", () => {
    const live = [
      { start: iso(START - MINUTE), messages: 9 },
      { start: iso(START + 9 * MINUTE), messages: 9 },
    ];
    expect(withMinutes(points, live, START + 2 * MINUTE).amounts.messages).toEqual([1, 2, 3]);
  });

  it("bring models that the range did not have yet", () => {
    const live = [{ start: iso(START + 2 * MINUTE), messages: 4, tokens: 1, "model_messages:new": 4 }];
    expect(withMinutes(points, live, START).amounts["model_messages:new"]).toEqual([0, 0, 4]);
  });

  it("do not touch points of hours", () => {
    const hours: Points = { ...points, interval: "hour" };
    expect(withMinutes(hours, [{ start: iso(START), messages: 9 }], START + 60 * MINUTE)).toBe(hours);
  });
});

describe("a later series", () => {
  it("replaces the end, and goes beyond it", () => {
    const tail = fromSeries({
      interval: "minute",
      start: [iso(START + 2 * MINUTE), iso(START + 3 * MINUTE)],
      metrics: { messages: [30, 40], "model_messages:new": [1, 2] },
      position: "p",
      timezone: "UTC",
    });
    const joined = withTail(minutes({ messages: [1, 2, 3], "model_messages:old": [1, 1, 1] }), tail);
    expect(joined.start).toHaveLength(4);
    expect(joined.amounts).toEqual({
      messages: [1, 2, 30, 40],
      "model_messages:old": [1, 1, 0, 0],
      "model_messages:new": [0, 0, 1, 2],
    });
  });
});

it("the left edge moves: points that ended before the range are dropped, the one it begins in stays", () => {
  const points = minutes({ messages: [1, 2, 3] });
  expect(removeBefore(points, START + MINUTE).amounts.messages).toEqual([2, 3]);
  expect(removeBefore(points, START + 1.5 * MINUTE).amounts.messages).toEqual([2, 3]);
  expect(removeBefore(points, START)).toBe(points);
});

describe("the period before", () => {
  it("is matched to the points by its distance, with gaps where it has none", () => {
    const now = minutes({ messages: [1, 2, 3] });
    const before: Points = { ...minutes({ messages: [7, 8] }), start: [START - 59 * MINUTE, START - 58 * MINUTE] };
    expect(alignEarlier(now, before, 60 * MINUTE, [7, 8])).toEqual([null, 7, 8]);
  });

  it("of days is matched by date, over a day of 25 hours too", () => {
    const zone = "Europe/Berlin";
    // Local midnights: on 25 October 2026 the clock went back.
    const days = (...start: string[]): Points => ({
      interval: "day",
      start: start.map((one) => Date.parse(one)),
      amounts: {},
      zone,
    });
    const now = days("2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z");
    const before = days("2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z");
    const shift = (now.start[0] ?? 0) - (before.start[0] ?? 0);
    expect(alignEarlier(now, before, shift, [4, 5])).toEqual([4, 5]);
  });
});

it("a mean is null where nothing was measured, never 0", () => {
  const points = minutes({ response_time_us: [3_000_000, 0, 500_000], responses: [2, 0, 1] });
  expect(responseTimes(points)).toEqual([1.5, null, 0.5]);
});

describe("models", () => {
  const points = minutes({
    messages: [9, 9],
    "model_messages:a": [1, 1],
    "model_messages:b": [5, 5],
    "model_messages:c": [2, 2],
    "model_messages:never": [0, 0],
    "model_messages:": [9, 9],
  });

  it("are those used most, and all others as one at the end", () => {
    expect(topModels(points, 2)).toEqual([
      expect.objectContaining({ name: "b", amounts: [5, 5] }),
      expect.objectContaining({ name: "c", amounts: [2, 2] }),
      { name: "", amounts: [10, 10] },
    ]);
  });

  it("have no others where all are shown", () => {
    expect(topModels(minutes({ "model_messages:a": [1] }), 5)).toHaveLength(1);
  });
});

it("only points that have ended can be compared: the current one is still filling", () => {
  const points = minutes({ messages: [1, 2, 3] });
  expect(countEnded(points, START + 2.5 * MINUTE)).toBe(2);
  expect(countEnded(points, START + 3 * MINUTE)).toBe(3);
});

describe("the range that totals are of", () => {
  const at = (written: string) => Date.parse(written);
  const points = (interval: Points["interval"], zone: string, ...start: string[]): Points => ({
    interval,
    start: start.map(at),
    amounts: {},
    zone,
  });

  it("begins with the first point: a day of Kolkata by hours takes in half an hour of the day before", () => {
    const span = { from: at("2026-11-21T18:30:00Z"), to: at("2026-11-22T18:30:00Z"), moving: true };
    const hours = points("hour", "UTC", "2026-11-21T18:00:00Z", "2026-11-21T19:00:00Z");
    expect(coveredSpan(hours, span)).toEqual({ from: at("2026-11-21T18:00:00Z"), to: span.to });
  });

  it("ends with the last point, unless it goes on with the clock", () => {
    const span = { from: at("2026-11-20T10:20:00Z"), to: at("2026-11-20T11:20:00Z"), moving: false };
    const hours = points("hour", "UTC", "2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z");
    const [from, end] = [at("2026-11-20T10:00:00Z"), at("2026-11-20T12:00:00Z")];
    expect(coveredSpan(hours, span)).toEqual({ from, to: end });
    expect(coveredSpan(hours, { ...span, moving: true })).toEqual({ from, to: span.to });
    expect(coveredSpan(null, span)).toEqual({ from: span.from, to: span.to });
  });

  it("ends with the last day in its zone, of 25 hours too", () => {
    const span = { from: at("2026-10-24T00:00:00Z"), to: at("2026-10-25T12:00:00Z"), moving: false };
    const days = points("day", "Europe/Berlin", "2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z");
    expect(coveredSpan(days, span)).toEqual({ from: days.start[0], to: at("2026-10-25T23:00:00Z") });
  });
});

describe("the ranking of models", () => {
  it("has each message once: in a model, in all others, or without a model", () => {
    const named = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`model_messages:m${n}`, [20 - n, 0]]));
    const { rows, all } = rankModels(minutes({ messages: [200, 100], ...named }), null, 2);
    expect(all).toBe(300);
    expect(rows.map(({ total }) => total).reduce((one, other) => one + other)).toBe(300);
    expect(rows).toHaveLength(10);
    expect(rows.at(-2)).toMatchObject({ kind: "others", total: 12 + 11 + 10 + 9 });
    expect(rows.at(-1)?.kind).toBe("without");
  });

  it("compares what has ended of a model with the period before, also with one without that model", () => {
    const before = minutes({ messages: [9], "model_messages:a": [6] });
    const now = minutes({ messages: [5, 9], "model_messages:a": [3, 9], "model_messages:b": [1, 0] });
    expect(
      rankModels(now, before, 1).rows.map(({ kind, name, total, compared }) => [kind, name, total, compared]),
    ).toEqual([
      ["model", "a", 12, [3, 6]],
      ["model", "b", 1, [1, 0]],
      ["without", "", 1, [1, 3]],
    ]);
  });

  it("is empty without messages", () => {
    expect(rankModels(minutes({ messages: [0, 0] }), null, 2)).toEqual({ rows: [], all: 0 });
  });
});
