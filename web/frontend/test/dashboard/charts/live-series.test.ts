import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Interval } from "../../../src/client/catalogue";
import type { AnalyticsClient, Status } from "../../../src/client/client";
import { EMPTY, type Figures } from "../../../src/client/store";
import { LiveSeries } from "../../../src/dashboard/charts/live-series";
import { type Preset, spanOf } from "../../../src/dashboard/ranges/range";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const NOW = Date.UTC(2026, 10, 22, 12, 30);

beforeEach(() => {
  vi.stubEnv("TZ", "UTC");
  vi.useFakeTimers({ now: NOW });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

interface Query {
  metrics: readonly string[];
  interval: Interval;
  from: string;
  to: string;
}

/** A service of a zone ahead of UTC, a message in each point; and a client of it that is live while it is up. */
class Service {
  readonly asked: Query[] = [];
  up = true;
  ahead = 0;
  zone = "UTC";
  status: Status = { kind: "live" };
  figures: Figures = { ...EMPTY, position: "p0" };

  readonly client = () => {
    const at = new Date().toISOString();
    const client = {
      status: this.status,
      figures: { ...this.figures, at },
      clockOffset: 0,
      rest: { get: this.#answer },
    };
    return client as unknown as AnalyticsClient;
  };

  readonly #answer = async (_path: string, params: Query) => {
    this.asked.push(params);
    if (!this.up) throw new Error("unreachable");
    const width = { minute: MINUTE, hour: HOUR, day: 24 * HOUR }[params.interval];
    const cut = (written: string) => {
      const isDate = !written.includes("T");
      return Math.floor((Date.parse(written) + (isDate ? 0 : this.ahead)) / width) * width - this.ahead;
    };
    const start: string[] = [];
    for (let time = cut(params.from); time < Date.parse(params.to); time += width)
      start.push(new Date(time).toISOString());
    const metrics = Object.fromEntries(params.metrics.map((name) => [name, start.map(() => 1)]));
    return { interval: params.interval, metrics, start, timezone: this.zone };
  };
}

async function opened(service: Service, preset: Preset, interval: Interval): Promise<LiveSeries> {
  const series = new LiveSeries(service.client, () => {});
  series.show({ metrics: ["messages"], interval, span: (now) => spanOf(preset, now) }, Date.now());
  await vi.advanceTimersByTimeAsync(1);
  series.update(Date.now());
  return series;
}

/** Let time pass, as an element that is rendered each second. */
async function pass(series: LiveSeries, seconds: number, act: (second: number) => void = () => {}): Promise<void> {
  for (let second = 1; second <= seconds; second++) {
    await vi.advanceTimersByTimeAsync(SECOND);
    act(second);
    series.update(Date.now());
  }
  await vi.advanceTimersByTimeAsync(0);
}

function moves(service: Service, position: string): void {
  service.figures = { ...service.figures, position };
}

describe("the end of a range", () => {
  it("by minutes has active users from the service, every ten seconds while events arrive", async () => {
    const service = new Service();
    const series = new LiveSeries(service.client, () => {});
    const query = { metrics: ["messages", "active_users"], interval: "minute" as const };
    series.show({ ...query, span: (now) => spanOf("1h", now) }, Date.now());
    await pass(series, 30);
    expect(service.asked).toHaveLength(1);
    moves(service, "p1");
    await pass(series, 20);
    expect(service.asked.slice(1).map(({ metrics }) => metrics)).toEqual([["active_users"], ["active_users"]]);
    expect(series.points?.amounts.active_users?.at(-1)).toBe(1);
  });

  it("that could not be loaded is a problem, and is loaded again although nothing else happens", async () => {
    const service = new Service();
    const series = await opened(service, "24h", "hour");
    service.up = false;
    moves(service, "p1");
    await pass(series, 5);
    expect(series.problem?.detail).toBe("unreachable");
    expect(series.points).not.toBeNull();
    const tries = service.asked.length;
    service.up = true;
    await pass(series, 10);
    expect(series.problem).toBeNull();
    expect(service.asked.length).toBe(tries + 1);
  });

  it("is loaded at most every ten seconds while it fails", async () => {
    const service = new Service();
    const series = await opened(service, "24h", "hour");
    service.up = false;
    await pass(series, 50, (second) => moves(service, `p${second}`));
    expect(service.asked.length).toBeLessThanOrEqual(1 + 6);
  });

  it("is not loaded in a range of the past, which is only loaded as a whole, once a minute while anything changes", async () => {
    const service = new Service();
    const series = await opened(service, "yesterday", "hour");
    await pass(series, 50, (second) => moves(service, `p${second}`));
    expect(service.asked.length).toBe(1);
    await pass(series, 20);
    expect(service.asked.length).toBe(2);
  });
});

describe("a whole range", () => {
  it("that could not be loaded again stays as it was, gives the reason, and is loaded again", async () => {
    const service = new Service();
    const series = await opened(service, "24h", "hour");
    service.up = false;
    await pass(series, 61, (second) => second === 61 && moves(service, "p1"));
    expect([series.problem?.detail, series.points?.start.length]).toEqual(["unreachable", 24]);
    service.up = true;
    await pass(series, 10);
    expect(series.problem).toBeNull();
  });

  it("of minutes never shows as empty those that were missed: it waits until they are loaded", async () => {
    const service = new Service();
    const series = await opened(service, "1h", "minute");
    const last = series.points?.start.at(-1) ?? 0;
    service.status = { kind: "reconnecting", at: NOW };
    service.up = false;
    await pass(series, 180);
    service.status = { kind: "live" };
    await pass(series, 20);
    expect(series.points?.start.at(-1)).toBe(last);
    service.up = true;
    await pass(series, 10);
    expect(series.points?.start.at(-1)).toBe(last + 3 * MINUTE);
    expect(series.points?.amounts.messages?.every((amount) => amount === 1)).toBe(true);
  });

  it("of days is loaded when the day of the service's zone begins, without an event, and whatever the admin's", async () => {
    vi.setSystemTime(Date.UTC(2026, 10, 22, 18, 29));
    const service = new Service();
    service.zone = "Asia/Kolkata";
    service.ahead = 5.5 * HOUR;
    const series = await opened(service, "30d", "day");
    expect(series.points?.start.at(-1)).toBe(Date.UTC(2026, 10, 21, 18, 30));
    await pass(series, 120);
    expect(series.points?.start.at(-1)).toBe(Date.UTC(2026, 10, 22, 18, 30));
    expect(service.asked.length).toBe(2);
  });

  it("is loaded when it moves on by a day of 23 hours", async () => {
    vi.stubEnv("TZ", "Europe/London");
    vi.setSystemTime(Date.parse("2026-04-04T22:59:30Z"));
    const service = new Service();
    service.zone = "Europe/London";
    const series = await opened(service, "7d", "day");
    await pass(series, 60);
    // The midnights of the 29th and the 30th of March are both on the 29th in UTC.
    expect(service.asked.map(({ from }) => from)).toEqual(["2026-03-29", "2026-03-30"]);
  });
});
