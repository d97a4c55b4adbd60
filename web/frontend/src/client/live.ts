/** The interface of what delivers live figures, a connection of this tab or of another one, and the status of it. */

import type { Credential } from "./auth/credential";
import { type Frame, HEARTBEAT_SECONDS } from "./catalogue";
import type { Figures } from "./store";

export type Status =
  /** Nothing is on screen yet. */
  | { kind: "connecting" }
  /** A frame came within the last two and a half heartbeats, and the service can read its database. */
  | { kind: "live" }
  /** Connected again; the first frame has not arrived yet. */
  | { kind: "catching-up" }
  /**
   * Not connected. `at` is the time of the next try, or when the current one began, in ms since 1970. `isOriginRefused`: the
   * service answers, but refuses this page's origin.
   */
  | { kind: "reconnecting"; at: number; isOriginRefused?: true }
  /** The figures last matched the database at `since` (ISO): the database is out of reach, or nothing arrives. */
  | { kind: "stale"; since: string }
  /** Neither WebSockets nor event streams work: a snapshot is fetched every so many seconds. */
  | { kind: "polling"; every: number }
  | { kind: "signed-out"; reason: SignOutReason };

export type SignOutReason = "missing" | "expired" | "not-allowed";

/** Delivers frames from `start` to `stop`, and can start again. */
export interface LiveSource {
  start(): void;
  stop(): void;
  /** Try now, or fetch a snapshot: a person asked for it. */
  refresh(): void;
  /** Use this credential of the same subject and tenant from now on. */
  renew(credential: Credential): void;
  /** Compare with the clocks now: the page was hidden or the machine slept, so timers may be late. */
  wake(): void;
  /** The page is visible again: as `wake`, and try now, unless the service asked to wait. */
  shown(): void;
  online(): void;
  offline(): void;
}

/** Receives what a {@link LiveSource} delivers. */
export interface LiveListener {
  frame(frame: Frame): void;
  status(status: Status): void;
}

/** A connection is dead if nothing arrives for so many heartbeats. */
const SILENT_HEARTBEATS = 2.5;

/** How many ms without a frame make a connection dead and its figures stale. */
export function silenceLimit(figures: Figures): number {
  return SILENT_HEARTBEATS * 1000 * (figures.heartbeatSeconds ?? HEARTBEAT_SECONDS);
}
