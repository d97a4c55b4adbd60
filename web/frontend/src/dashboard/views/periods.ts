/** What each figure added today, yesterday, in 7 and in 30 days. Pure. */

import { type FigureName, meanSeconds } from "../../ui/figures";
import { amounts, type Points, sum } from "../charts/points";

export const DAY_METRICS = [
  "users",
  "active_users",
  "conversations",
  "messages",
  "tokens",
  "response_time_us",
  "responses",
];
export const PERIODS = ["today", "yesterday", "week", "month"] as const;
export type Period = (typeof PERIODS)[number];

/** Which days each takes in, counted from today backwards. */
const DAYS: Record<Period, readonly [first: number, last: number]> = {
  today: [0, 0],
  yesterday: [1, 1],
  week: [0, 6],
  month: [0, 29],
};

const COUNTERS: Record<Exclude<FigureName, "avg_response_time">, string> = {
  total_users: "users",
  active_users_today: "active_users",
  total_conversations: "conversations",
  total_messages: "messages",
  total_tokens: "tokens",
};

/**
 * The value of a figure over a period, from points of days of which the last is today. Active users of several days
 * are the mean of the days: their sum would count the same people again.
 */
export function ofPeriod(days: Points, figure: FigureName, period: Period): number | null {
  const [first, last] = DAYS[period];
  const part = (name: string) => {
    const column = amounts(days, name);
    return column.slice(Math.max(0, column.length - 1 - last), column.length - first);
  };
  if (figure === "avg_response_time") return meanSeconds(sum(part("response_time_us")), sum(part("responses")));
  const values = part(COUNTERS[figure]);
  if (values.length === 0) return null;
  return figure === "active_users_today" ? sum(values) / values.length : sum(values);
}

export function isMean(figure: FigureName, period: Period): period is "week" | "month" {
  return figure === "active_users_today" && (period === "week" || period === "month");
}
