/** Numbers, durations and times as text, by Intl in the language of the texts. Pure. */

import type { Interval } from "../client/catalogue";
import { currentLanguage } from "./languages/language";
import type { Plural } from "./languages/translation";
import { text } from "./text";

const whole = /* @__PURE__ */ numbers({ maximumFractionDigits: 0 });
const hundredths = /* @__PURE__ */ numbers({ minimumFractionDigits: 2, maximumFractionDigits: 2 });
const compact = /* @__PURE__ */ numbers({ notation: "compact", maximumFractionDigits: 1 });
const share = /* @__PURE__ */ numbers({ style: "percent", maximumFractionDigits: 1 });
const tenths = /* @__PURE__ */ numbers({ style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
const money = /* @__PURE__ */ numbers({ style: "currency", currency: "USD", currencyDisplay: "narrowSymbol" });
const smallMoney = /* @__PURE__ */ numbers({
  style: "currency",
  currency: "USD",
  currencyDisplay: "narrowSymbol",
  minimumFractionDigits: 2,
  maximumSignificantDigits: 3,
  roundingPriority: "morePrecision",
});
const compactMoney = /* @__PURE__ */ numbers({
  style: "currency",
  currency: "USD",
  currencyDisplay: "narrowSymbol",
  notation: "compact",
  maximumFractionDigits: 1,
});
const clock = /* @__PURE__ */ times({ hour: "numeric", minute: "2-digit" });
const full = /* @__PURE__ */ times({ dateStyle: "medium", timeStyle: "medium" });
const relative = /* @__PURE__ */ inLanguage((language) => new Intl.RelativeTimeFormat(language, { style: "narrow" }));
const plurals = /* @__PURE__ */ inLanguage((language) => new Intl.PluralRules(language));

/** A format in the language of the page, which is made when it is needed, and again when the language changes. */
function inLanguage<Format>(make: (language: string) => Format): () => Format {
  let made: { language: string; format: Format } | undefined;
  return () => {
    const language = currentLanguage();
    if (made?.language !== language) made = { language, format: make(language) };
    return made.format;
  };
}

function numbers(options: Intl.NumberFormatOptions): () => Intl.NumberFormat {
  return inLanguage((language) => new Intl.NumberFormat(language, options));
}

function times(options: Intl.DateTimeFormatOptions): () => Intl.DateTimeFormat {
  return inLanguage((language) => new Intl.DateTimeFormat(language, options));
}

/** Stands where there is no value. */
export const NO_VALUE = "–";

// Numbers

/** A count with all its digits. */
export function count(value: number | null): string {
  return value === null ? NO_VALUE : whole().format(value);
}

/** A text that depends on a number, in its plural form: 1 activity, 2 activities. */
export function counted(value: number, forms: Plural): string {
  return (forms[plurals().select(value)] ?? forms.other)(count(value));
}

/** A count in about four characters: 1.2K. */
export function short(value: number | null): string {
  return value === null ? NO_VALUE : compact().format(value);
}

/** A share or a change without its sign: 0.032 is 3.2%. A value that would be rounded to 0 is < 0.1%. */
export function magnitude(value: number): string {
  const size = Math.abs(value);
  if (size > 0 && size < 0.0005) return `< ${share().format(0.001)}`;
  return share().format(size);
}

/** A part of a whole with one decimal: 3.0%; null if the whole is 0. */
export function rate(part: number, total: number): string | null {
  return total === 0 ? null : tenths().format(part / total);
}

// Money

/** An amount of US dollars, which may be decimal text: $12.40, and $0.00123 where cents would be nothing. */
export function dollars(value: number | string | null): string {
  if (value === null) return NO_VALUE;
  const amount = Number(value);
  // Text is written as it is: it may have more digits than a number keeps.
  return (amount !== 0 && Math.abs(amount) < 0.995 ? smallMoney() : money()).format(value as number);
}

/** An amount of US dollars in few characters: $1.2K. */
export function shortDollars(value: number): string {
  return Math.abs(value) < 1000 ? dollars(value) : compactMoney().format(value);
}

// Durations

/** A duration given in seconds: 850 ms, 1.24 s, 2 min 5 s. Axes are labelled by it too. */
export function seconds(value: number | null): string {
  if (value === null) return NO_VALUE;
  if (value < 0.9995) return `${whole().format(value * 1000)} ms`;
  if (value < 59.995) return `${hundredths().format(value)} s`;
  const rounded = Math.round(value);
  return `${whole().format(Math.floor(rounded / 60))} min ${whole().format(rounded % 60)} s`;
}

/** A length of time in its two largest units: 12 min, 3 hr 5 min, 2 days 4 hr. */
export function length(ms: number): string {
  const minutes = Math.max(0, Math.round(ms / 60_000));
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  if (days > 0) return joined(unit(days, "day"), hours > 0 ? unit(hours, "hour") : "");
  return joined(
    hours > 0 ? unit(hours, "hour") : "",
    minutes % 60 > 0 || hours === 0 ? unit(minutes % 60, "minute") : "",
  );
}

function joined(...parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join(" ");
}

function unit(value: number, name: "day" | "hour" | "minute"): string {
  return new Intl.NumberFormat(currentLanguage(), { style: "unit", unit: name, unitDisplay: "short" }).format(value);
}

/** The age of figures in whole units: now, 2 s old, 3 min old. */
export function age(passedMs: number): string {
  const passed = Math.max(0, Math.floor(passedMs / 1000));
  if (passed < 1) return text.age.now;
  if (passed < 60) return text.age.old(`${passed} s`);
  if (passed < 3600) return text.age.old(`${Math.floor(passed / 60)} min`);
  return text.age.old(`${whole().format(Math.floor(passed / 3600))} h`);
}

/** How long ago, in few characters: now, 42s ago, 5m ago, 2h ago, 3d ago. A time in the future is now. */
export function ago(then: string, nowMs: number): string {
  const passed = Math.max(0, Math.floor((nowMs - Date.parse(then)) / 1000));
  if (passed < 5) return text.age.now;
  if (passed < 60) return relative().format(-passed, "second");
  if (passed < 3600) return relative().format(-Math.floor(passed / 60), "minute");
  if (passed < 86_400) return relative().format(-Math.floor(passed / 3600), "hour");
  return relative().format(-Math.floor(passed / 86_400), "day");
}

// Times in the browser's zone

/** The time of day of an ISO time: 14:05. */
export function timeOfDay(iso: string): string {
  return clock().format(new Date(iso));
}

/** Date and time of an ISO time. */
export function dateTime(iso: string): string {
  return full().format(new Date(iso));
}

// Times in any zone

/** The browser's zone. */
export const BROWSER_ZONE = /* @__PURE__ */ browserZone();

function browserZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** The time of day of a moment in ms, with seconds: 14:05:09. */
export function timeWithSeconds(time: number): string {
  return formatter(BROWSER_ZONE, { hour: "numeric", minute: "2-digit", second: "2-digit" }).format(time);
}

/** A date such as 2026-11-22, which belongs to no zone. */
export function date(iso: string): string {
  const options: Intl.DateTimeFormatOptions = { weekday: "short", year: "numeric", month: "short", day: "numeric" };
  return formatter("UTC", options).format(Date.parse(`${iso}T00:00:00Z`));
}

/** The zone in which points of an interval are labelled: days belong to the service's zone. */
export function zoneOf(interval: Interval, serviceZone: string): string {
  return interval === "day" ? serviceZone : BROWSER_ZONE;
}

/** The label of a point: the date of a day, or the date and the time at which the point begins. */
export function pointLabel(start: number, interval: Interval, serviceZone: string): string {
  const time: Intl.DateTimeFormatOptions = interval === "day" ? {} : { hour: "numeric", minute: "2-digit" };
  const options: Intl.DateTimeFormatOptions = { weekday: "short", day: "numeric", month: "short", ...time };
  return formatter(zoneOf(interval, serviceZone), options).format(start);
}

/** A label of a time axis: the time of day, or the date at midnight. */
export function tickLabel(time: number, zone: string, step: number): string {
  const hours24 = formatter(zone, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  if (step >= 86_400_000 || hours24.format(time) === "00:00") {
    return formatter(zone, { day: "numeric", month: "short" }).format(time);
  }
  return formatter(zone, { hour: "numeric", minute: "2-digit" }).format(time);
}

/** A span of time in a zone: 21 Nov, 10:15 – 22 Nov, 11:15. */
export function spanLabel(from: number, to: number, zone = BROWSER_ZONE): string {
  const options: Intl.DateTimeFormatOptions = { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" };
  return formatter(zone, options).formatRange(from, to);
}

/** The days from one moment to another in a zone: Nov 24 – 30, with the year if it is not this one. */
export function daysLabel(from: number, to: number, zone = BROWSER_ZONE): string {
  const options: Intl.DateTimeFormatOptions = { day: "numeric", month: "short" };
  if (!isThisYear(from, zone) || !isThisYear(to, zone)) options.year = "numeric";
  return formatter(zone, options).formatRange(from, to);
}

/** The day of an ISO time, as the heading of what happened on it: Monday, November 30. */
export function dayLabel(iso: string): string {
  const time = Date.parse(iso);
  const options: Intl.DateTimeFormatOptions = { weekday: "long", day: "numeric", month: "long" };
  if (!isThisYear(time)) options.year = "numeric";
  return formatter(BROWSER_ZONE, options).format(time);
}

/** A moment in few characters: the time of day today, else with the date, and with the year if it is not this one. */
export function moment(iso: string): string {
  const time = Date.parse(iso);
  const day = formatter(BROWSER_ZONE, { day: "numeric", month: "short", year: "numeric" });
  if (day.format(time) === day.format(Date.now())) return timeOfDay(iso);
  const options: Intl.DateTimeFormatOptions = { day: "numeric", month: "short", hour: "numeric", minute: "2-digit" };
  if (!isThisYear(time)) options.year = "numeric";
  return formatter(BROWSER_ZONE, options).format(time);
}

function isThisYear(time: number, zone = BROWSER_ZONE): boolean {
  const year = formatter(zone, { year: "numeric" });
  return year.format(time) === year.format(Date.now());
}

const formatters = /* @__PURE__ */ new Map<string, Intl.DateTimeFormat>();

function formatter(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const language = currentLanguage();
  const key = `${language} ${zone} ${JSON.stringify(options)}`;
  const known = formatters.get(key);
  if (known) return known;
  const made = new Intl.DateTimeFormat(language, { timeZone: zone, ...options });
  formatters.set(key, made);
  return made;
}

// Words

/** The name of an activity type. Types are an open set: an unknown one is made readable (file_upload: File upload). */
export function activityType(type: string): string {
  const known = Object.hasOwn(text.activityTypes, type) ? text.activityTypes[type] : undefined;
  if (known !== undefined) return known;
  const words = type.replace(/[\s_-]+/g, " ").trim();
  return words === "" ? type : words.charAt(0).toUpperCase() + words.slice(1);
}
