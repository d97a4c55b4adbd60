/**
 * The points of a chart: a series of the service, updated by live minutes and later series, and compared with the period
 * before. All values are amounts that can be added; means are computed from two of them. Pure: each function returns new
 * points.
 */

import type { Interval, Minute, Series } from "../../client/catalogue";
import { drawn, meanSeconds } from "../../ui/figures";
import { DAY, MINUTE, toLocal } from "../../ui/time";
import { INTERVAL_MS } from "../ranges/interval";
import { dayStart, type Span } from "../ranges/range";

/** Null where nothing was measured, or the value is unknown because the events of that time were removed. */
export type Values = readonly (number | null)[];
export type Amounts = Values;

export interface Points {
  readonly interval: Interval;
  /** When each point begins, in ms since 1970. */
  readonly start: readonly number[];
  /** The amounts of each metric, as many as there are starts. */
  readonly amounts: Readonly<Record<string, Amounts>>;
  /** The zone of the service's days. */
  readonly zone: string;
}

export function fromSeries({ interval, start, metrics, timezone }: Series): Points {
  const columns = Object.entries(metrics).map(([name, column]) => [name, column.map(drawn)] as const);
  return {
    interval,
    start: start.map((iso) => Date.parse(iso)),
    amounts: Object.fromEntries(columns),
    zone: timezone,
  };
}

/** The one metric whose points do not add up: each is a number of different users. */
export const ACTIVE_USERS = "active_users";

/**
 * Update points of minutes: add one for each minute up to `now`, and take over the amounts of the live minutes, which are
 * absolute, so that repeating this changes nothing. Active users are not among them: a live minute has those whose first
 * event of the day lies in it. They are unknown until they are loaded.
 */
export function withMinutes(points: Points, minutes: readonly Minute[], now: number): Points {
  const first = points.start[0];
  if (points.interval !== "minute" || first === undefined) return points;
  const { start, amounts } = extendTo(points, now);
  const inRange = minutes
    .map((minute) => [Math.round((Date.parse(minute.start) - first) / MINUTE), minute] as const)
    .filter(([index]) => index >= 0 && index < start.length);
  const models = inRange.flatMap(([, minute]) => Object.keys(minute).filter((name) => name.startsWith(MODEL_PREFIX)));
  const columns = [...new Set([...Object.keys(amounts), ...models])].map((name) => {
    const column = [...(amounts[name] ?? start.map(() => 0))];
    if (name === ACTIVE_USERS) return [name, column.fill(null, points.start.length)] as const;
    for (const [index, minute] of inRange) column[index] = amountOf(minute, name);
    return [name, column] as const;
  });
  return { ...points, start, amounts: Object.fromEntries(columns) };
}

const MODEL_PREFIX = "model_messages:";

function amountOf(minute: Minute, name: string): number {
  const amount = (minute as Readonly<Record<string, unknown>>)[name];
  return typeof amount === "number" || typeof amount === "string" ? Number(amount) : 0;
}

function extendTo(points: Points, now: number): Points {
  const end = points.start.at(-1) ?? now;
  const missing = Math.max(0, Math.floor((now - end) / MINUTE));
  if (missing === 0) return points;
  const more = Array.from({ length: missing }, (_, index) => end + (index + 1) * MINUTE);
  return eachColumn({ ...points, start: [...points.start, ...more] }, (column) => [...column, ...more.map(() => 0)]);
}

/** Take over the active users of the points that a later series has too. */
export function withActiveUsers(points: Points, later: Points): Points {
  const found = new Map(later.start.map((start, index) => [start, later.amounts[ACTIVE_USERS]?.[index] ?? null]));
  const before = amountsOf(points, ACTIVE_USERS);
  const column = points.start.map((start, index) => found.get(start) ?? before[index] ?? null);
  return { ...points, amounts: { ...points.amounts, [ACTIVE_USERS]: column } };
}

/** Replace the end of the points by a later series; models that are new in it were 0 before. */
export function withTail(points: Points, tail: Points): Points {
  const first = tail.start[0];
  if (first === undefined) return points;
  const kept = points.start.filter((start) => start < first).length;
  const names = new Set([...Object.keys(points.amounts), ...Object.keys(tail.amounts)]);
  const columns = [...names].map((name) => {
    const before = (points.amounts[name] ?? zeroMessages(points)).slice(0, kept);
    return [name, [...before, ...(tail.amounts[name] ?? zeros(tail.start.length))]] as const;
  });
  return { ...tail, start: [...points.start.slice(0, kept), ...tail.start], amounts: Object.fromEntries(columns) };
}

function zeros(length: number): number[] {
  return Array<number>(length).fill(0);
}

/** Remove the points that end before `from`, the start of a range that moves. */
export function removeBefore(points: Points, from: number): Points {
  const drop = points.start.findIndex((start) => start + INTERVAL_MS[points.interval] > from);
  if (drop <= 0) return points;
  return eachColumn({ ...points, start: points.start.slice(drop) }, (column) => column.slice(drop));
}

/**
 * The time that the points cover, and their totals with them: from the start of the first point to the end of the last one,
 * or to the end of a range that still moves.
 */
export function coveredSpan(points: Points | null, { from, to, moving }: Span): { from: number; to: number } {
  const first = points?.start[0];
  const last = points?.start.at(-1);
  if (!points || first === undefined || last === undefined) return { from, to };
  const end = points.interval === "day" ? dayStart(last, 1, points.zone) : last + INTERVAL_MS[points.interval];
  return { from: first, to: moving ? to : Math.max(to, end) };
}

