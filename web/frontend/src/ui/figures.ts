/** The figures that can be shown: those that have a text. How they are written, and their last hour by the minute. Pure. */

import { FIGURES as COUNTERS, type Counter, type Minute, type MoneyCounter } from "../client/catalogue";
import { count, dollars, seconds, short, shortDollars } from "./format";
import { english } from "./text";
import { minuteOf } from "./time";

export type FigureName = keyof typeof english.figures;
/** Minutes, oldest first, the current one last; null where nothing was measured. */
export type Hour = readonly (number | null)[];

export interface Figure {
  readonly name: FigureName;
  readonly write: (value: number | null) => string;
  /** The same in few characters, for places where all digits have no room. */
  readonly writeShort: (value: number | null) => string;
  readonly moreIsBetter: boolean;
  /** Whether it is a figure of a period, so that it can be compared with the period before; else of all time. */
  readonly isOfPeriod: boolean;
  /** How its minutes are drawn: bars for a count, a line for a mean. */
  readonly chart: "bars" | "line";
  /** The counter that it shows, or the sum and the number of which it is the mean. */
  readonly counters: readonly [Counter | MoneyCounter, Counter?];
}

export const MINUTES = 60;

const KNOWN: readonly Figure[] = (Object.keys(english.figures) as FigureName[]).map((name) => {
  const counters: Figure["counters"] = COUNTERS[name];
  const isOfPeriod = name === "active_users_today";
  const [write, writeShort] = name === "total_cost" ? [dollars, writeDollars] : [count, short];
  return counters.length > 1
    ? { name, counters, isOfPeriod, write: seconds, writeShort: seconds, moreIsBetter: false, chart: "line" }
    : { name, counters, isOfPeriod, write, writeShort, moreIsBetter: true, chart: "bars" };
});

function writeDollars(value: number | null): string {
  return value === null ? dollars(null) : shortDollars(value);
}

/** How many figures are shown. */
export const SHOWN = 6;

/** The figures that are shown unless others are chosen, in their order on screen. */
export const FIGURES = KNOWN.slice(0, SHOWN);

/** The figures that an attribute names, such as `total_cost,total_users`, and which of its names are not known. */
export function chooseFigures(names: string | null): { figures: readonly Figure[]; unknown: readonly string[] } {
  const wanted = [...new Set((names ?? "").split(",").map((name) => name.trim()))].filter(Boolean);
  const figures = wanted.flatMap((name) => KNOWN.filter((figure) => figure.name === name)).slice(0, SHOWN);
  const unknown = wanted.filter((name) => !KNOWN.some((figure) => figure.name === name));
  return { figures: figures.length ? figures : FIGURES, unknown };
}

/** A figure in at most `room` characters if all its digits have no room: 1,802,475,123 as 1.8B. */
export function fitting({ write, writeShort }: Figure, value: number | null, room: number): string {
  const full = write(value);
  return full.length <= room ? full : writeShort(value);
}

/** The value of a figure over some time, made of what its counters add up to in it; null where nothing was measured. */
export function figureValue(
  { counters }: Pick<Figure, "counters">,
  total: (counter: Counter | MoneyCounter) => number,
): number | null {
  const [first, second] = counters;
  return second === undefined ? total(first) : meanSeconds(total(first), total(second));
}

/** The 60 minutes up to the one that *now* (the service's clock, ms) is in. A minute that is absent had no events. */
export function lastHour(figure: Figure, minutes: readonly Minute[], now: number): Hour {
  const first = minuteOf(now) - MINUTES + 1;
  const byNumber = new Map(minutes.map((minute) => [minuteOf(Date.parse(minute.start)), minute]));
  return Array.from({ length: MINUTES }, (_, index) =>
    figureValue(figure, (counter) => Number(byNumber.get(first + index)?.[counter] ?? 0)),
  );
}

/** A value of a series as a number that can be drawn; money is decimal text, of which a chart needs few digits. */
export function drawn(value: number | string | null): number | null {
  return value === null ? null : Number(value);
}

/** The mean in seconds of *number* times that add up to *us* microseconds; null if there are none. */
export function meanSeconds(us: number, number: number): number | null {
  return number === 0 ? null : us / number / 1e6;
}
