import { expect, it } from "vitest";
import { eventsOf } from "../../../src/dashboard/lists/events-of";

const [FROM, TO] = [Date.parse("2026-11-29T12:00:00Z"), Date.parse("2026-11-29T13:00:00Z")];

it.each([
  ["messages", "messages"],
  ["models", "messages"],
  ["api_calls", "calls"],
  ["api", "calls"],
  ["conversations", "conversations"],
  ["active_users", "activity"],
])("leads from a point of %s to the list %s, in the time of the point", (figure, view) => {
  expect(eventsOf(figure, FROM, TO)).toEqual({
    view,
    params: { range: "", from: "2026-11-29T12:00:00.000Z", to: "2026-11-29T13:00:00.000Z" },
  });
});

it("leads from failed calls to those alone, and keeps what a page is about", () => {
  expect(eventsOf("api_errors", FROM, TO, { user_id: "ada" }).params).toMatchObject({ status: "5xx", user_id: "ada" });
});
