/** The length of a chart's points. Pure. */

import { INTERVALS, type Interval } from "../../client/catalogue";
import { DAY, HOUR, MINUTE } from "../../ui/time";

export const INTERVAL_MS: Record<Interval, number> = { minute: MINUTE, hour: HOUR, day: DAY };

/** As many points as fit on a wide screen, and are drawn within an animation frame. */
export const MAX_POINTS = 2000;

/** The interval for a length of time: minutes up to six hours, hours up to ten days, then days. */
export function automaticInterval(length: number): Interval {
  if (length <= 6 * HOUR) return "minute";
  return length <= 10 * DAY + HOUR ? "hour" : "day";
}

/** The intervals with at least two points, and fewer than {@link MAX_POINTS}. */
export function possibleIntervals(length: number): Interval[] {
  return INTERVALS.filter((interval) => length > INTERVAL_MS[interval] && length / INTERVAL_MS[interval] < MAX_POINTS);
}

/** The wanted interval if it is possible for this length, else the automatic one. */
export function chooseInterval(wanted: string | undefined, length: number): Interval {
  return possibleIntervals(length).find((interval) => interval === wanted) ?? automaticInterval(length);
}
