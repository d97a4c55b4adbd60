/**
 * What a panel holds: a snapshot, and the deltas applied to it. Pure; mirrors `realtime/panel.py`, and
 * `tests/fixtures/frames.json` holds the two to the same states.
 *
 * What a frame did not change keeps its identity, so that an element can tell by `===` that it need not render.
 */

import { digest } from "./digest";
import type { Activity, Delta, Frame, Heartbeat, Minute, Snapshot, Summary, TopUser } from "./protocol";

export type { Activity, Minute, Summary, TopUser };

/** How many activities, and how many minutes, are kept. */
export const RECENT = 10;
export const MINUTES = 66;

export interface Figures {
  /** The last position received, by which a connection resumes; null before the first snapshot. */
  readonly position: string | null;
  /** When the figures last matched the database. */
  readonly at: string | null;
  /** Null while the figures are live; else since when the service cannot read its database. */
  readonly staleSince: string | null;
  readonly heartbeatSeconds: number | null;
  /** False: a heartbeat's digest was not that of the summary. The next snapshot makes it true again. */
  readonly agrees: boolean;
  readonly summary: Summary | null;
  /** Newest first. */
  readonly activities: readonly Activity[];
  readonly topUsers: readonly TopUser[];
  /** Newest first; minutes without events are absent. */
  readonly minutes: readonly Minute[];
}

export const EMPTY: Figures = {
  position: null,
  at: null,
  staleSince: null,
  heartbeatSeconds: null,
  agrees: true,
  summary: null,
  activities: [],
  topUsers: [],
  minutes: [],
};

/** The figures after `frame`. */
export function apply(figures: Figures, frame: Frame): Figures {
  switch (frame.type) {
    case "snapshot":
      return replaced(frame);
    case "delta":
      return changed(figures, frame);
    case "heartbeat":
      return { ...figures, ...confirmed(figures, frame) };
    case "error":
      return figures;
  }
}

function confirmed(figures: Figures, frame: Heartbeat): Partial<Figures> {
  const own = figures.summary === null || frame.digest == null ? null : digest(figures.summary);
  const agrees = own === null || own === frame.digest;
  return { position: frame.position, at: frame.at, staleSince: frame.stale_since, agrees };
}

function replaced(frame: Snapshot): Figures {
  return {
    position: frame.position,
    at: frame.at,
    staleSince: null,
    heartbeatSeconds: frame.heartbeat_seconds,
    agrees: true,
    summary: frame.summary ?? null,
    activities: frame.activities ?? [],
    topUsers: frame.top_users ?? [],
    minutes: frame.series ?? [],
  };
}

function changed(figures: Figures, frame: Delta): Figures {
  return {
    position: frame.position,
    at: frame.at,
    staleSince: null,
    heartbeatSeconds: frame.heartbeat_seconds ?? figures.heartbeatSeconds,
    agrees: figures.agrees,
    summary: isEmpty(frame.summary) ? figures.summary : ({ ...figures.summary, ...frame.summary } as Summary),
    activities: merged(figures.activities, frame.activities, (one) => one.id, byTimeThenId, RECENT),
    topUsers: frame.top_users ?? figures.topUsers,
    minutes: merged(figures.minutes, frame.series, (one) => one.start, byStart, MINUTES),
  };
}

function isEmpty(fields: object | undefined): fields is undefined {
  return fields === undefined || Object.keys(fields).length === 0;
}

/** Merge `changes` into `held` by their key, in `order`, and keep the first `most`. */
function merged<Item, Key>(
  held: readonly Item[],
  changes: readonly Item[] | undefined,
  key: (item: Item) => Key,
  order: (one: Item, other: Item) => number,
  most: number,
): readonly Item[] {
  if (changes === undefined || changes.length === 0) return held;
  const byKey = new Map([...held, ...changes].map((item) => [key(item), item]));
  return [...byKey.values()].sort(order).slice(0, most);
}

// Times are written alike, with milliseconds and Z: as text they sort as times do.
function descending(one: string | number, other: string | number): number {
  return one < other ? 1 : one > other ? -1 : 0;
}

function byTimeThenId(one: Activity, other: Activity): number {
  return descending(one.timestamp, other.timestamp) || descending(one.id, other.id);
}

function byStart(one: Minute, other: Minute): number {
  return descending(one.start, other.start);
}
