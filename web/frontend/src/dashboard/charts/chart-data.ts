/** What each chart shows: its lines, its ghost, its totals. Pure. */

import { meanSeconds } from "../../ui/figures";
import { dashboardText } from "../../ui/text";
import { type Interval, WIDTH } from "../ranges/interval";
import {
  added,
  aligned,
  amounts,
  ended,
  noMessages,
  type Points,
  responseTimes,
  sum,
  topModels,
  type Values,
  whole,
} from "./points";

const words = dashboardText.charts;

export type ChartName = keyof typeof words.names;

export interface Line {
  readonly label: string;
  /** The custom property of its colour. */
  readonly colour: string;
  readonly values: Values;
}

export interface ChartData {
  readonly name: ChartName;
  readonly title: string;
  readonly note: string;
  readonly unit: "count" | "seconds";
  /** Lines are laid on one another; else each stands on zero. */
  readonly stacked: boolean;
  readonly interval: Interval;
  readonly zone: string;
  /** Of all points, those yet to come included. */
  readonly start: readonly number[];
  /** How many points there are already: the length of the lines. */
  readonly count: number;
  /** How many of them have ended: what follows still grows. */
  readonly ended: number;
  readonly lines: readonly Line[];
  /** The period before, at the points of this one. */
  readonly ghost: Values | null;
  /** Of the range, and how it is to be read. */
  readonly total: number | null;
  readonly totalUnit: "" | "per-day";
  /** This period and the one before, over the points that have ended: the two that can be compared. */
  readonly compared: readonly [now: number | null, before: number | null] | null;
}

/** The metrics that all charts need together: one request for them. */
export const METRICS = [
  "messages",
  "tokens",
  "active_users",
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
  /** How much later this period begins, in ms. */
  readonly shift: number;
}

interface Kind {
  readonly name: ChartName;
  readonly unit?: "seconds";
  readonly stacked?: true;
  readonly note?: (points: Points) => string;
  readonly lines: (points: Points) => Line[];
  /** What the ghost shows. */
  readonly main: (points: Points) => Values;
  /** Of the first so many points. */
  readonly total: (points: Points, count: number) => number | null;
  readonly perDay?: true;
}

function counter(name: "messages" | "tokens" | "active_users" | "conversations", colour: string): Kind {
  return {
    name,
    lines: (points) => [{ label: words.names[name], colour, values: amounts(points, name) }],
    main: (points) => amounts(points, name),
    total: (points, count) => whole(amounts(points, name).slice(0, count)),
  };
}

const KINDS: readonly Kind[] = [
  counter("messages", "--series-1"),
  counter("tokens", "--series-4"),
  {
    ...counter("active_users", "--series-2"),
    // Users of several days are not distinct any more once they are added up: the mean says what is true.
    total: (points, count) => {
      const all = whole(amounts(points, "active_users").slice(0, count));
      return points.interval === "day" && all !== null ? (count === 0 ? null : all / count) : all;
    },
    perDay: true,
    note: (points) => (points.interval === "day" ? "" : words.notes.firstOfDay),
  },
  counter("conversations", "--series-3"),
  {
    name: "response_time",
    unit: "seconds",
    lines: (points) => [{ label: words.mean, colour: "--series-1", values: responseTimes(points) }],
    main: responseTimes,
    total: (points, count) => {
      const time = whole(amounts(points, "response_time_us").slice(0, count));
      return time === null ? null : meanSeconds(time, sum(amounts(points, "responses").slice(0, count)));
    },
  },
  {
    name: "api",
    lines: (points) => [
      { label: words.calls, colour: "--series-2", values: amounts(points, "api_calls") },
      { label: words.errors, colour: "--bad", values: amounts(points, "api_errors") },
    ],
    main: (points) => amounts(points, "api_calls"),
    total: (points, count) => whole(amounts(points, "api_calls").slice(0, count)),
  },
  {
    name: "models",
    stacked: true,

    lines: (points) =>
      topModels(points, TOP_MODELS).map(({ name, amounts: values }, index) => ({
        label: name === "" ? words.otherModels : name,
        colour: name === "" ? "--series-6" : `--series-${index + 1}`,
        values,
      })),
    main: ofAllModels,
    total: (points, count) => whole(ofAllModels(points).slice(0, count)),
  },
];

function ofAllModels(points: Points): Values {
  const columns = topModels(points, Number.POSITIVE_INFINITY).map((model) => model.amounts);
  return columns.length ? added(columns) : noMessages(points);
}

/** Make the data of all charts from the points of a range that ends at `to`, and of the period before it. */
export function chartsOf(points: Points, earlier: Earlier | null, now: number, to: number): ChartData[] {
  const over = ended(points, now);
  const whole = { ...points, start: upTo(points, to) };
  return KINDS.map((kind) => ({
    name: kind.name,
    title: words.names[kind.name],
    note: kind.note?.(points) ?? "",
    unit: kind.unit ?? "count",
    stacked: kind.stacked ?? false,
    interval: points.interval,
    zone: points.zone,
    start: whole.start,
    count: points.start.length,
    ended: over,
    lines: kind.lines(points),
    ghost: earlier && aligned(whole, earlier.points, earlier.shift, kind.main(earlier.points)),
    total: kind.total(points, points.start.length),
    totalUnit: kind.perDay && points.interval === "day" ? "per-day" : "",
    compared: earlier && over > 0 ? [kind.total(points, over), kind.total(earlier.points, over)] : null,
  }));
}

/** The points of a range whose end is still to come; a day of charts has its evening. */
function upTo({ start, interval }: Points, to: number): readonly number[] {
  const last = start.at(-1);
  if (last === undefined || interval === "day") return start;
  const width = WIDTH[interval];
  const missing = Math.max(0, Math.ceil((to - last) / width) - 1);
  return [...start, ...Array.from({ length: missing }, (_, index) => last + (index + 1) * width)];
}

/** Each line laid on the ones before it, as they are drawn: the topmost has the sum. */
export function stacked(lines: readonly Line[]): Values[] {
  const laid: Values[] = [];
  for (const { values } of lines) {
    const below = laid.at(-1);
    laid.push(values.map((value, index) => (value === null ? null : value + (below?.[index] ?? 0))));
  }
  return laid;
}
