import { expect, it } from "vitest";
import { costsOf, reportOf } from "../../../src/dashboard/exports/report-query";

const NOW = Date.parse("2026-11-24T10:30:00Z");

it("asks for the view, its range as two times, and the filters that the view applies", () => {
  const params = { range: "7d", user_id: "ada", status: "5xx", model_used: "small" };
  expect(reportOf({ view: "calls", params }, NOW, "Europe/Vienna")).toEqual({
    of: "api-usage",
    from: "2026-11-17T23:00:00.000Z",
    to: "2026-11-24T23:00:00.000Z",
    user_id: "ada",
    status: "5xx",
  });
});

it("makes the thing of a page the filter of its list", () => {
  const route = { view: "model", params: { id: "gpt-4o", from: "2026-11-01T00:00:00.000Z" } } as const;
  expect(reportOf(route, NOW, null)).toMatchObject({ of: "messages", model_used: "gpt-4o" });
});

it("asks for the costs of the same range", () => {
  expect(costsOf({ view: "users", params: { range: "yesterday" } }, NOW, "UTC")).toEqual({
    of: "costs",
    from: "2026-11-23T00:00:00.000Z",
    to: "2026-11-24T00:00:00.000Z",
  });
});

it("gives a view without a report no query", () => {
  expect(reportOf({ view: "explore", params: {} }, NOW, null)).toBeNull();
});
