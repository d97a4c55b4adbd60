/**
 * The range of time that charts and lists show. Pure.
 *
 * The days of presets are days of the service's zone, which is given as soon as it is known; until then, and for ranges
 * chosen by hand, they are days of the browser's zone. All times are milliseconds since 1970.
 */

import { DAY, daysEarlier, fromLocal, HOUR, MINUTE, toLocal } from "../../ui/time";

export const PRESETS = ["1h", "24h", "today", "yesterday", "7d", "30d", "90d"] as const;
export type Preset = (typeof PRESETS)[number];

/** A preset, or a range between two times (null: without a bound). */
export type Range = Preset | { from: number | null; to: number | null };

/** The times of a range now. `moving`: its end follows the clock. `zone`: the zone of its days, if not the browser's. */
export interface Span {
  from: number;
  to: number;
  moving: boolean;
  zone?: string | undefined;
}

/** The first moment of the day of `time`, or of the one `days` later. */
export function dayStart(time: number, days = 0, zone?: string): number {
  return fromLocal(floor(toLocal(time, zone), DAY) + days * DAY, zone);
}

/**
 * The times of a range now; the days of a preset are days of `zone`. A range without a start begins a day before its end.
 */
export function spanOf(range: Range, now: number, zone?: string): Span {
  if (typeof range === "object") {
    const to = range.to ?? now;
    return { from: range.from ?? to - 24 * HOUR, to, moving: range.to === null };
  }
  switch (range) {
    case "1h":
      return { from: floor(now, MINUTE) - 59 * MINUTE, to: floor(now, MINUTE) + MINUTE, moving: true };
    case "24h":
      return { from: floor(now, HOUR) - 23 * HOUR, to: floor(now, HOUR) + HOUR, moving: true };
    case "today":
      return { from: dayStart(now, 0, zone), to: dayStart(now, 1, zone), moving: true, zone };
    case "yesterday":
      return { from: dayStart(now, -1, zone), to: dayStart(now, 0, zone), moving: false, zone };
    default:
      return { from: dayStart(now, 1 - daysOf(range), zone), to: now, moving: true, zone };
  }
}

/** The period before a span: as many days before it for whole days, else the same length of time. */
export function previousPeriod(range: Range, span: Span): { from: number; to: number } {
  const days = typeof range === "object" ? wholeDays(span) : daysOf(range);
  if (days === 0) return { from: span.from - (span.to - span.from), to: span.from };
  return { from: daysEarlier(span.from, days, span.zone), to: daysEarlier(span.to, days, span.zone) };
}

function daysOf(preset: Preset): number {
  return { "1h": 0, "24h": 0, today: 1, yesterday: 1, "7d": 7, "30d": 30, "90d": 90 }[preset];
}

/** Whether a range is one of whole days, which begins at midnight. */
export function isByDays(range: Range, span: Span): boolean {
  return (typeof range === "object" ? wholeDays(span) : daysOf(range)) > 0;
}

/** How many local days a span covers; 0 if it begins or ends within a day. */
function wholeDays({ from, to }: Span): number {
  if (dayStart(from) !== from || dayStart(to) !== to) return 0;
  return Math.round((to - from) / (24 * HOUR));
}

function floor(time: number, width: number): number {
  return Math.floor(time / width) * width;
}

/** The shortest range to zoom to. */
const MIN_LENGTH = 5 * MINUTE;

/** Zoom around the middle: a factor of 0.5 shows half of the range. The end is never in the future. */
export function zoom(span: Span, factor: number, now: number): Range {
  const half = Math.max(((span.to - span.from) * factor) / 2, MIN_LENGTH / 2);
  const middle = (span.from + span.to) / 2;
  return within({ from: middle - half, to: middle + half }, now);
}

/** Move by a part of the length: -0.5 moves back by half of it. The end is never in the future. */
export function pan(span: Span, part: number, now: number): Range {
  const by = (span.to - span.from) * part;
  return within({ from: span.from + by, to: span.to + by }, now);
}

function within({ from, to }: { from: number; to: number }, now: number): Range {
  const end = Math.ceil(Math.min(to, now) / MINUTE) * MINUTE;
  const start = floor(to > now ? from - (to - now) : from, MINUTE);
  return { from: Math.min(start, end - MIN_LENGTH), to: end };
}

/** Read a range from the parameters of an address; `fallback` if they are absent or invalid. */
export function readRange(params: Readonly<Record<string, string>>, fallback: Preset): Range;
export function readRange(params: Readonly<Record<string, string>>, fallback: null): Range | null;
export function readRange(params: Readonly<Record<string, string>>, fallback: Preset | null): Range | null {
  const from = readTime(params.from);
  const to = readTime(params.to);
  if (from !== null || to !== null) return from !== null && to !== null && from >= to ? fallback : { from, to };
  return PRESETS.find((preset) => preset === params.range) ?? fallback;
}

/** Write a range as the parameters of an address. */
export function writeRange(range: Range | null): { range: string; from: string; to: string } {
  if (range === null) return { range: "", from: "", to: "" };
  if (typeof range === "string") return { range, from: "", to: "" };
  return { range: "", from: writeTime(range.from), to: writeTime(range.to) };
}

function readTime(iso: string | undefined): number | null {
  const time = iso ? Date.parse(iso) : Number.NaN;
  return Number.isNaN(time) ? null : time;
}

function writeTime(time: number | null): string {
  return time === null ? "" : new Date(time).toISOString();
}

/** A time as `<input type="datetime-local">` takes it: local, to the minute. */
export function writeInput(time: number | null, zone?: string): string {
  return time === null ? "" : new Date(toLocal(time, zone)).toISOString().slice(0, 16);
}

/** The time of such an input, or of one for a date; null while it is empty or incomplete. */
export function readInput(value: string): number | null {
  // A date without a time would be read as UTC.
  return readTime(value.length === 10 ? `${value}T00:00` : value);
}

/** A bound of a range for the service: as a date if it is the start of a day, which the service reads in its own zone. */
export function writeBound(time: number, wholeDays: boolean, zone?: string): string {
  return wholeDays && dayStart(time, 0, zone) === time ? writeDate(time, zone) : new Date(time).toISOString();
}

/** The date of a time, as `<input type="date">` and the service take it. */
export function writeDate(time: number | null, zone?: string): string {
  return writeInput(time, zone).slice(0, 10);
}
