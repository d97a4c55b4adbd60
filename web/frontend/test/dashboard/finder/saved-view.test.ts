import { expect, it } from "vitest";
import type { SavedView } from "../../../src/client/catalogue";
import { routeOf, viewOf } from "../../../src/dashboard/finder/saved-view";
import { type Route, writeAddress } from "../../../src/dashboard/route";

const NONE = {
  user_id: null,
  conversation_id: null,
  model_used: null,
  endpoint: null,
  activity_type: null,
  status: null,
};

function saved(route: Route): SavedView {
  const { filters, ...view } = viewOf(route, "name");
  return { id: "1", created_at: "", ...view, filters: { ...NONE, ...filters } };
}

it.each<Route>([
  { view: "overview", params: {} },
  { view: "calls", params: { range: "30d", user_id: "ada", status: "5xx" } },
  { view: "activity", params: { from: "2026-11-01T00:00:00.000Z", to: "", activity_type: "login" } },
  { view: "user", params: { id: "ada", range: "7d" } },
  { view: "conversation", params: { id: "c 1/2" } },
  { view: "endpoint", params: { id: "/v1/chat", model_used: "small" } },
  { view: "model", params: { id: "gpt-4o" } },
])("shows what was saved: $view", (route) => {
  expect(writeAddress(routeOf(saved(route)))).toBe(writeAddress(route));
});

it("names the thing of a page as a filter, so that the erasure of a user finds it", () => {
  expect(viewOf({ view: "user", params: { id: "ada" } }, "Ada")).toEqual({
    name: "Ada",
    page: "user",
    filters: { user_id: "ada" },
    range: null,
  });
});

it("shows the overview for a page of another version, and the list for a page without its thing", () => {
  const view = saved({ view: "users", params: {} });
  expect(routeOf({ ...view, page: "other" }).view).toBe("overview");
  expect(routeOf({ ...view, page: "user" }).view).toBe("users");
});

it("replaces the filters and the range of before", () => {
  const { params } = routeOf(saved({ view: "users", params: {} }));
  expect(params).toMatchObject({ user_id: "", status: "", range: "", from: "", to: "" });
});
