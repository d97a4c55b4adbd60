/** What is empty: whether there was any event, and what the lists of activities say in agreement with the figures. Pure. */

import type { Summary } from "../client/catalogue";
import { text } from "./text";

/** Messages and API calls make users active, but are no activities: then the lists are empty although users are counted. */
export function emptyLists(summary: Pick<Summary, "total_users"> | null): { activities: string; topUsers: string } {
  const words = text.lists;
  return summary !== null && summary.total_users > 0
    ? { activities: words.noActivitiesOfUsers, topUsers: words.noTopUsersOfUsers }
    : { activities: words.noActivities, topUsers: words.noTopUsers };
}

/** What counts events of each kind. */
type Counts = Pick<Summary, "total_users" | "total_messages" | "total_llm_calls" | "total_api_calls">;

/** Whether nothing was ever counted; false while that is not known. */
export function isEmpty(summary: Counts | null): boolean {
  if (summary === null) return false;
  return [summary.total_users, summary.total_messages, summary.total_llm_calls, summary.total_api_calls].every(
    (count) => count === 0,
  );
}
