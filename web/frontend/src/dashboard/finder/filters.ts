/** The filters that stay while one moves through the views: which a view applies, and how they are written. Pure. */

import { activityType } from "../../ui/format";
import { FILTERS, type FilterName, type Params, type View } from "../route";
import { dashboardText } from "../text";
import { CODE } from "../views/calls";
import { isStatus } from "../views/conversations";

/** The filters that a view applies. */
const APPLIED: Partial<Record<View, readonly FilterName[]>> = {
  activity: ["user_id", "activity_type"],
  conversations: ["user_id", "model_used", "status"],
  messages: ["user_id", "model_used"],
  calls: ["user_id", "endpoint", "status"],
};

/** Whether a view applies a filter; a status is one of conversations or one of API calls. */
export function isApplied(view: View, name: FilterName, value: string): boolean {
  if (!APPLIED[view]?.includes(name)) return false;
  return name !== "status" || (view === "calls" ? CODE.test(value) : isStatus(value));
}

/** The filters that are set, with their values. */
export function filtersOf(params: Params): readonly (readonly [FilterName, string])[] {
  return FILTERS.flatMap((name) => (params[name] ? [[name, params[name]] as const] : []));
}

/** The value of a filter for people. */
export function writeFilter(name: FilterName, value: string): string {
  if (name === "activity_type") return activityType(value);
  const statuses: Readonly<Record<string, string>> = dashboardText.conversations.statuses;
  return (name === "status" && statuses[value]) || value;
}
