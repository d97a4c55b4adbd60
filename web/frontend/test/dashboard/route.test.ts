import { describe, expect, it } from "vitest";
import { keepParams, parseRoute, VIEWS, writeAddress, writeRoute } from "../../src/dashboard/route";

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

describe("the range in an address", () => {
  it("stays while one moves through the views, since a link does not name it", () => {
    const search = "?range=30d&compare=year";
    expect(parseRoute("#users?sort=username", search).params).toEqual({
      range: "30d",
      compare: "year",
      sort: "username",
    });
    expect(writeAddress(parseRoute("#users?sort=username", search))).toBe(`${search}#users?sort=username`);
  });

  it("is replaced as a whole by that of a link", () => {
    const { params } = parseRoute("#activity?from=2026-11-22T10:00:00.000Z", "?range=30d&compare=year");
    expect(params).toEqual({ from: "2026-11-22T10:00:00.000Z", compare: "year" });
    expect(keepParams({ range: "30d", sort: "username" }, { from: "x" })).toEqual({ from: "x" });
    expect(keepParams({ range: "30d", sort: "username" }, {})).toEqual({ range: "30d" });
  });

  it("and the filters are all that is read from the query", () => {
    expect(parseRoute("#users", "?search=ada&token=abc").params).toEqual({});
  });
});

it("has pages about one thing; one without its thing is the list of such things", () => {
  expect(parseRoute("#user?id=ada")).toEqual({ view: "user", params: { id: "ada" } });
  expect(parseRoute("#user")).toEqual({ view: "users", params: {} });
  expect(parseRoute("#conversations?id=c-1")).toEqual({ view: "conversation", params: { id: "c-1" } });
});

it("keeps filters in the query while one moves through the views", () => {
  const route = parseRoute("#activity?user_id=ada");
  expect(writeAddress(route)).toBe("?user_id=ada#activity");
  expect(parseRoute("#messages", "?user_id=ada&status=5xx").params).toEqual({ user_id: "ada", status: "5xx" });
  expect(keepParams({ user_id: "ada", sort: "x" }, { status: "503" })).toEqual({ user_id: "ada", status: "503" });
  expect(writeAddress(parseRoute("#messages?user_id=", "?user_id=ada"))).toBe("#messages");
});
