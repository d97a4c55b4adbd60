/** The data of each chart, of which key figures and rankings are made too: its lines, the period before, its totals. Pure. */

import type { Interval } from "../../client/catalogue";
import { meanSeconds } from "../../ui/figures";
import { INTERVAL_MS } from "../ranges/interval";
import { dayStart } from "../ranges/range";
import { dashboardText } from "../text";
import type { MoreIs } from "./change";
import {
  ACTIVE_USERS,
  alignEarlier,
  amountsOf,
  countEnded,
  type Points,
  responseTimes,
  sum,
  sumIfKnown,
  topModels,
  type Values,
  withoutModel,
} from "./points";
import type { UserCounts } from "./range-users";
import { alignTimes, type ComparedTimes, type Percentiles, type TimesOf } from "./response-times";

const words = dashboardText.charts;

export type ChartName = keyof typeof words.names;

/** The charts that have a key figure, in the order on screen. */
export const KEY_FIGURES = [
  "active_users",
  "new_users",
  "conversations",
  "messages",
  "tokens",
  "response_time",
  "api",
  "api_errors",
] as const satisfies readonly ChartName[];

/** The charts that show one key figure in several ways, the usual one first. */
export const PARTS: readonly (readonly (keyof typeof words.parts & ChartName)[])[] = [
  ["messages", "models"],
  ["response_time", "response_time_models", "api_time", "api_time_endpoints"],
];

/** The key figure of a chart. */
export function keyFigureOf(name: ChartName): ChartName {
  return PARTS.find((parts) => parts.some((part) => part === name))?.[0] ?? name;
}

/** The share of API calls that failed from which on the figure needs attention. */
const TOO_MANY_FAILURES = 0.05;

export interface Line {
  readonly label: string;
  /** The custom property of its colour. */
  readonly colour: string;
  readonly values: Values;
}

export interface ChartData {
  /** One of the {@link ChartName}s, or that of another figure. */
  readonly name: string;
  readonly title: string;
  readonly unit: "count" | "seconds" | "dollars";
  /** Whether the lines are stacked; else each begins at zero. */
  readonly stacked: boolean;
  readonly interval: Interval;
  readonly zone: string;
  /** The starts of all points, including those in the future. */
  readonly start: readonly number[];
  /** How many points have begun: the length of the lines. */
  readonly count: number;
  /** How many points have ended: those after them still change. */
  readonly ended: number;
  readonly lines: readonly Line[];
  /** The values that are compared with the period before. */
  readonly main: Values;
  readonly moreIs: MoreIs;
  /** What the total is a part of, where the share is told too: of failed calls, all calls. */
  readonly whole: number | null;
  readonly needsAttention: boolean;
  /** The values of the period before, at the points of this one. */
  readonly previous: Values | null;
  /** The total of the range. */
  readonly total: number | null;
  /** What kind of value the total is, where its name does not say it: a mean, or a percentile. */
  readonly qualifier: string;
  /** The totals of this period and the one before, of the points that have ended, which can be compared. */
  readonly compared: readonly [now: number | null, before: number | null] | null;
}

/** The metrics of all charts, for one request. */
export const METRICS = [
  "messages",
  "tokens",
  "active_users",
  "users",
  "conversations",
  "response_time_us",
  "responses",
  "api_calls",
  "api_errors",
  "model_messages",
] as const;

const TOP_MODELS = 5;

interface Earlier {
  readonly points: Points;
  /** How much later the current period begins, in ms. */
  readonly shift: number;
}

interface ChartKind {
  readonly name: ChartName;
  readonly unit?: "seconds";
  readonly isMean?: true;
  readonly stacked?: true;
  readonly moreIs: MoreIs;
  readonly lines: (points: Points) => Line[];
  /** The values to compare with the period before. */
  readonly main: (points: Points) => Values;
  /** The total of the first `count` points. */
  readonly total: (points: Points, count: number) => number | null;
  /** The metric that the total is a part of. */
  readonly partOf?: (typeof METRICS)[number];
}

