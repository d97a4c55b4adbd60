import { describe, expect, it } from "vitest";
import type { Status } from "../../src/client/client";
import { EMPTY, type Figures } from "../../src/client/store";
import { freshness } from "../../src/ui/freshness";

const NOW = Date.parse("2026-11-22T12:00:00.000Z");
const LIVE: Status = { kind: "live" };

function confirmed(msAgo: number, more: Partial<Figures> = {}): Figures {
  return { ...EMPTY, at: new Date(NOW - msAgo).toISOString(), heartbeatSeconds: 10, ...more };
}

describe("freshness", () => {
  it("shows the age of live figures only when they are late: a heartbeat is overdue", () => {
    expect(freshness(LIVE, confirmed(12_000), NOW)).toMatchObject({ kind: "live", tone: "good", text: "Live" });
    expect(freshness(LIVE, confirmed(12_300), NOW).text).toBe("Live · 12 s old");
  });

  it("shows the age by the service's clock, however wrong this machine's is", () => {
    const hour = 3_600_000;
    expect(freshness(LIVE, confirmed(12_300), NOW - hour, hour).text).toBe("Live · 12 s old");
  });

  it("calls figures stale that the service has not confirmed for two and a half heartbeats, even if the client says live", () => {
    expect(freshness(LIVE, confirmed(25_000), NOW).kind).toBe("live");
    expect(freshness(LIVE, confirmed(25_001), NOW)).toMatchObject({ kind: "stale", tone: "bad" });
    expect(freshness(LIVE, confirmed(5001, { heartbeatSeconds: 2 }), NOW).kind).toBe("stale");
  });

  it("calls figures stale when the service says so, whatever the client says", () => {
    const staleSince = new Date(NOW - 60_000).toISOString();
    for (const status of [LIVE, { kind: "polling", every: 30 }] satisfies Status[]) {
      expect(freshness(status, confirmed(1000, { staleSince }), NOW).kind).toBe("stale");
    }
  });

  it("counts down to the next try, and adds since when the figures are stale", () => {
    const status: Status = { kind: "reconnecting", at: NOW + 4200 };
    expect(freshness(status, confirmed(6000), NOW)).toMatchObject({ tone: "warn", text: "Reconnecting in 5 s" });
    expect(freshness(status, confirmed(6000), NOW + 4200).text).toBe("Reconnecting now");
    expect(freshness(status, confirmed(60_000), NOW).text).toMatch(/^Reconnecting in 5 s · stale since \d/);
  });

  it("gives polled figures the time of two and a half polls", () => {
    const status: Status = { kind: "polling", every: 30 };
    expect(freshness(status, confirmed(74_000), NOW)).toMatchObject({ kind: "polling", text: "Polling every 30 s" });
    expect(freshness(status, confirmed(76_000), NOW).kind).toBe("stale");
  });

  it("gives screen readers a text without seconds", () => {
    const statuses: Status[] = [LIVE, { kind: "reconnecting", at: NOW + 9000 }, { kind: "catching-up" }];
    for (const status of statuses) {
      const [one, other] = [freshness(status, confirmed(1000), NOW), freshness(status, confirmed(1000), NOW + 3000)];
      expect(one.spoken).toBe(other.spoken);
    }
  });

  it("never says live without figures", () => {
    expect(freshness(LIVE, EMPTY, NOW).kind).toBe("catching-up");
    expect(freshness({ kind: "connecting" }, EMPTY, NOW).text).toBe("Connecting");
    expect(freshness({ kind: "signed-out", reason: "expired" }, confirmed(1000), NOW).text).toBe("Signed out");
  });
});
