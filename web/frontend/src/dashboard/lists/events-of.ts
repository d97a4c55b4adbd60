/** The list that holds the events of a point of a chart. Pure. */

import { writeRange } from "../ranges/range";
import type { Params, Route, View } from "../route";

const LISTS: Readonly<Record<string, View>> = {
  messages: "messages",
  models: "messages",
  tokens: "messages",
  response_time: "messages",
  conversations: "conversations",
  api: "calls",
  api_calls: "calls",
  api_errors: "calls",
  call_time: "calls",
};

/** The route to the events that a figure counts between two times; `filter` limits them, as to those of one user. */
export function eventsOf(figure: string, from: number, to: number, filter: Params = {}): Route {
  const status = figure === "api_errors" ? { status: "5xx" } : {};
  return { view: LISTS[figure] ?? "activity", params: { ...filter, ...status, ...writeRange({ from, to }) } };
}
