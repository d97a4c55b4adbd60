/** Times as the dashboard writes them: of points, of axes, of answers. Pure. */

import type { Interval } from "../dashboard/ranges/interval";

/** The zone in which the admin reads clock times. */
export const OWN_ZONE = new Intl.DateTimeFormat().resolvedOptions().timeZone;

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = zone + JSON.stringify(options);
  let made = formats.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat(undefined, { timeZone: zone, ...options });
    formats.set(key, made);
  }
  return made;
}

/** When an answer came: 14:05:09. */
export function clockTime(time: number): string {
  return format(OWN_ZONE, { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(time);
}

/** The zone in which points of an interval are told: days are cut in the service's. */
export function zoneOf(interval: Interval, zone: string): string {
  return interval === "day" ? zone : OWN_ZONE;
}

/** Which point it is: its date if it is a day, else also the time at which it begins. */
export function pointTime(start: number, interval: Interval, zone: string): string {
  const clock: Intl.DateTimeFormatOptions = interval === "day" ? {} : { hour: "2-digit", minute: "2-digit" };
  const date: Intl.DateTimeFormatOptions = { weekday: "short", day: "numeric", month: "short", ...clock };
  return format(zoneOf(interval, zone), date).format(start);
}

/** A label on the axis of time: the time of day, at a midnight the date. */
export function tick(time: number, zone: string, step: number): string {
  const clock = format(zone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  if (step >= 86_400_000 || clock.format(time) === "00:00") {
    return format(zone, { day: "numeric", month: "short" }).format(time);
  }
  return format(zone, { hour: "2-digit", minute: "2-digit" }).format(time);
}

/** A moment in a table. */
export function tableTime(written: string): string {
  const options: Intl.DateTimeFormatOptions = { dateStyle: "medium", timeStyle: "medium" };
  return format(OWN_ZONE, options).format(Date.parse(written));
}

/** A date such as 2026-11-22, which belongs to no zone. */
export function date(written: string): string {
  const options: Intl.DateTimeFormatOptions = { weekday: "short", year: "numeric", month: "short", day: "numeric" };
  return format("UTC", options).format(Date.parse(`${written}T00:00:00Z`));
}

/** From when to when, by the clock of a zone. */
export function spanWords(from: number, to: number, zone = OWN_ZONE): string {
  const options: Intl.DateTimeFormatOptions = { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" };
  return format(zone, options).formatRange(from, to);
}

const rates = new Intl.NumberFormat(undefined, {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});

/** A part of a whole; null where there is no whole. */
export function rate(part: number, whole: number): string | null {
  return whole === 0 ? null : rates.format(part / whole);
}
