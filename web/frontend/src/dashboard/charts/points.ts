/**
 * The points of a chart: what `series` answers, kept up by live minutes and later answers, and the period before it
 * laid under it. All held are amounts, which add up; means are made from two of them. Pure: each function gives new
 * points.
 */

import { MINUTE, meanSeconds } from "../../ui/figures";
import { clockOf, DAY } from "../../ui/yesterday";
import type { Minute } from "../../client/store";
import { type Interval, WIDTH } from "../ranges/interval";
import { dayStart, type Span } from "../ranges/range";

/** Null: nothing was measured there, or nobody can tell any more, since the events of that time were pruned. */
export type Values = readonly (number | null)[];
export type Amounts = Values;

export interface Points {
  readonly interval: Interval;
  /** The first moments, in ms since 1970. */
  readonly start: readonly number[];
  /** By metric, each as long as `start`. */
  readonly amounts: Readonly<Record<string, Amounts>>;
  /** The zone whose days the service cuts. */
  readonly zone: string;
}

/** What the service answers to `series`. */
export interface SeriesAnswer {
  interval: Interval;
  metrics: Record<string, (number | null)[]>;
  start: string[];
  position: string;
  timezone: string;
}

export function fromAnswer(answer: SeriesAnswer): Points {
  return {
    interval: answer.interval,
    start: answer.start.map((written) => Date.parse(written)),
    amounts: answer.metrics,
    zone: answer.timezone,
  };
}

/**
 * Bring minute points up to now: one for each minute up to `now`, and in each minute that the live feed holds its
 * amounts. They are absolute, so that it does not matter how often this is done.
 */
export function withMinutes(points: Points, minutes: readonly Minute[], now: number): Points {
  const first = points.start[0];
  if (points.interval !== "minute" || first === undefined) return points;
  const { start, amounts } = grown(points, now);
  const inside = minutes
    .map((minute) => [Math.round((Date.parse(minute.start) - first) / MINUTE), minute] as const)
    .filter(([index]) => index >= 0 && index < start.length);
  const models = inside.flatMap(([, minute]) => Object.keys(minute).filter((name) => name.startsWith(MODELS)));
  const columns = [...new Set([...Object.keys(amounts), ...models])].map((name) => {
    const column = [...(amounts[name] ?? start.map(() => 0))];
    for (const [index, minute] of inside) column[index] = amountOf(minute, name);
    return [name, column] as const;
  });
  return { ...points, start, amounts: Object.fromEntries(columns) };
}

const MODELS = "model_messages:";

function amountOf(minute: Minute, name: string): number {
  const amount = (minute as Readonly<Record<string, unknown>>)[name];
  return typeof amount === "number" ? amount : 0;
}

function grown(points: Points, now: number): Points {
  const end = points.start.at(-1) ?? now;
  const missing = Math.max(0, Math.floor((now - end) / MINUTE));
  if (missing === 0) return points;
  const more = Array.from({ length: missing }, (_, index) => end + (index + 1) * MINUTE);
  return eachColumn({ ...points, start: [...points.start, ...more] }, (column) => [...column, ...more.map(() => 0)]);
}

/** Put a later answer over the end of the points; models that are new in it were 0 before. */
export function withTail(points: Points, tail: Points): Points {
  const first = tail.start[0];
  if (first === undefined) return points;
  const kept = points.start.filter((start) => start < first).length;
  const names = new Set([...Object.keys(points.amounts), ...Object.keys(tail.amounts)]);
  const columns = [...names].map((name) => {
    const before = (points.amounts[name] ?? noMessages(points)).slice(0, kept);
    return [name, [...before, ...(tail.amounts[name] ?? zeros(tail.start.length))]] as const;
  });
  return { ...tail, start: [...points.start.slice(0, kept), ...tail.start], amounts: Object.fromEntries(columns) };
}

function zeros(length: number): number[] {
  return Array<number>(length).fill(0);
}