function counter(name: ChartName, moreIs: MoreIs, metric: (typeof METRICS)[number]): ChartKind {
  return {
    name,
    moreIs,
    lines: (points) => [{ label: words.names[name], colour: "--series-1", values: amountsOf(points, metric) }],
    main: (points) => amountsOf(points, metric),
    total: (points, count) => sumIfKnown(amountsOf(points, metric).slice(0, count)),
  };
}

const KINDS: readonly ChartKind[] = [
  counter("active_users", "better", ACTIVE_USERS),
  counter("new_users", "better", "users"),
  counter("conversations", "better", "conversations"),
  counter("messages", "better", "messages"),
  {
    name: "models",
    stacked: true,
    moreIs: "better",
    lines: modelLines,
    // Each message is in one of the parts, so that they add up to all messages.
    main: (points) => amountsOf(points, "messages"),
    total: (points, count) => sumIfKnown(amountsOf(points, "messages").slice(0, count)),
  },
  counter("tokens", "neither", "tokens"),
  {
    name: "response_time",
    unit: "seconds",
    isMean: true,
    moreIs: "worse",
    lines: (points) => [{ label: words.mean, colour: "--series-1", values: responseTimes(points) }],
    main: responseTimes,
    total: (points, count) => {
      const time = sumIfKnown(amountsOf(points, "response_time_us").slice(0, count));
      return time === null ? null : meanSeconds(time, sum(amountsOf(points, "responses").slice(0, count)));
    },
  },
  {
    ...counter("api", "neither", "api_calls"),
    lines: (points) => [
      { label: words.calls, colour: "--series-1", values: amountsOf(points, "api_calls") },
      { label: words.errors, colour: "--series-3", values: amountsOf(points, "api_errors") },
    ],
  },
  { ...counter("api_errors", "worse", "api_errors"), partOf: "api_calls" },
];

/** The models used most, all others, and the messages without a model, such as those of users. */
function modelLines(points: Points): Line[] {
  const models = topModels(points, TOP_MODELS).map(({ name, amounts: values }, index) => ({
    label: name === "" ? words.otherModels : name,
    colour: name === "" ? "--series-6" : `--series-${index + 1}`,
    values,
  }));
  const without = withoutModel(points);
  return sum(without) > 0 ? [...models, { label: words.withoutModel, colour: "--series-7", values: without }] : models;
}

/**
 * Make the data of all charts from the points of a range that ends at `to`, those of the period before, and its distinct
 * users; null: they are not known.
 */
export function makeCharts(
  points: Points,
  earlier: Earlier | null,
  now: number,
  to: number,
  users: UserCounts | null = null,
): ChartData[] {
  const endedCount = countEnded(points, now);
  const complete = { ...points, start: upTo(points, to) };
  return KINDS.map((kind) => {
    const isOfUsers = kind.name === "active_users";
    const total = isOfUsers ? (users?.total ?? null) : kind.total(points, points.start.length);
    const whole = kind.partOf ? sumIfKnown(amountsOf(points, kind.partOf)) : null;
    return {
      name: kind.name,
      title: words.names[kind.name],
      unit: kind.unit ?? "count",
      stacked: kind.stacked ?? false,
      interval: points.interval,
      zone: points.zone,
      start: complete.start,
      count: points.start.length,
      ended: endedCount,
      lines: kind.lines(points),
      main: kind.main(points),
      moreIs: kind.moreIs,
      whole,
      needsAttention: whole !== null && total !== null && whole > 0 && total / whole >= TOO_MANY_FAILURES,
      previous: earlier && alignEarlier(complete, earlier.points, earlier.shift, kind.main(earlier.points)),
      total,
      qualifier: kind.isMean ? words.mean : "",
      compared: isOfUsers ? (users?.compared ?? null) : compared(kind, points, earlier, endedCount),
    };
  });
}

/** The totals of the points that have ended, and of as many of the period before. */
function compared(kind: ChartKind, points: Points, earlier: Earlier | null, ended: number): ChartData["compared"] {
  return earlier && ended > 0 ? [kind.total(points, ended), kind.total(earlier.points, ended)] : null;
}

const P95 = "p95";
const PERCENTILES = [
  ["p50_response_time", "--percentile-50"],
  ["p95_response_time", "--series-1"],
  ["p99_response_time", "--percentile-99"],
] as const;

