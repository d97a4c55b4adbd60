/** What a report of a view is asked by: the view's list, its range and its filters. Pure. */

import { isApplied } from "../finder/filters";
import { DEFAULT_RANGE, fixed, readRange } from "../ranges/range";
import { FILTERS, isPage, type Page, type Route, type View } from "../route";

/** The query of `report.pdf`. */
export type ReportQuery = Readonly<Record<string, string>>;

/** The report of each view, by its name in the service; null: there is none. */
const REPORTS: Readonly<Record<View, string | null>> = {
  overview: "overview",
  costs: "costs",
  explore: null,
  alerts: null,
  activity: "activities",
  users: "users",
  conversations: "conversations",
  messages: "messages",
  api: "api-endpoints",
  calls: "api-usage",
  days: "daily-stats",
  user: "activities",
  conversation: "messages",
  endpoint: "api-usage",
  model: "messages",
};
/** The filter that the thing of a page is. */
const IDS: Readonly<Record<Page, string>> = {
  user: "user_id",
  conversation: "conversation_id",
  endpoint: "endpoint",
  model: "model_used",
};

/**
 * The query for what a route shows, with the range of *now* as two times, or null if its view has no report; *zone* is
 * that of the service's days.
 */
export function reportOf(route: Route, now: number, zone: string | null): ReportQuery | null {
  const { view, params } = route;
  const of = REPORTS[view];
  if (of === null) return null;
  const filters = FILTERS.filter((name) => isApplied(view, name, params[name] ?? "")).flatMap((name) =>
    params[name] ? [[name, params[name]]] : [],
  );
  const thing = isPage(view) && params.id ? { [IDS[view]]: params.id } : {};
  return { of, ...rangeOf(route, now, zone), ...Object.fromEntries(filters), ...thing };
}

/** The query for the costs of LLM calls in the range of a route. */
export function costsOf(route: Route, now: number, zone: string | null): ReportQuery {
  return { of: "costs", ...rangeOf(route, now, zone) };
}

function rangeOf({ params }: Route, now: number, zone: string | null): ReportQuery {
  const range = fixed(readRange(params, DEFAULT_RANGE), now, zone ?? undefined);
  if (typeof range !== "object") return {};
  const bounds = { from: range.from, to: range.to };
  return Object.fromEntries(
    Object.entries(bounds).flatMap(([name, time]) => (time === null ? [] : [[name, new Date(time).toISOString()]])),
  );
}