/** Leave out the points that end before `from`: the left edge of a range that moves. */
export function since(points: Points, from: number): Points {
  const drop = points.start.findIndex((start) => start + WIDTH[points.interval] > from);
  if (drop <= 0) return points;
  return eachColumn({ ...points, start: points.start.slice(drop) }, (column) => column.slice(drop));
}

/**
 * From when to when the points count, which is what their totals are of: a range is cut down to its first point, and up
 * to its last one, unless it is still going on.
 */
export function covered(points: Points | null, { from, to, moving }: Span): { from: number; to: number } {
  const first = points?.start[0];
  const last = points?.start.at(-1);
  if (!points || first === undefined || last === undefined) return { from, to };
  const end = points.interval === "day" ? dayStart(last, 1, points.zone) : last + WIDTH[points.interval];
  return { from: first, to: moving ? to : Math.max(to, end) };
}

function eachColumn(points: Points, change: (column: Amounts) => Amounts): Points {
  const columns = Object.entries(points.amounts).map(([name, column]) => [name, change(column)] as const);
  return { ...points, amounts: Object.fromEntries(columns) };
}

/** The amounts of a metric; zeros if the answer does not have it. */
export function amounts(points: Points, name: string): Amounts {
  return points.amounts[name] ?? zeros(points.start.length);
}

/** No message at any point of which messages are known. */
export function noMessages(points: Points): Amounts {
  return amounts(points, "messages").map((known) => (known === null ? null : 0));
}

/** The mean response time in seconds at each point. */
export function responseTimes(points: Points): Values {
  const numbers = amounts(points, "responses");
  return amounts(points, "response_time_us").map((us, index) =>
    us === null ? null : meanSeconds(us, numbers[index] ?? 0),
  );
}

/**
 * The values of an earlier period at the points of this one. `shift` is how much later this one begins.
 * Days are matched by their dates, since days are not all equally long.
 */
export function aligned(points: Points, earlier: Points, shift: number, values: Values): Values {
  const width = WIDTH[points.interval];
  const number = (start: number) =>
    points.interval === "day" ? dateNumber(start, points.zone) : Math.floor(start / width);
  const by = Math.round(shift / width);
  const held = new Map(earlier.start.map((start, index) => [number(start), values[index] ?? null]));
  return points.start.map((start) => held.get(number(start) - by) ?? null);
}

/** The date of a moment in a zone, as a number of days. */
export function dateNumber(time: number, zone: string): number {
  return Math.floor(clockOf(time, zone) / DAY);
}

export interface Model {
  /** Empty: all others. */
  readonly name: string;
  readonly amounts: Amounts;
}

/** The models that were used most, and all others as one at the end; equal ones by name. */
export function topModels(points: Points, most: number): Model[] {
  const used = Object.entries(points.amounts)
    .filter(([name]) => name.startsWith(MODELS))
    .map(([name, column]) => ({ name: name.slice(MODELS.length), amounts: column, total: sum(column) }))
    .filter(({ total }) => total > 0)
    .sort((one, other) => other.total - one.total || (one.name < other.name ? -1 : 1));
  const top = used.filter(({ name }) => name !== "").slice(0, most);
  const rest = used.filter((model) => !top.includes(model));
  if (rest.length === 0) return top;
  return [...top, { name: "", amounts: added(rest.map((model) => model.amounts)) }];
}

export function added(columns: readonly Amounts[]): Amounts {
  return (columns[0] ?? []).map((_, index) => whole(columns.map((column) => column[index] ?? null)));
}

/** The sum of amounts; null if one of them is not known. */
export function whole(amounts: Amounts): number | null {
  return amounts.includes(null) ? null : sum(amounts);
}

export function sum(values: Values): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}

/** How many points have ended by `now`: only those can be compared with an earlier period's. */
export function ended(points: Points, now: number): number {
  const open = points.start.findIndex((start) => start + WIDTH[points.interval] > now);
  return open < 0 ? points.start.length : open;
}