function eachColumn(points: Points, change: (column: Amounts) => Amounts): Points {
  const columns = Object.entries(points.amounts).map(([name, column]) => [name, change(column)] as const);
  return { ...points, amounts: Object.fromEntries(columns) };
}

/** The amounts of a metric; zeros if the series does not have it. */
export function amountsOf(points: Points, name: string): Amounts {
  return points.amounts[name] ?? zeros(points.start.length);
}

/** Amounts of a model without messages: 0 where the number of messages is known, else null. */
function zeroMessages(points: Points): Amounts {
  return amountsOf(points, "messages").map((known) => (known === null ? null : 0));
}

/** The mean response time in seconds at each point. */
export function responseTimes(points: Points): Values {
  const numbers = amountsOf(points, "responses");
  return amountsOf(points, "response_time_us").map((us, index) =>
    us === null ? null : meanSeconds(us, numbers[index] ?? 0),
  );
}

/**
 * The values of an earlier period at the points of this one, which begins `shift` ms later. Days are matched by their dates,
 * since they differ in length.
 */
export function alignEarlier(points: Points, earlier: Points, shift: number, values: Values): Values {
  const width = INTERVAL_MS[points.interval];
  const number = (start: number) =>
    points.interval === "day" ? dayNumber(start, points.zone) : Math.floor(start / width);
  const by = Math.round(shift / width);
  const byNumber = new Map(earlier.start.map((start, index) => [number(start), values[index] ?? null]));
  return points.start.map((start) => byNumber.get(number(start) - by) ?? null);
}

/** The date of a time in a zone, as a number of days since 1970. */
export function dayNumber(time: number, zone: string): number {
  return Math.floor(toLocal(time, zone) / DAY);
}

export interface Model {
  /** Empty for all other models. */
  readonly name: string;
  readonly amounts: Amounts;
}

/** The models with the most messages, then by name, and all others together at the end. */
export function topModels(points: Points, limit: number): Model[] {
  const used = Object.entries(points.amounts)
    .filter(([name]) => name.startsWith(MODEL_PREFIX))
    .map(([name, column]) => ({ name: name.slice(MODEL_PREFIX.length), amounts: column, total: sum(column) }))
    .filter(({ total }) => total > 0)
    .sort((one, other) => other.total - one.total || (one.name < other.name ? -1 : 1));
  const top = used.filter(({ name }) => name !== "").slice(0, limit);
  const rest = used.filter((model) => !top.includes(model));
  if (rest.length === 0) return top;
  return [...top, { name: "", amounts: addColumns(rest.map((model) => model.amounts)) }];
}

/** The messages without a model at each point; null where their number is unknown. */
export function withoutModel(points: Points): Amounts {
  const all = topModels(points, Number.POSITIVE_INFINITY).map((model) => model.amounts);
  const named = all.length ? addColumns(all) : zeroMessages(points);
  return amountsOf(points, "messages").map((messages, index) => {
    const withModel = named[index] ?? null;
    return messages === null || withModel === null ? null : messages - withModel;
  });
}

export interface RankedModel {
  /** Of a model; else empty. */
  readonly name: string;
  readonly kind: "model" | "others" | "without";
  readonly amounts: Amounts;
  readonly total: number;
  /** Its messages in the points that have ended, and in those of the period before; null if there is nothing to compare with. */
  readonly compared: readonly [now: number, before: number] | null;
}

/** How many models are ranked by name. */
const RANKED = 8;

/**
 * The models with the most messages, all others, and the messages without a model: together `all` messages of the points. The
 * first `ended` points are compared with the period before.
 */
export function rankModels(points: Points, before: Points | null, ended: number): { rows: RankedModel[]; all: number } {
  const total = (amounts: Amounts) => sum(amounts.slice(0, ended));
  const rows = topModels(points, RANKED).map(({ name, amounts }): RankedModel => {
    // Other models were not the same ones before.
    const isOthers = name === "";
    const earlier = before && !isOthers ? amountsOf(before, MODEL_PREFIX + name) : null;
    const compared = earlier && ([total(amounts), total(earlier)] as const);
    return { name, kind: isOthers ? "others" : "model", amounts, total: sum(amounts), compared };
  });
  const amounts = withoutModel(points);
  if (sum(amounts) > 0) {
    const compared = before && ([total(amounts), total(withoutModel(before))] as const);
    rows.push({ name: "", kind: "without", amounts, total: sum(amounts), compared });
  }
  return { rows, all: sum(rows.map((row) => row.total)) };
}

function addColumns(columns: readonly Amounts[]): Amounts {
  return (columns[0] ?? []).map((_, index) => sumIfKnown(columns.map((column) => column[index] ?? null)));
}

/** The sum of amounts; null if one of them is unknown. */
export function sumIfKnown(amounts: Amounts): number | null {
  return amounts.includes(null) ? null : sum(amounts);
}

export function sum(values: Values): number {
  return values.reduce<number>((total, value) => total + (value ?? 0), 0);
}

/** How many points have ended by `now`: only these can be compared with an earlier period. */
export function countEnded(points: Points, now: number): number {
  const open = points.start.findIndex((start) => start + INTERVAL_MS[points.interval] > now);
  return open < 0 ? points.start.length : open;
}
