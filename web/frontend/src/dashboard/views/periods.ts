/** The figures of today, yesterday, 7 and 30 days. Pure. */

import { FIGURES, type Figure, type FigureName, figureValue } from "../../ui/figures";
import { amountsOf, type Points, sum } from "../charts/points";

/** The counters of all figures. */
export const DAY_METRICS: readonly string[] = FIGURES.flatMap(({ counters }) => counters.filter(Boolean) as string[]);
export const PERIODS = ["today", "yesterday", "week", "month"] as const;
export type Period = (typeof PERIODS)[number];

/** The first and last day of each period, counted back from today. */
const DAYS: Record<Period, readonly [first: number, last: number]> = {
  today: [0, 0],
  yesterday: [1, 1],
  week: [0, 6],
  month: [0, 29],
};

/**
 * The value of a figure in a period, from points of days, the last of which is today. For active users of several days it is
 * the mean of the days, since their sum would count the same users again.
 */
export function ofPeriod(days: Points, figure: Pick<Figure, "name" | "counters">, period: Period): number | null {
  const [first, last] = DAYS[period];
  const end = days.start.length - first;
  const start = Math.max(0, days.start.length - 1 - last);
  if (start >= end) return null;
  const value = figureValue(figure, (counter) => sum(amountsOf(days, counter).slice(start, end)));
  return value !== null && figure.name === "active_users_today" ? value / (end - start) : value;
}

export function isMean(figure: FigureName, period: Period): period is "week" | "month" {
  return figure === "active_users_today" && (period === "week" || period === "month");
}
