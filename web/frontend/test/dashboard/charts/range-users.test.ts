import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AnalyticsClient } from "../../../src/client/client";
import type { Points } from "../../../src/dashboard/charts/points";
import { RangeUsers, wantedOf } from "../../../src/dashboard/charts/range-users";

const HOUR = 3_600_000;
const START = Date.parse("2026-11-22T00:00:00Z");

function hours(count: number, start = START): Points {
  return {
    interval: "hour",
    start: Array.from({ length: count }, (_, index) => start + index * HOUR),
    amounts: {},
    zone: "UTC",
  };
}

describe("the times of which users are counted", () => {
  it("are the whole range, its part that has ended, and as much of the period before", () => {
    const wanted = wantedOf(hours(3), hours(24, START - 24 * HOUR), START + 2.5 * HOUR);
    expect(wanted).toEqual({
      all: { from: START, to: START + 3 * HOUR },
      ended: { from: START, to: START + 2 * HOUR },
      before: { from: START - 24 * HOUR, to: START - 22 * HOUR },
    });
  });

  it("end with the last day in its zone, also on one of 25 hours", () => {
    const day = { ...hours(1, Date.parse("2026-10-24T22:00:00Z")), interval: "day" as const, zone: "Europe/Berlin" };
    expect(wantedOf(day, null, START)?.all.to).toBe(Date.parse("2026-10-25T23:00:00Z"));
  });

  it("are none without points, and have nothing to compare without a period before", () => {
    expect(wantedOf(hours(0), null, START)).toBeNull();
    expect(wantedOf(hours(2), null, START + 9 * HOUR)).toMatchObject({ ended: null, before: null });
    expect(wantedOf(hours(1), hours(1), START)).toMatchObject({ ended: null, before: null });
  });
});

describe("the users of a range", () => {
  let now = START + 2.5 * HOUR;
  let position = "p0";
  let up = true;
  const asked: string[] = [];
  const get = async (path: string, { from, to }: { from: string; to: string }) => {
    asked.push(`${path} ${from.slice(8, 13)} ${to.slice(8, 13)}`);
    if (!up) throw new Error("unreachable");
    return { active_users: (Date.parse(to) - Date.parse(from)) / HOUR };
  };
  const client = () => ({ figures: { position }, rest: { get } }) as unknown as AnalyticsClient;

  beforeEach(() => {
    vi.useFakeTimers();
    asked.length = 0;
    [now, position, up] = [START + 2.5 * HOUR, "p0", true];
  });
  afterEach(() => vi.useRealTimers());

  async function update(users: RangeUsers, points = hours(3), earlier: Points | null = hours(24, START - 24 * HOUR)) {
    users.update(points, earlier, now);
    await vi.advanceTimersByTimeAsync(1);
  }

  it("are those that the service counts, once as long as nothing changes", async () => {
    const users = new RangeUsers(client, () => {});
    expect(users.isPending).toBe(true);
    await update(users);
    expect(users.counts).toEqual({ total: 3, compared: [2, 2] });
    expect(asked).toEqual(["active-users 22T00 22T03", "active-users 22T00 22T02", "active-users 21T00 21T02"]);
    await update(users);
    expect(asked).toHaveLength(3);
  });

  it("are counted again after new events, two seconds later at the earliest, and when a point ends", async () => {
    const users = new RangeUsers(client, () => {});
    await update(users);
    position = "p1";
    now += 1000;
    await update(users);
    expect(asked).toHaveLength(3);
    now += 1000;
    await update(users);
    expect(asked).toHaveLength(6);
    now += HOUR;
    await update(users);
    expect(users.counts).toEqual({ total: 3, compared: [3, 3] });
  });

  it("that could not be counted are no zero, and are counted again after ten seconds", async () => {
    up = false;
    const users = new RangeUsers(client, () => {});
    await update(users);
    expect([users.counts, users.isPending]).toEqual([null, false]);
    up = true;
    now += 10_000;
    await update(users);
    expect(users.counts?.total).toBe(3);
  });
});
