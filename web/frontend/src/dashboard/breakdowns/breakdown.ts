/** Breakdowns: what can be chosen, what is asked of the service, and the chart of an answer. Pure. */

import { BREAKDOWNS, type Breakdown, type BreakdownRow, type Dimension, type Interval } from "../../client/catalogue";
import { drawn } from "../../ui/figures";
import { counted } from "../../ui/format";
import { DAY } from "../../ui/time";
import type { ChartData, Line } from "../charts/chart-data";
import { countEnded, type Values } from "../charts/points";
import { hasHours } from "../ranges/interval";
import { DEFAULT_RANGE, readRange, spanOf } from "../ranges/range";
import type { Params } from "../route";
import { dashboardText } from "../text";

const words = dashboardText.breakdowns;

export type Metric = keyof typeof BREAKDOWNS;

export const METRICS = Object.keys(BREAKDOWNS) as Metric[];

/** How many rows have a line of their own in a chart. */
export const LINES = 5;

/** Up to so many days a chart has a point for each hour, where the metric is kept by hour. */
const HOURS_UP_TO_DAYS = 3;

/** What is broken down, and by what: one dimension, or two with a comma between them. */
export interface Choice {
  readonly metric: Metric;
  readonly by: string;
}

/** Read the choice of an address; what there is not becomes the first that there is. */
export function readChoice(params: Params): Choice {
  const metric = METRICS.find((name) => name === params.metric) ?? "cost";
  const dimensions: readonly string[] = BREAKDOWNS[metric].day;
  return { metric, by: dimensions.find((by) => by === params.by) ?? dimensions[0] ?? "model" };
}

/** Name one or two dimensions: Model, or Model × User. */
export function byLabel(by: string): string {
  return by
    .split(",")
    .map((name) => words.dimensions[name as Dimension])
    .join(" × ");
}

/** The length of the points of a chart for the page's range. */
export function intervalOf({ metric, by }: Choice, params: Params, now: number, zone: string | null): "hour" | "day" {
  const range = readRange(params, DEFAULT_RANGE);
  const span = spanOf(range, now, zone ?? undefined);
  const hours: readonly string[] = BREAKDOWNS[metric].hour;
  const isShort = span.to - span.from <= HOURS_UP_TO_DAYS * DAY;
  return isShort && hours.includes(by) && hasHours(range, span) ? "hour" : "day";
}

/** Whether the values of rows add up to the total: not those of means, percentiles and distinct users. */
export function addsUp(metric: Metric): boolean {
  return BREAKDOWNS[metric].counter !== null;
}

/** Name a row. */
export function rowLabel({ label, second, username }: BreakdownRow): string {
  const first = username ?? label;
  return second === null ? first : `${first} · ${second}`;
}

/** Say beside a cost how many calls have no price; empty if all have one. */
export function unpriced(calls: number | null): string {
  return calls ? counted(calls, words.unpriced) : "";
}

/** The chart of a breakdown: its largest rows, and if they add up all others together. `whole` are the totals of points. */
export function makeChart(found: Breakdown, whole: Values | null, now: number, title: string): ChartData {
  const interval: Interval = found.interval ?? "day";
  const start = (found.start ?? []).map((at) => Date.parse(at));
  const lines: Line[] = found.items.slice(0, LINES).map((row, index) => ({
    label: rowLabel(row),
    colour: `--series-${index + 1}`,
    values: (row.points ?? []).map(drawn),
  }));
  const others = whole === null ? null : rest(whole, lines, start.length);
  if (others?.some(Boolean)) lines.push({ label: words.others, colour: "--series-6", values: others });
  const points = { interval, zone: found.timezone, start, amounts: {} };
  return {
    name: `${found.metric}-${found.by.join("-")}`,
    title,
    unit: found.unit === "US dollars" ? "dollars" : found.unit === "seconds" ? "seconds" : "count",
    stacked: whole !== null,
    interval,
    zone: found.timezone,
    start,
    count: start.length,
    ended: countEnded(points, now),
    lines,
    main: whole ?? lines[0]?.values ?? [],
    moreIs: "neither",
    whole: null,
    needsAttention: false,
    previous: null,
    total: drawn(found.total),
    qualifier: unpriced(found.unpriced_calls),
    compared: null,
  };
}

/** What the points have beyond the lines; a remainder of a millionth comes from adding up fractions. */
function rest(whole: Values, lines: readonly Line[], length: number): Values {
  return Array.from({ length }, (_, index) => {
    const listed = lines.reduce((sum, { values }) => sum + (values[index] ?? 0), 0);
    const left = (whole[index] ?? 0) - listed;
    return left > 1e-6 ? left : 0;
  });
}

/** A cost for each of so many; null if there is none. */
export function each(cost: string | number | null, number: number): number | null {
  return number === 0 || cost === null ? null : Number(cost) / number;
}

/** What the rows of a breakdown come to: the total without what no row has. */
export function ofRows({ total, others }: Breakdown): number {
  const without = Number(others?.without_label ?? 0) + Number(others?.beyond_bound ?? 0);
  return Number(total ?? 0) - without;
}
