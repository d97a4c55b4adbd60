import { expect, it } from "vitest";
import { makeCharts } from "../../../src/dashboard/charts/chart-data";
import { chartCsv } from "../../../src/dashboard/charts/chart-file";
import type { Points } from "../../../src/dashboard/charts/points";

const LABELS = { time: "Time", before: "Period before" };
const DAY = 86_400_000;
const START = Date.parse("2026-11-21T18:30:00Z");

function csv(amounts: Record<string, (number | null)[]>, name: string, interval: "hour" | "day" = "day"): string {
  const points: Points = {
    interval,
    start: [START, START + (interval === "day" ? DAY : 3_600_000)],
    amounts,
    zone: "Asia/Kolkata",
  };
  const data = makeCharts(points, null, START + 9 * DAY, 0).find((one) => one.name === name);
  if (!data) throw new Error(name);
  return chartCsv(data, LABELS);
}

it("a chart as CSV has a line for each point: days by their dates in the service's zone, hours by their moments", () => {
  expect(csv({ messages: [3, null] }, "messages")).toBe("\ufeffTime,Messages\r\n2026-11-22,3\r\n2026-11-23,\r\n");
  expect(csv({ messages: [3, 4] }, "messages", "hour")).toBe(
    "\ufeffTime,Messages\r\n2026-11-21T18:30:00.000Z,3\r\n2026-11-21T19:30:00.000Z,4\r\n",
  );
});

it("what a service named a model is only text in it", () => {
  const named = csv({ messages: [3, 4], 'model_messages:=cmd|"x",1': [3, 4] }, "models");
  expect(named.split("\r\n")[0]).toBe(`\ufeffTime,"'=cmd|""x"",1"`);
});
