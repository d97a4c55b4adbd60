/** What the lists of activities say while they are empty, in agreement with the figures beside them. Pure. */

import type { Summary } from "../client/catalogue";
import { text } from "./text";

/** Messages and API calls make users active, but are no activities: then the lists are empty although users are counted. */
export function emptyLists(summary: Pick<Summary, "total_users"> | null): { activities: string; topUsers: string } {
  const words = text.lists;
  return summary !== null && summary.total_users > 0
    ? { activities: words.noActivitiesOfUsers, topUsers: words.noTopUsersOfUsers }
    : { activities: words.noActivities, topUsers: words.noTopUsers };
}
