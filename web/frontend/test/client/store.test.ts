import { describe, expect, it } from "vitest";
import fixture from "../../../../tests/fixtures/frames.json";
import type { Frame } from "../../src/client/catalogue";
import { checkFrame } from "../../src/client/protocol";
import { apply, EMPTY, type Figures } from "../../src/client/store";

/** What is held, under the names that the fixture shares with `realtime/subscriber_state.py`. */
function held(figures: Figures): object {
  return {
    position: figures.position,
    at: figures.at,
    stale_since: figures.staleSince,
    heartbeat_seconds: figures.heartbeatSeconds,
    agrees: figures.agrees,
    summary: figures.summary ?? {},
    activities: figures.activities,
    top_users: figures.topUsers,
    series: figures.minutes,
    alerts: figures.alerts,
  };
}

const [snapshot] = (fixture.sequences[0]?.steps ?? []).map((step) => checkFrame(step.frame)) as [Frame];
const shown = apply(EMPTY, snapshot);

describe("frames lead to the states written beside them, as on the service's side", () => {
  for (const { title, steps } of fixture.sequences) {
    it(title, () => {
      let figures = EMPTY;
      let expected = held(figures);
      for (const step of steps) {
        figures = apply(figures, checkFrame(step.frame));
        expected = { ...expected, ...step.expect };
        expect(held(figures)).toEqual(expected);
      }
    });
  }
});

describe("what an element compares by identity", () => {
  it("keeps every part that a delta does not name", () => {
    const next = apply(shown, { type: "delta", position: "ab.2.0c", at: "2026-11-22T11:14:01.000Z" });
    for (const part of ["summary", "activities", "topUsers", "minutes"] as const) expect(next[part]).toBe(shown[part]);
  });

  it("keeps every part through a heartbeat", () => {
    const at = "2026-11-22T11:14:10.000Z";
    const next = apply(shown, { type: "heartbeat", position: "ab.1.0c", at, stale_since: null });
    for (const part of ["summary", "activities", "topUsers", "minutes"] as const) expect(next[part]).toBe(shown[part]);
  });

  it("keeps the items of a list that changed around them", () => {
    const [first] = shown.minutes;
    const minute = { start: "2026-11-22T11:20:00.000Z", messages: 1 };
    const at = "2026-11-22T11:20:01.000Z";
    const next = apply(shown, { type: "delta", position: "ab.2.0c", at, series: [minute] });
    expect(next.minutes[1]).toBe(first);
  });

  it("never changes what it was given", () => {
    const before = structuredClone(shown);
    const at = "2026-11-22T11:20:01.000Z";
    apply(shown, { type: "delta", position: "ab.2.0c", at, summary: { total_users: 9 }, activities: [], series: [] });
    expect(shown).toEqual(before);
  });
});
