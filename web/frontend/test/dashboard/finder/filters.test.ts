import { expect, it } from "vitest";
import { filtersOf, isApplied, writeFilter } from "../../../src/dashboard/finder/filters";

it("knows which view applies which filter; a status is one of conversations or one of calls", () => {
  expect(isApplied("calls", "status", "5xx")).toBe(true);
  expect(isApplied("calls", "status", "deleted")).toBe(false);
  expect(isApplied("conversations", "status", "deleted")).toBe(true);
  expect(isApplied("conversations", "status", "503")).toBe(false);
  expect(isApplied("messages", "model_used", "small")).toBe(true);
  expect(isApplied("overview", "user_id", "ada")).toBe(false);
});

it("reads the filters that are set, and writes them for people", () => {
  expect(filtersOf({ user_id: "ada", model_used: "", id: "x", range: "7d" })).toEqual([["user_id", "ada"]]);
  expect(writeFilter("activity_type", "login")).toBe("Logged in");
  expect(writeFilter("status", "deleted")).toBe("Deleted");
  expect(writeFilter("status", "503")).toBe("503");
});
