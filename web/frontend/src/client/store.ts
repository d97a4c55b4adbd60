/**
 * The live state: a snapshot, and the deltas applied to it. Pure; it does what `realtime/subscriber_state.py` does, and the tests of
 * both read the same frames and states from `tests/fixtures/frames.json`.
 *
 * A part that a frame did not change stays the same object, so that an element can compare by `===` whether to render.
 */

import {
  type AlertCounts,
  type Delta,
  type Frame,
  type Heartbeat,
  type Minute,
  RECENT_ACTIVITIES,
  type RecentActivity,
  SERIES_MINUTES,
  type Snapshot,
  type Summary,
  type TopUser,
} from "./catalogue";
import { digest } from "./digest";

export interface Figures {
  /** The last position received, from which a connection resumes; null before the first snapshot. */
  readonly position: string | null;
  /** When the figures last matched the database. */
  readonly at: string | null;
  /** Since when the service cannot read its database; null while it can. */
  readonly staleSince: string | null;
  readonly heartbeatSeconds: number | null;
  /** False if the digest of a heartbeat is not that of the summary, until the next snapshot. */
  readonly agrees: boolean;
  readonly summary: Summary | null;
  /** Newest first. */
  readonly activities: readonly RecentActivity[];
  readonly topUsers: readonly TopUser[];
  /** Newest first; minutes without events are absent. */
  readonly minutes: readonly Minute[];
  readonly alerts: AlertCounts;
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
  alerts: { firing: 0, acknowledged: 0 },
};

/** Return the figures after `frame`. */
export function apply(figures: Figures, frame: Frame): Figures {
  switch (frame.type) {
    case "snapshot":
      return fromSnapshot(frame);
    case "delta":
      return withDelta(figures, frame);
    case "heartbeat":
      return { ...figures, ...fromHeartbeat(figures, frame) };
    case "error":
      return figures;
  }
}

function fromHeartbeat(figures: Figures, frame: Heartbeat): Partial<Figures> {
  const own = figures.summary === null || frame.digest == null ? null : digest(figures.summary);
  const agrees = own === null || own === frame.digest;
  return { position: frame.position, at: frame.at, staleSince: frame.stale_since, agrees };
}

function fromSnapshot(frame: Snapshot): Figures {
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
    alerts: frame.alerts ?? EMPTY.alerts,
  };
}

function withDelta(figures: Figures, frame: Delta): Figures {
  return {
    position: frame.position,
    at: frame.at,
    staleSince: null,
    heartbeatSeconds: frame.heartbeat_seconds ?? figures.heartbeatSeconds,
    agrees: figures.agrees,
    summary: isEmpty(frame.summary) ? figures.summary : ({ ...figures.summary, ...frame.summary } as Summary),
    activities: merged(figures.activities, frame.activities, (one) => one.id, byTimeThenId, RECENT_ACTIVITIES),
    topUsers: frame.top_users ?? figures.topUsers,
    minutes: merged(figures.minutes, frame.series, (one) => one.start, byStart, SERIES_MINUTES),
    alerts: frame.alerts ?? figures.alerts,
  };
}

function isEmpty(fields: object | undefined): fields is undefined {
  return fields === undefined || Object.keys(fields).length === 0;
}

/** Merge `changes` into `held` by their key, sort them by `order`, and keep the first `limit`. */
function merged<Item, Key>(
  held: readonly Item[],
  changes: readonly Item[] | undefined,
  key: (item: Item) => Key,
  order: (one: Item, other: Item) => number,
  limit: number,
): readonly Item[] {
  if (changes === undefined || changes.length === 0) return held;
  const byKey = new Map([...held, ...changes].map((item) => [key(item), item]));
  return [...byKey.values()].sort(order).slice(0, limit);
}

// All times have the same format, with milliseconds and Z, so they sort as text.
function descending(one: string | number, other: string | number): number {
  return one < other ? 1 : one > other ? -1 : 0;
}

function byTimeThenId(one: RecentActivity, other: RecentActivity): number {
  return descending(one.timestamp, other.timestamp) || descending(one.id, other.id);
}

function byStart(one: Minute, other: Minute): number {
  return descending(one.start, other.start);
}
