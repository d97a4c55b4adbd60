import { describe, expect, it } from "vitest";
import { csvName } from "../../../src/dashboard/lists/csv-name";

const NOW = Date.parse("2026-11-22T12:00:00Z");

describe("the name of a CSV file", () => {
  it("tells the table, and the day it was made if nothing was filtered", () => {
    expect(csvName("activities", { user_id: null, from: null }, NOW)).toBe("activities_2026-11-22.csv");
  });

  it("tells the filters", () => {
    const filters = { user_id: "u-1", activity_type: "login", from: "2026-11-01T00:00:00.000Z", limit: 50 };
    expect(csvName("activities", filters, NOW)).toBe("activities_u-1_login_from-2026-11-01T00-00.csv");
  });

  it("holds nothing that a file system takes amiss, whatever a filter holds", () => {
    expect(csvName("users", { search: '../../"<x>:|?*\n' }, NOW)).toBe("users_x.csv");
    expect(csvName("users", { search: "é".repeat(500) }, NOW).length).toBeLessThan(130);
  });
});
