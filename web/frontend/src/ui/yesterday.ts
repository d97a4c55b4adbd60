/**
 * The figures of yesterday at this time, loaded for the hour to come and read by the minute.
 *
 * This time is what clocks show in the zone of the service's days: 23 or 25 hours ago where they were changed in
 * between. By 24 hours, the active users of a day would be held against those of the day before the last.
 */

import type { Rest } from "../client/rest";
import { FIGURES, type FigureName, MINUTE } from "./figures";

const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
/** What is asked for around this time yesterday: enough for an hour of an open panel. */
const BEFORE = 5 * MINUTE;
const AFTER = HOUR + BEFORE;
/** Events of yesterday may still be posted today: so often it is asked again. A failure is tried again sooner. */
const KEPT = 10 * MINUTE;
const RETRY = 30_000;

/** The answer of `series`: `metrics[name][i]` is the figure at the end of the minute that starts at `start[i]`. */
export interface Series {
  readonly start: readonly string[];
  readonly metrics: Readonly<Record<string, readonly (number | null)[]>>;
  /** The zone of the service's days. */
  readonly timezone: string;
}

/**
 * The figure as it stood at *now*'s clock time yesterday: at the end of the last minute that was over by then. Null if
 * what is held ends before that.
 */
export function yesterdayOf(series: Series | null, name: FigureName, now: number): number | null {
  const values = series?.metrics[name];
  if (!series || !values) return null;
  const then = daysBack(now, 1, series.timezone);
  const end = (start: string) => Date.parse(start) + MINUTE;
  const over = series.start.findLastIndex((start) => end(start) <= then);
  const last = series.start[over];
  if (last === undefined || then - end(last) > MINUTE) return null;
  return values[over] ?? null;
}

/** What to ask for, to compare with the hour from *then* on (the service's clock, ms). */
export function question(then: number): Record<string, string> {
  return {
    metrics: FIGURES.map((figure) => figure.name).join(),
    interval: "minute",
    from: new Date(then - BEFORE).toISOString(),
    to: new Date(then + AFTER).toISOString(),
  };
}

/** Keeps yesterday's figures at hand for as long as it is asked to. */
export class Yesterday {
  #series: Series | null = null;
  /** The moment yesterday that they were asked for. */
  #then = 0;
  #nextAt = Number.NEGATIVE_INFINITY;
  #retryAt = Number.NEGATIVE_INFINITY;
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
    this.#nextAt = this.#retryAt = Number.NEGATIVE_INFINITY;
  }

  /** Load what *now* needs, if it is due. A failure only means that there is nothing to compare with. */
  async keep(now: number): Promise<void> {
    // The first answer tells the zone: if the clocks were changed, it is asked again with what they say.
    const then = this.#series ? daysBack(now, 1, this.#series.timezone) : now - DAY;
    const isHeld = this.#series && then >= this.#then && then <= this.#then + HOUR;
    if (this.#loading || now < this.#retryAt || (isHeld && now < this.#nextAt)) return;
    this.#loading = true;
    try {
      this.#series = await this.rest.get<Series>("series", question(then));
      this.#then = then;
      this.#nextAt = now + KEPT;
      this.changed();
    } catch {
      this.#retryAt = now + RETRY;
    } finally {
      this.#loading = false;
    }
  }
}

/** The same clock time some *days* earlier, in a zone: 23 or 25 hours a day where the clocks were changed. */
export function daysBack(time: number, days: number, zone?: string): number {
  return momentOf(clockOf(time, zone) - days * DAY, zone);
}

/** What clocks in a zone show at a moment, as the moment of UTC that looks alike; without a zone, in the browser's. */
export function clockOf(time: number, zone?: string): number {
  const [year, month, day, hour, minute, second] = zone === undefined ? shownHere(time) : shownIn(zone, time);
  const shown = new Date(time);
  // Not by Date.UTC, which takes the year 2, as one has it while typing 2026, for 1902.
  shown.setUTCFullYear(year, month - 1, day);
  return shown.setUTCHours(hour, minute, second);
}

type Shown = [year: number, month: number, day: number, hour: number, minute: number, second: number];

function shownHere(time: number): Shown {
  const at = new Date(time);
  return [at.getFullYear(), at.getMonth() + 1, at.getDate(), at.getHours(), at.getMinutes(), at.getSeconds()];
}

function shownIn(zone: string, time: number): Shown {
  const parts = formatOf(zone).formatToParts(time);
  const part = (type: Intl.DateTimeFormatPartTypes) => Number(parts.find((one) => one.type === type)?.value);
  return [part("year"), part("month"), part("day"), part("hour"), part("minute"), part("second")];
}

/**
 * The first moment at which clocks in a zone show a time, or a later one: of a time that comes twice the first, and of
 * one that is left out the moment at which the clocks go forward.
 */
export function momentOf(clock: number, zone?: string): number {
  // What the clocks were ahead a day before, and are a day after: one of them is right, if any is.
  const first = clock - (clockOf(clock - DAY, zone) - (clock - DAY));
  const second = clock - (clockOf(clock + DAY, zone) - (clock + DAY));
  if (clockOf(first, zone) === clock) return first;
  if (clockOf(second, zone) === clock) return second;
  let [before, after] = [second, first];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (clockOf(middle, zone) < clock) before = middle;
    else after = middle;
  }
  return after;
}

const formats = new Map<string, Intl.DateTimeFormat>();

/** Kept, since making one costs as much as fifty uses of it: 0.2 ms against 4 µs. */
function formatOf(zone: string): Intl.DateTimeFormat {
  const format = formats.get(zone) ?? newFormat(zone);
  formats.set(zone, format);
  return format;
}

function newFormat(zone: string): Intl.DateTimeFormat {
  const two = "2-digit";
  const shown = {
    year: "numeric",
    month: two,
    day: two,
    hour: two,
    minute: two,
    second: two,
    hourCycle: "h23",
  } as const;
  try {
    return new Intl.DateTimeFormat("en-US", { ...shown, timeZone: zone });
  } catch {
    // A zone that is newer than this browser: better 24 hours than no panel at all.
    return new Intl.DateTimeFormat("en-US", { ...shown, timeZone: "UTC" });
  }
}
