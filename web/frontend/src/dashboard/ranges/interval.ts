/** The width of a chart's points. Pure. */

import { MINUTE } from "../../ui/figures";
import { DAY } from "../../ui/yesterday";

export const INTERVALS = ["minute", "hour", "day"] as const;
export type Interval = (typeof INTERVALS)[number];

export const HOUR = 60 * MINUTE;
export const WIDTH: Record<Interval, number> = { minute: MINUTE, hour: HOUR, day: DAY };

/** As many as a wide screen has room for, and drawn well within a frame. */
export const MAX_POINTS = 2000;

/** Choose for a length of time: minutes up to six hours, hours up to ten days, then days. */
export function automatic(length: number): Interval {
  if (length <= 6 * HOUR) return "minute";
  return length <= 10 * DAY + HOUR ? "hour" : "day";
}

/** Those that give a line at all, and one that can still be drawn. */
export function possible(length: number): Interval[] {
  return INTERVALS.filter((interval) => length > WIDTH[interval] && length / WIDTH[interval] < MAX_POINTS);
}

/** The wish if it is possible for this length, else the automatic one. */
export function chosen(wish: string | undefined, length: number): Interval {
  return possible(length).find((interval) => interval === wish) ?? automatic(length);
}
