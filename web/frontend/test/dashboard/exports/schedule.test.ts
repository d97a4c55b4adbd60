import { expect, it } from "vitest";
import { addresses, newSchedule } from "../../../src/dashboard/exports/schedule";

it("takes addresses as people write them", () => {
  expect(addresses(" a@example.com,b@example.com; c@example.com\n")).toEqual([
    "a@example.com",
    "b@example.com",
    "c@example.com",
  ]);
});

it("sends what the form has: a report or a saved view, and a day unless it is daily", () => {
  const fields = { name: " Week ", what: "view:0a1b2c3d", every: "weekly", on: "5", at: "07:30", recipients: "a@b.c" };
  expect(newSchedule(fields, "de")).toEqual({
    name: "Week",
    view: "0a1b2c3d",
    every: "weekly",
    on: 5,
    at: "07:30",
    recipients: ["a@b.c"],
    paper: "a4",
    language: "de",
  });
  expect(newSchedule({ ...fields, what: "costs", every: "daily" }, "en")).toMatchObject({ report: "costs" });
  expect(newSchedule({ ...fields, every: "daily" }, "en")).not.toHaveProperty("on");
});
