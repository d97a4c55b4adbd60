/** What brings live figures, a connection of one's own or another tab's; and how fresh they are. */

import type { Frame } from "./protocol";
import type { Figures } from "./store";

export type Status =
  /** Nothing is on screen yet. */
  | { kind: "connecting" }
  /** A frame came within the last two and a half heartbeats, and the service can read its database. */
  | { kind: "live" }
  /** Connected again, the first frame is on its way. */
  | { kind: "catching-up" }
  /** Not connected; the next try is at that many ms since 1970, the one under way began then. */
  | { kind: "reconnecting"; at: number }
  /** The figures last matched the database then (ISO): it is out of reach, or nothing is heard. */
  | { kind: "stale"; since: string }
  /** Neither WebSockets nor event streams pass: the snapshot is taken every so many seconds. */
  | { kind: "polling"; every: number }
  | { kind: "signed-out"; reason: SignedOut };

export type SignedOut = "missing" | "expired" | "not-allowed";

/** Brings frames from `start` to `stop`, and can start again. */
export interface Live {
  start(): void;
  stop(): void;
  /** A person asks: try now, or take a fresh snapshot. */
  refresh(): void;
  /** The token in use was replaced by one of the same subject and tenant, before it expired. */
  renew(token: string): void;
  /** The page is looked at again, or the machine woke: timers may have slept, so compare clocks. */
  wake(): void;
  online(): void;
  offline(): void;
}

/** Told of all that a {@link Live} brings. */
export interface Events {
  frame(frame: Frame): void;
  status(status: Status): void;
}

/** Nothing heard for so many heartbeats: the connection is dead. */
const SILENCE = 2.5;
/** The service's own default, for the time before it has told its pace. */
const HEARTBEAT_SECONDS = 10;

/** How many ms of silence make a connection dead and its figures stale. */
export function silence(figures: Figures): number {
  return SILENCE * 1000 * (figures.heartbeatSeconds ?? HEARTBEAT_SECONDS);
}

/**
 * Time since it was last set. One clock stops while a machine sleeps, the other can be set back: the longer counts.
 */
export class Stopwatch {
  #wall = Date.now();
  #steady = performance.now();

  reset(): void {
    this.#wall = Date.now();
    this.#steady = performance.now();
  }

  get ms(): number {
    return Math.max(Date.now() - this.#wall, performance.now() - this.#steady);
  }
}
