/**
 * The figures of a period, as they were yesterday at this time, loaded for the next hour and read by the minute.
 *
 * "This time" is the local time in the zone of the service's days, which is 23 or 25 hours ago where the clocks were
 * changed in between. With 24 hours, the active users of a day would be compared with those of the day before yesterday.
 */

import type { Series } from "../client/catalogue";
import type { Rest } from "../client/rest";
import { drawn, FIGURES, type FigureName } from "./figures";
import { DAY, daysEarlier, HOUR, MINUTE } from "./time";

/** What is loaded around this time yesterday: enough for an hour of an open panel. */
const BEFORE = 5 * MINUTE;
const AFTER = HOUR + BEFORE;
/** Events of yesterday may still be posted today, so it is loaded again after this time; after a failure sooner. */
const RELOAD_MS = 10 * MINUTE;
const RETRY_MS = 30_000;

/** What is used of a series of figures by the minute. */
export type MinuteSeries = Pick<Series, "start" | "metrics" | "timezone">;

/**
 * The figure at *now*'s local time yesterday: at the end of the last minute that was over then. Null if the series ends
 * before that.
 */
export function yesterdayOf(series: MinuteSeries | null, name: FigureName, now: number): number | null {
  const values = series?.metrics[name];
  if (!series || !values) return null;
  const then = daysEarlier(now, 1, series.timezone);
  const end = (start: string) => Date.parse(start) + MINUTE;
  const index = series.start.findLastIndex((start) => end(start) <= then);
  const last = series.start[index];
  if (last === undefined || then - end(last) > MINUTE) return null;
  return drawn(values[index] ?? null);
}

/** The parameters of the request for the hour from *then* on (the service's clock, ms). */
export function seriesParams(then: number): Record<string, string> {
  return {
    metrics: FIGURES.filter((figure) => figure.isOfPeriod)
      .map((figure) => figure.name)
      .join(),
    interval: "minute",
    from: new Date(then - BEFORE).toISOString(),
    to: new Date(then + AFTER).toISOString(),
  };
}

/** Loads yesterday's figures, and again when they are needed. */
export class Yesterday {
  #series: MinuteSeries | null = null;
  /** The time yesterday from which the series was loaded. */
  #then = 0;
  #reloadAt = Number.NEGATIVE_INFINITY;
  #retryAt = Number.NEGATIVE_INFINITY;
  #isLoading = false;

  constructor(
    readonly rest: Pick<Rest, "get">,
    readonly onChange: () => void,
  ) {}

  of(name: FigureName, now: number): number | null {
    return yesterdayOf(this.#series, name, now);
  }

  /** Drop the figures: nothing is on screen any more, or another person's figures will be. */
  clear(): void {
    this.#series = null;
    this.#reloadAt = this.#retryAt = Number.NEGATIVE_INFINITY;
  }

  /** Load what *now* needs, if it is due. After a failure there is nothing to compare with until the next try. */
  async update(now: number): Promise<void> {
    // The zone is known from the first response on; if the clocks were changed, another hour is needed.
    const then = this.#series ? daysEarlier(now, 1, this.#series.timezone) : now - DAY;
    const isLoaded = this.#series && then >= this.#then && then <= this.#then + HOUR;
    if (this.#isLoading || now < this.#retryAt || (isLoaded && now < this.#reloadAt)) return;
    this.#isLoading = true;
    try {
      this.#series = await this.rest.get<Series>("series", seriesParams(then));
      this.#then = then;
      this.#reloadAt = now + RELOAD_MS;
      this.onChange();
    } catch {
      this.#retryAt = now + RETRY_MS;
    } finally {
      this.#isLoading = false;
    }
  }
}
