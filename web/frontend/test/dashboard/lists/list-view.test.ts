import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { dateBounds, hasPart, isFiltered, sortOf, timeBounds } from "../../../src/dashboard/lists/list-view";
import { readDate, writeRange } from "../../../src/dashboard/ranges/range";

beforeAll(() => void vi.stubEnv("TZ", "UTC"));
afterAll(() => void vi.unstubAllEnvs());

// In Kolkata it is the 23rd already.
const NOW = Date.parse("2026-11-22T20:00:00Z");

it("a preset of a list of days counts from the service's today, not from the admin's", () => {
  expect(dateBounds({ range: "today" }, NOW, "Asia/Kolkata")).toEqual({ from: "2026-11-23", to: null });
  expect(dateBounds({ range: "yesterday" }, NOW, "Asia/Kolkata")).toEqual({
    from: "2026-11-22",
    to: "2026-11-23",
  });
  expect(dateBounds({}, NOW, "Asia/Kolkata").from).toBe("2026-11-17");
  expect(dateBounds({ range: "today" }, NOW, null).from).toBe("2026-11-22");
});

it("a preset by days begins at midnight in the service's zone also for lists of events, not within the evening before", () => {
  expect(timeBounds({ range: "7d" }, NOW, "Asia/Kolkata")).toEqual({ from: "2026-11-16T18:30:00.000Z", to: null });
  expect(timeBounds({ range: "yesterday" }, NOW, "Asia/Kolkata")).toEqual({
    from: "2026-11-21T18:30:00.000Z",
    to: "2026-11-22T18:30:00.000Z",
  });
  expect(timeBounds({ range: "24h" }, NOW, "Asia/Kolkata").from).toBe("2026-11-21T21:00:00.000Z");
  expect(timeBounds({ range: "7d" }, NOW, null).from).toBe("2026-11-16T00:00:00.000Z");
});

it("dates that were chosen by hand are the service's dates as they were written", () => {
  const zone = "Asia/Kolkata";
  const params = writeRange({ from: readDate("2026-11-01", zone), to: readDate("2026-11-03", zone) });
  expect(dateBounds(params, NOW, zone)).toEqual({ from: "2026-11-01", to: "2026-11-03" });
});

it("of a range that ends within a day, a list of days has that day", () => {
  const params = { from: "2026-11-01T10:00:00.000Z", to: "2026-11-03T10:00:00.000Z" };
  expect(dateBounds(params, NOW, "UTC")).toEqual({ from: "2026-11-01", to: "2026-11-04" });
});

it("an empty list blames filters, or a range that was chosen, but not the usual range", () => {
  const query = { from: "2026-11-01", to: null, sort: "date", user_id: null };
  expect(isFiltered(query, {})).toBe(false);
  expect(isFiltered(query, { range: "1h" })).toBe(true);
  expect(isFiltered({ ...query, user_id: "ada" }, {})).toBe(true);
});

it("a part of a text is found in small or capital letters, as the service finds it", () => {
  expect(["login", "logout", "LOGIN_failed", "message_sent"].filter((type) => hasPart(type, "Log"))).toEqual([
    "login",
    "logout",
    "LOGIN_failed",
  ]);
  expect(hasPart("login", null)).toBe(true);
  expect(hasPart("ÄB", "äb")).toBe(false);
});

it("the order is the one of the address if a column has it, else the usual one", () => {
  const cell = () => "";
  const columns = [
    { label: "a", cell },
    { label: "b", cell, sort: { by: "count", direction: "descending" } as const },
  ];
  expect(sortOf(columns, "count", "date")).toBe("count");
  for (const wanted of [undefined, "", "a", "other"]) expect(sortOf(columns, wanted, "date")).toBe("date");
});
