/** The length of a chart's points. Pure. */

import { INTERVALS, type Interval } from "../../client/catalogue";
import { DAY, HOUR, MINUTE } from "../../ui/time";
import { isByDays, type Range, type Span } from "./range";

export const INTERVAL_MS: Record<Interval, number> = { minute: MINUTE, hour: HOUR, day: DAY };

/** As many points as fit on a wide screen, and are drawn within an animation frame. */
export const MAX_POINTS = 2000;

/** The interval for a length of time: minutes up to six hours, hours up to ten days, then days. */
export function automaticInterval(length: number): Interval {
  if (length <= 6 * HOUR) return "minute";
  return length <= 10 * DAY + HOUR ? "hour" : "day";
}

/**
 * The intervals with at least two points, and fewer than {@link MAX_POINTS}. The hours of points are those of UTC: without
 * `hours`, for whole days that begin within one, as in India, there are none, so that no point begins before the day.
 */
export function possibleIntervals(length: number, hours = true): Interval[] {
  return INTERVALS.filter(
    (interval) =>
      length > INTERVAL_MS[interval] && length / INTERVAL_MS[interval] < MAX_POINTS && (hours || interval !== "hour"),
  );
}

/** The wanted interval if it is possible for this length, else the automatic one, else the longest that is possible. */
export function chooseInterval(wanted: string | undefined, length: number, hours = true): Interval {
  const possible = possibleIntervals(length, hours);
  const automatic = automaticInterval(length);
  const usual = hours || automatic !== "hour" ? automatic : (possible.at(-1) ?? "day");
  return possible.find((interval) => interval === wanted) ?? usual;
}

/** Whether a range can have points by hours: not if it is one of whole days that begins within an hour of UTC. */
export function hasHours(range: Range, span: Span): boolean {
  return span.from % HOUR === 0 || !isByDays(range, span);
}
