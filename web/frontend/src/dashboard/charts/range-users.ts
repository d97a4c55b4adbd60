/**
 * The distinct users of a range, and of as much of the period before as can be compared. The service counts them: points do
 * not add up to them, since a user may be active in many.
 */

import type { ActiveUsers } from "../../client/catalogue";
import type { AnalyticsClient } from "../../client/client";
import { LatestRequest, RETRY_MS } from "../latest-request";
import { INTERVAL_MS } from "../ranges/interval";
import { dayStart } from "../ranges/range";
import { countEnded, type Points } from "./points";

/** How often they are counted while events arrive; by minutes the service reads the events of up to two hours for it. */
const PAUSE_MS = 2000;
const MINUTES_PAUSE_MS = 10_000;

export interface UserCounts {
  /** Of all points; null if the service cannot know it. */
  readonly total: number | null;
  /** Of the points that have ended, and of as many of the period before; null if there is nothing to compare. */
  readonly compared: readonly [now: number | null, before: number | null] | null;
}

interface Bounds {
  readonly from: number;
  readonly to: number;
}

export interface Wanted {
  readonly all: Bounds;
  readonly ended: Bounds | null;
  readonly before: Bounds | null;
}

/** Say of which times users are to be counted; null if there are no points. */
export function wantedOf(points: Points, earlier: Points | null, now: number): Wanted | null {
  const all = firstPoints(points, points.start.length);
  if (!all) return null;
  const ended = countEnded(points, now);
  const before = earlier && earlier.start.length >= ended ? firstPoints(earlier, ended) : null;
  return { all, ended: before && firstPoints(points, ended), before };
}

/** The time of the first points; null if there are none. */
function firstPoints({ start, interval, zone }: Points, count: number): Bounds | null {
  const from = start[0];
  const last = start[count - 1];
  if (from === undefined || last === undefined) return null;
  return { from, to: interval === "day" ? dayStart(last, 1, zone) : last + INTERVAL_MS[interval] };
}

export class RangeUsers {
  readonly #request: LatestRequest<UserCounts>;
  #wanted = "";
  #position: string | null = null;
  #at = 0;

  constructor(
    private readonly client: () => AnalyticsClient,
    onChange: () => void,
  ) {
    this.#request = new LatestRequest(onChange);
  }

  /** Null until they are counted, or if that failed. */
  get counts(): UserCounts | null {
    return this.#request.result;
  }

  /** Whether they are counted for the first time. */
  get isPending(): boolean {
    return this.counts === null && this.#request.problem === null;
  }

  /** Forget the counts, which are of another range. */
  reset(): void {
    this.#request.abort();
    this.#request.result = null;
    this.#request.problem = null;
    this.#wanted = "";
  }

  /** Count again if the points are others, or events arrived; to be called at each change, and each second. */
  update(points: Points, earlier: Points | null, now: number): void {
    const wanted = wantedOf(points, earlier, now);
    if (wanted === null) return;
    const key = JSON.stringify(wanted);
    const passed = now - this.#at;
    const pause = points.interval === "minute" ? MINUTES_PAUSE_MS : PAUSE_MS;
    const isBehind = this.client().figures.position !== this.#position && passed >= pause && !this.#request.isLoading;
    if (this.#request.problem ? passed >= RETRY_MS : key !== this.#wanted || isBehind) this.#load(wanted, key, now);
  }

  stop(): void {
    this.#request.abort();
    this.#wanted = "";
  }

  #load(wanted: Wanted, key: string, now: number): void {
    this.#wanted = key;
    this.#at = now;
    this.#position = this.client().figures.position;
    void this.#request.load(async (signal) => {
      const count = (bounds: Bounds | null) => (bounds ? this.#count(bounds, signal) : null);
      const [total, ended, before] = await Promise.all([
        count(wanted.all),
        count(isSame(wanted.ended, wanted.all) ? null : wanted.ended),
        count(wanted.before),
      ]);
      return { total, compared: wanted.ended && [isSame(wanted.ended, wanted.all) ? total : ended, before] };
    });
  }

  async #count({ from, to }: Bounds, signal: AbortSignal): Promise<number | null> {
    const params = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
    return (await this.client().rest.get<ActiveUsers>("active-users", params, signal)).active_users;
  }
}

function isSame(one: Bounds | null, other: Bounds): boolean {
  return one?.from === other.from && one.to === other.to;
}
