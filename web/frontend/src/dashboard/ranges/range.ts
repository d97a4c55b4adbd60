/**
 * The range of time that the page shows, and the period that it is compared with. Pure.
 *
 * Days are days of the service's zone, which is given as soon as it is known; until then they are days of the browser's zone.
 * All times are milliseconds since 1970.
 */

import { DAY, daysEarlier, fromLocal, HOUR, MINUTE, toLocal } from "../../ui/time";

export const PRESETS = ["1h", "24h", "today", "yesterday", "7d", "30d", "90d", "12m"] as const;
export type Preset = (typeof PRESETS)[number];

/** The range of a page whose address names none. */
export const DEFAULT_RANGE: Preset = "7d";

/** What a range is compared with: the period before it, the same weekdays a year before, or nothing. */
export const COMPARISONS = ["previous", "year", "none"] as const;
export type Comparison = (typeof COMPARISONS)[number];

/** Fifty-two weeks, so that weekdays are compared with the same weekdays. */
const YEAR = 364;

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
    return { from: range.from ?? to - 24 * HOUR, to, moving: range.to === null, zone };
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

/**
 * The period that a span is compared with: for whole days as many days before it, else the same length of time before it, or
 * the same times a year before.
 */
export function previousPeriod(
  range: Range,
  span: Span,
  comparison: Exclude<Comparison, "none"> = "previous",
): { from: number; to: number } {
  const days = comparison === "year" ? YEAR : lengthInDays(range, span);
  if (days === 0) return { from: span.from - (span.to - span.from), to: span.from };
  return { from: daysEarlier(span.from, days, span.zone), to: daysEarlier(span.to, days, span.zone) };
}

function daysOf(preset: Preset): number {
  return { "1h": 0, "24h": 0, today: 1, yesterday: 1, "7d": 7, "30d": 30, "90d": 90, "12m": 365 }[preset];
}

/** Whether a range is one of whole days, which begins at midnight. */
export function isByDays(range: Range, span: Span): boolean {
  return lengthInDays(range, span) > 0;
}

/** How many days a range has, the current one included; 0 if it begins or ends within a day. */
function lengthInDays(range: Range, span: Span): number {
  return typeof range === "object" ? wholeDays(span) : daysOf(range);
}

/** How many local days a span covers; 0 if it begins or ends within a day. */
function wholeDays({ from, to, zone }: Span): number {
  if (dayStart(from, 0, zone) !== from || dayStart(to, 0, zone) !== to) return 0;
  return Math.round((to - from) / (24 * HOUR));
}

/** The range of the same length right before this one, or after it; a step to now is the preset, if there is one. */
export function step(range: Range, direction: -1 | 1, now: number, zone?: string): Range {
  const span = spanOf(range, now, zone);
  const days = lengthInDays(range, span);
  const end = days > 0 ? dayStart(span.to - 1, 1, zone) : span.to;
  const move = (time: number) =>
    days > 0 ? daysEarlier(time, -direction * days, zone) : time + direction * (span.to - span.from);
  const moved = { from: move(span.from), to: move(end) };
  if (moved.to <= now) return moved;
  const preset = PRESETS.find((one) => {
    const { from, moving } = spanOf(one, now, zone);
    return moving && from === moved.from;
  });
  return preset ?? (moved.from < now ? { from: moved.from, to: null } : range);
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

/** Where a chart wants to go from its range: to other times, or a step. */
export type ZoomStep = { readonly from: number; readonly to: number } | "in" | "out" | "earlier" | "later" | "reset";

/** The range after a step from *span*; null for the one before all steps. */
export function zoomed(span: Span, to: ZoomStep, now: number): Range | null {
  if (typeof to === "object") return zoom({ ...to, moving: false }, 1, now);
  switch (to) {
    case "in":
      return zoom(span, 0.5, now);
    case "out":
      return zoom(span, 2, now);
    case "earlier":
      return pan(span, -0.5, now);
    case "later":
      return pan(span, 0.5, now);
    case "reset":
      return null;
  }
}

function within({ from, to }: { from: number; to: number }, now: number): Range {
  const end = Math.ceil(Math.min(to, now) / MINUTE) * MINUTE;
  const start = floor(to > now ? from - (to - now) : from, MINUTE);
  return { from: Math.min(start, end - MIN_LENGTH), to: end };
}

/** The same range as two times that do not move: whole days with all of their last day. */
export function fixed(range: Range, now: number, zone?: string): Range {
  const span = spanOf(range, now, zone);
  return { from: span.from, to: isByDays(range, span) ? dayStart(span.to - 1, 1, zone) : span.to };
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

/** What the page's range is compared with, as its address says. */
export function readComparison(params: Readonly<Record<string, string>>): Comparison {
  return COMPARISONS.find((one) => one === params.compare) ?? "previous";
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

/** The first moment of a date that `<input type="date">` gives; null while it is empty. */
export function readDate(value: string, zone?: string): number | null {
  const local = readTime(dateOf(value));
  return local === null ? null : fromLocal(local, zone);
}

/** A date that was typed, such as 2026-11-30 or 30.11.2026, as the service takes it; empty if it is none. */
export function dateOf(typed: string): string {
  const [, year, month, day] = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(typed.trim()) ?? [];
  const [, lastDay, lastMonth, lastYear] = /^(\d{1,2})\.(\d{1,2})\.(\d{4})$/.exec(typed.trim()) ?? [];
  const date = [year ?? lastYear, month ?? lastMonth, day ?? lastDay].map((part) => part?.padStart(2, "0")).join("-");
  const time = Date.parse(date);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(date) ? date : "";
}

/** A bound of a range for the service: as a date if it is the start of a day, which the service reads in its own zone. */
export function writeBound(time: number, wholeDays: boolean, zone?: string): string {
  return wholeDays && dayStart(time, 0, zone) === time ? writeDate(time, zone) : new Date(time).toISOString();
}

/** The date of a time, as `<input type="date">` and the service take it. */
export function writeDate(time: number, zone?: string): string {
  return new Date(toLocal(time, zone)).toISOString().slice(0, 10);
}
