/** The six figures of the panel: which they are, how they are written, and their last hour by the minute. Pure. */

import { count, seconds } from "./format";
import type { Counter } from "../client/protocol";
import type { Minute } from "../client/store";
import type { text } from "./text";

export type FigureName = keyof typeof text.figures;
/** Minutes, oldest first, the current one last; null where nothing was measured. */
export type Hour = readonly (number | null)[];

export interface Figure {
  readonly name: FigureName;
  readonly write: (value: number | null) => string;
  /** Whether more of it is good news. */
  readonly moreIsBetter: boolean;
  /** How its minutes are drawn: bars for what is counted, a line for what is measured. */
  readonly drawn: "bars" | "line";
  /** What one minute added to it; null where nothing was measured. */
  readonly ofMinute: (minute: Minute | undefined) => number | null;
}

export const MINUTES = 60;
export const MINUTE = 60_000;

const counter = (name: Counter) => (minute: Minute | undefined) => minute?.[name] ?? 0;

export const FIGURES: readonly Figure[] = [
  { name: "total_users", write: count, moreIsBetter: true, drawn: "bars", ofMinute: counter("users") },
  { name: "active_users_today", write: count, moreIsBetter: true, drawn: "bars", ofMinute: counter("active_users") },
  { name: "total_conversations", write: count, moreIsBetter: true, drawn: "bars", ofMinute: counter("conversations") },
  { name: "total_messages", write: count, moreIsBetter: true, drawn: "bars", ofMinute: counter("messages") },
  { name: "total_tokens", write: count, moreIsBetter: true, drawn: "bars", ofMinute: counter("tokens") },
  { name: "avg_response_time", write: seconds, moreIsBetter: false, drawn: "line", ofMinute: meanResponseTime },
];

/** The 60 minutes up to the one that *now* (the service's clock, ms) is in. A minute that is not told had nothing. */
export function lastHour(figure: Figure, minutes: readonly Minute[], now: number): Hour {
  const first = minuteOf(now) - MINUTES + 1;
  const told = new Map(minutes.map((minute) => [minuteOf(Date.parse(minute.start)), minute]));
  return Array.from({ length: MINUTES }, (_, index) => figure.ofMinute(told.get(first + index)));
}

/** The number of the minute that a time is in; it changes when the hour shifts. */
export function minuteOf(time: number): number {
  return Math.floor(time / MINUTE);
}

/** The mean in seconds of so *many* times that took *us* microseconds together. */
export function meanSeconds(us: number, many: number): number | null {
  return many === 0 ? null : us / many / 1e6;
}

function meanResponseTime(minute: Minute | undefined): number | null {
  return meanSeconds(minute?.response_time_us ?? 0, minute?.responses ?? 0);
}
