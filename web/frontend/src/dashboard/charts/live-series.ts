/**
 * A series over a range, updated with the live figures.
 *
 * Minutes arrive with the live frames, and are merged, but for active users, which are loaded every ten seconds. Of hours and
 * days, the last two points are loaded again, at most every two seconds. The whole range is loaded again once a minute if
 * anything changed, since events may have old timestamps, and whenever the range moves. A failed request is repeated every ten
 * seconds.
 */

import type { Interval, Series } from "../../client/catalogue";
import type { AnalyticsClient } from "../../client/client";
import { currentFreshness } from "../../ui/freshness";
import { MINUTE } from "../../ui/time";
import { LatestRequest, type Problem, RETRY_MS } from "../latest-request";
import { type Span, writeBound } from "../ranges/range";
import {
  ACTIVE_USERS,
  dayNumber,
  fromSeries,
  type Points,
  removeBefore,
  withActiveUsers,
  withMinutes,
  withTail,
} from "./points";

const TAIL_MS = 2000;
/** How often the active users of the last minutes are loaded: the service reads their events. */
const USERS_MS = 10_000;

export interface SeriesQuery {
  metrics: readonly string[];
  interval: Interval;
  /** The times of the range at a moment. */
  span: (now: number) => Span;
}

export class LiveSeries {
  readonly all: LatestRequest<Points>;
  readonly #tail: LatestRequest<Points>;
  #query: SeriesQuery | null = null;
  #from = 0;
  #allAt = 0;
  #tailAt = 0;
  #usersAt = 0;
  /** The position of the figures that the points include. */
  #position: string | null = null;
  #minutes: unknown = null;
  #isLive = false;
  /** How often the live figures were lost, and how many of these losses the loaded points include. */
  #losses = 0;
  #includedLosses = 0;

  constructor(
    private readonly client: () => AnalyticsClient,
    /** Called after each change of the points, or of the state of a request. */
    onChange: () => void,
    /** Called whenever the whole range is loaded. */
    private readonly onLoad: (span: Span) => void = () => {},
  ) {
    this.all = new LatestRequest(onChange);
    this.#tail = new LatestRequest(onChange);
  }

  get points(): Points | null {
    return this.all.result;
  }

  /** Why there are no points, or why they are out of date. */
  get problem(): Problem | null {
    return this.all.problem ?? this.#tail.problem;
  }

  /** Show the series of a query, instead of any before. */
  show(query: SeriesQuery, now: number): void {
    this.#query = query;
    this.#load(now, true);
  }

  /** Load the whole range again. */
  reload(now: number): void {
    this.#load(now, false);
  }

  /** Update the points to the live figures and the time; to be called at each change, and each second. */
  update(now: number): void {
    const query = this.#query;
    if (!query) return;
    const isLive = currentFreshness(this.client()).kind === "live";
    if (this.#isLive && !isLive) this.#losses += 1;
    this.#isLive = isLive;
    if (this.all.isLoading) return;
    const span = query.span(now);
    const { points } = this;
    if (this.#isReloadDue(query, points, span, now)) this.#load(now, false);
    else if (points && !isPast(span, now)) this.#updateEnd(query, points, span, now);
  }

  stop(): void {
    this.all.abort();
    this.#tail.abort();
  }

  #isReloadDue({ interval }: SeriesQuery, points: Points | null, span: Span, now: number): boolean {
    const passed = now - this.#allAt;
    if (this.all.problem) return passed >= RETRY_MS;
    if (!points) return false;
    // Days begin in the service's zone, not in the browser's.
    const day = (time: number) => dayNumber(time, points.zone);
    const hasMoved = span.from !== this.#from || (interval === "day" && day(now) !== day(this.#allAt));
    return hasMoved || (this.#isLive && this.#hasGap) || (this.#isBehind && passed > MINUTE);
  }

  /** Whether the live figures were lost since the points were loaded: the minutes in between are missing. */
  get #hasGap(): boolean {
    return this.#includedLosses !== this.#losses;
  }

  get #isBehind(): boolean {
    return this.client().figures.position !== this.#position;
  }

  #updateEnd(query: SeriesQuery, points: Points, span: Span, now: number): void {
    if (query.interval === "minute") {
      // Not after a gap, since its minutes would be drawn as if they had no events.
      if (this.#isLive && !this.#hasGap) this.#merge(now, span);
      const isDue = this.#isBehind && !this.#tail.isLoading && now - this.#usersAt >= USERS_MS;
      if (isDue && query.metrics.includes(ACTIVE_USERS)) this.#loadUsers(query, points, span, now);
    } else if (this.#isBehind && !this.#tail.isLoading) {
      const pause = this.#tail.problem ? RETRY_MS : TAIL_MS;
      if (now - this.#tailAt >= pause) this.#loadTail(query, points, span, now);
    }
  }

  #merge(now: number, span: Span): void {
    const { minutes } = this.client().figures;
    const minute = Math.floor(now / MINUTE);
    if (this.#minutes === minutes && this.#tailAt === minute) return;
    this.#minutes = minutes;
    this.#tailAt = minute;
    const until = Math.min(now, span.to - 1);
    this.all.update((points) => removeBefore(withMinutes(points, minutes, until), span.from));
  }

  #load(now: number, discard: boolean): void {
    const query = this.#query;
    if (!query) return;
    const span = query.span(now);
    const { position } = this.client().figures;
    const losses = this.#losses;
    this.#tail.abort();
    this.#from = span.from;
    this.#allAt = this.#tailAt = this.#usersAt = now;
    this.#minutes = null;
    this.onLoad(span);
    void this.all.load(async (signal) => {
      const byDays = query.interval === "day";
      const points = await this.#read(query, writeBound(span.from, byDays, span.zone), span, now, signal);
      this.#position = position;
      this.#includedLosses = losses;
      this.#tail.problem = null;
      return points;
    }, discard);
  }

  #loadTail(query: SeriesQuery, { start }: Points, span: Span, now: number): void {
    const from = start.at(-2) ?? start.at(-1) ?? span.from;
    const { position } = this.client().figures;
    this.#tailAt = now;
    void this.#tail.load(async (signal) => {
      const tail = await this.#read(query, new Date(from).toISOString(), span, now, signal);
      this.#position = position;
      this.all.update((points) => removeBefore(withTail(points, tail), span.from));
      return tail;
    });
  }

  /** Load the active users of the last two minutes, which do not arrive with the live frames. */
  #loadUsers(query: SeriesQuery, { start }: Points, span: Span, now: number): void {
    const from = start.at(-2) ?? start.at(-1) ?? span.from;
    this.#usersAt = now;
    void this.#tail.load(async (signal) => {
      const ofUsers = { ...query, metrics: [ACTIVE_USERS] };
      const tail = await this.#read(ofUsers, new Date(from).toISOString(), span, now, signal);
      this.all.update((points) => withActiveUsers(points, tail));
      return tail;
    });
  }

  async #read({ metrics, interval }: SeriesQuery, from: string, span: Span, now: number, signal: AbortSignal) {
    // Include now, which may be the first moment of a point; and not empty, even if the range is in the future.
    const end = Math.max(Math.min(span.to, now + 1), span.from + 1);
    const params = { metrics, interval, from, to: writeBound(end, interval === "day", span.zone) };
    return fromSeries(await this.client().rest.get<Series>("series", params, signal));
  }
}

/** Whether a range is in the past, so that no points are added at its end. */
function isPast({ to, moving }: Span, now: number): boolean {
  return !moving && to <= now;
}
