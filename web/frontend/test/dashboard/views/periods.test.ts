import { describe, expect, it } from "vitest";
import type { Points } from "../../../src/dashboard/charts/points";
import { ofPeriod, type Period } from "../../../src/dashboard/views/periods";
import { FIGURES, type FigureName } from "../../../src/ui/figures";

const DAY = 86_400_000;

function days(amounts: Record<string, number[]>): Points {
  const length = Object.values(amounts)[0]?.length ?? 0;
  return { interval: "day", start: Array.from({ length }, (_, index) => index * DAY), amounts, zone: "UTC" };
}

function value(points: Points, name: FigureName, period: Period): number | null {
  const figure = FIGURES.find((one) => one.name === name);
  if (!figure) throw new Error(name);
  return ofPeriod(points, figure, period);
}

describe("the periods of a figure", () => {
  const messages = days({ messages: Array.from({ length: 31 }, (_, index) => index) });

  it("are today, the day before, and the last 7 and 30 days with today", () => {
    expect(value(messages, "total_messages", "today")).toBe(30);
    expect(value(messages, "total_messages", "yesterday")).toBe(29);
    expect(value(messages, "total_messages", "week")).toBe(24 + 25 + 26 + 27 + 28 + 29 + 30);
    expect(value(messages, "total_messages", "month")).toBe((30 * 31) / 2);
  });

  it("give active users of several days as a mean, since one user may be active on all of them", () => {
    expect(value(days({ active_users: [2, 4, 6, 8, 10, 12, 14] }), "active_users_today", "week")).toBe(8);
  });

  it("weigh response times by messages, and have none where nothing was measured", () => {
    const measured = days({ response_time_us: [9_000_000, 0, 1_000_000], responses: [3, 0, 1] });
    expect(value(measured, "avg_response_time", "week")).toBe(2.5);
    expect(value(measured, "avg_response_time", "yesterday")).toBeNull();
  });
});
