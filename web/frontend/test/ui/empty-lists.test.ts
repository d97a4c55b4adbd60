import { describe, expect, it } from "vitest";
import { emptyLists } from "../../src/ui/empty-lists";
import { text } from "../../src/ui/text";

describe("an empty list", () => {
  it("says that nobody was active only if there are no users", () => {
    for (const summary of [null, { total_users: 0 }]) {
      expect(emptyLists(summary)).toEqual({ activities: text.lists.noActivities, topUsers: text.lists.noTopUsers });
    }
  });

  it("says that there are no activities, beside users who sent messages or made API calls", () => {
    const { activities, topUsers } = emptyLists({ total_users: 1 });
    for (const words of [activities, topUsers]) {
      expect(words).toMatch(/^No activities yet/);
      expect(words).toContain("Messages and API calls");
    }
  });
});
