import { describe, expect, it } from "vitest";
import { parseRoute, VIEWS, writeRoute } from "../../src/dashboard/route";

describe("an address", () => {
  it("leads back to the route it was written from, whatever its parameters hold", () => {
    const route = { view: "activity", params: { user_id: "a&b=#? ü%", activity_type: "<script>" } } as const;
    expect(parseRoute(writeRoute(route))).toEqual(route);
  });

  it("is the same for the same state: empty parameters are left out", () => {
    expect(writeRoute({ view: "users", params: { search: "", sort: "" } })).toBe("#users");
  });

  it("exists for every view", () => {
    for (const view of VIEWS) expect(parseRoute(`#${view}`).view).toBe(view);
  });

  it.each(["", "#", "#nowhere", "#__proto__", "#token=abc", "#%E0%A4%A"])(
    "that makes no sense, as %j, leads to the overview",
    (hash) => {
      expect(parseRoute(hash)).toEqual({ view: "overview", params: {} });
    },
  );
});