/** Whose response times a chart shows, and whether by model or endpoint. */
export const TIME_CHARTS: readonly (readonly [name: ChartName, of: TimesOf, isDivided: boolean])[] = [
  ["response_time", "messages", false],
  ["response_time_models", "messages", true],
  ["api_time", "api_calls", false],
  ["api_time_endpoints", "api_calls", true],
];

/** The charts of response times: as `like`, the chart of the mean, but of percentiles. Their main value is the 95th. */
export function makeTimeCharts(
  like: ChartData,
  earlier: Earlier | null,
  times: Readonly<Record<TimesOf, ComparedTimes | null>>,
): ChartData[] {
  return TIME_CHARTS.flatMap(([name, of, isDivided]) => {
    const found = times[of];
    if (found === null) return [];
    const begun = like.start.slice(0, like.count);
    const values = (of: Percentiles, percentile: (typeof PERCENTILES)[number][0]) =>
      alignTimes(found.now, of.points[percentile], begun);
    const lines: Line[] = isDivided
      ? found.now.items.slice(0, TOP_MODELS).map((item, index) => ({
          label: item.label,
          colour: `--series-${index + 1}`,
          values: values(item, "p95_response_time"),
        }))
      : PERCENTILES.map(([key, colour]) => ({ label: key.slice(0, 3), colour, values: values(found.now, key) }));
    const total = found.now.total.p95_response_time;
    return {
      ...like,
      name,
      title: words.names[name],
      lines,
      main: values(found.now, "p95_response_time"),
      previous: !isDivided && found.before && earlier ? alignBefore(like, earlier, found.before) : null,
      total,
      qualifier: P95,
      compared: found.before && ([total, found.before.total.p95_response_time] as const),
    };
  });
}

function alignBefore({ interval, zone, start }: ChartData, { shift }: Earlier, before: ComparedTimes["now"]): Values {
  const earlier = { interval, zone, start: before.start.map((iso) => Date.parse(iso)), amounts: {} };
  return alignEarlier({ interval, zone, start, amounts: {} }, earlier, shift, before.points.p95_response_time);
}

/** The starts of all points up to the end of a range, which may be in the future: today is shown up to midnight. */
function upTo({ start, interval }: Points, to: number): readonly number[] {
  const last = start.at(-1);
  if (last === undefined || interval === "day") return start;
  const width = INTERVAL_MS[interval];
  const missing = Math.max(0, Math.ceil((to - last) / width) - 1);
  return [...start, ...Array.from({ length: missing }, (_, index) => last + (index + 1) * width)];
}

/** When the last point ends; 0 if there is none. */
export function endOfPoints({ start, interval, zone }: ChartData): number {
  const last = start.at(-1);
  return last === undefined ? 0 : endOf(last, interval, zone);
}

/** When a point ends. */
export function endOf(start: number, interval: Interval, zone: string): number {
  return interval === "day" ? dayStart(start, 1, zone) : start + INTERVAL_MS[interval];
}

/** A value that is told of one point. */
export interface Reading {
  readonly label: string;
  /** The custom property of its colour; empty for a sum. */
  readonly colour: string;
  readonly value: number | null;
}

/** What is told of the point at an index: the value of each line, the sum of a stack, and the value of the period before. */
export function readout(data: ChartData, index: number): Reading[] {
  const at = (values: Values | undefined) => values?.[index] ?? null;
  const readings = data.lines.map(({ label, colour, values }) => ({ label, colour, value: at(values) }));
  if (data.stacked) readings.push({ label: words.all, colour: "", value: at(stackLines(data.lines).at(-1)) });
  if (data.previous) readings.push({ label: words.before, colour: "--faded", value: at(data.previous) });
  return readings;
}

/** The lines added one on top of the other, as they are drawn: the last one has the sum of all. */
export function stackLines(lines: readonly Line[]): Values[] {
  const stack: Values[] = [];
  for (const { values } of lines) {
    const below = stack.at(-1);
    stack.push(values.map((value, index) => (value === null ? null : value + (below?.[index] ?? 0))));
  }
  return stack;
}
