/** The figures of yesterday at this time, loaded for the hour to come and read by the minute. */

import type { Rest } from "../rest.js";
import { FIGURES, type FigureName } from "./figures.js";

const MINUTE = 60_000;
const DAY = 24 * 60 * MINUTE;
/** What is asked for around this time yesterday: enough for an hour of an open panel. */
const BEFORE = 5 * MINUTE;
const AFTER = 65 * MINUTE;
/** Events of yesterday may still be posted today: so often it is asked again. A failure is tried again sooner. */
const KEPT = 10 * MINUTE;
const RETRY = 30_000;

/** The answer of `series`: `metrics[name][i]` is the figure at the end of the minute that starts at `start[i]`. */
export interface Series {
  readonly start: readonly string[];
  readonly metrics: Readonly<Record<string, readonly (number | null)[]>>;
}

/** The figure as it stood 24 hours before *now*: at the end of the last minute that was over by then. */
export function yesterdayOf(series: Series | null, name: FigureName, now: number): number | null {
  const values = series?.metrics[name];
  if (!series || !values) return null;
  const over = series.start.findLastIndex((start) => Date.parse(start) + MINUTE <= now - DAY);
  return values[over] ?? null;
}

/** What to ask for at *now* (the service's clock, ms). */
export function question(now: number): Record<string, string> {
  return {
    metrics: FIGURES.map((figure) => figure.name).join(),
    interval: "minute",
    from: new Date(now - DAY - BEFORE).toISOString(),
    to: new Date(now - DAY + AFTER).toISOString(),
  };
}

/** Keeps yesterday's figures at hand for as long as it is asked to. */
export class Yesterday {
  #series: Series | null = null;
  #nextAt = Number.NEGATIVE_INFINITY;
  #loading = false;

  constructor(
    readonly rest: Pick<Rest, "get">,
    readonly changed: () => void,
  ) {}

  of(name: FigureName, now: number): number | null {
    return yesterdayOf(this.#series, name, now);
  }

  /** Nothing is on screen any more, or another person's figures will be. */
  forget(): void {
    this.#series = null;
    this.#nextAt = Number.NEGATIVE_INFINITY;
  }

  /** Load what *now* needs, if it is due. A failure only means that there is nothing to compare with. */
  async keep(now: number): Promise<void> {
    if (this.#loading || now < this.#nextAt) return;
    this.#loading = true;
    try {
      this.#series = await this.rest.get<Series>("series", question(now));
      this.#nextAt = now + KEPT;
      this.changed();
    } catch {
      this.#nextAt = now + RETRY;
    } finally {
      this.#loading = false;
    }
  }
}
