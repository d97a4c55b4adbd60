/** Numbers, durations and times as people read them, by Intl in the browser's language. Pure. */

import { text } from "./text";

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const hundredths = new Intl.NumberFormat(undefined, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const compact = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });
const percent = new Intl.NumberFormat(undefined, {
  style: "percent",
  maximumFractionDigits: 1,
  signDisplay: "exceptZero",
});
const share = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(text.language, { style: "narrow" });

export const NOTHING = "–";

/** A count in full: exactness is what the product is for. */
export function count(value: number | null): string {
  return value === null ? NOTHING : whole.format(value);
}

/** A count where there is room for four characters. */
export function short(value: number | null): string {
  return value === null ? NOTHING : compact.format(value);
}

/** A relative change; null where there is nothing to compare with. */
export function change(now: number | null, before: number | null): string | null {
  return now === null || before === null || before === 0 ? null : percent.format((now - before) / before);
}

/** A share or a growth without its sign: 0.032 is 3.2%; what is too small to be seen is < 0.1%. */
export function magnitude(value: number): string {
  const size = Math.abs(value);
  if (size > 0 && size < 0.0005) return `< ${share.format(0.001)}`;
  return share.format(size);
}

/** A duration given in seconds: 850 ms, 1.24 s, 2 min 5 s. */
export function seconds(value: number | null): string {
  if (value === null) return NOTHING;
  if (value < 0.9995) return `${whole.format(value * 1000)} ms`;
  if (value < 59.995) return `${hundredths.format(value)} s`;
  const rounded = Math.round(value);
  return `${whole.format(Math.floor(rounded / 60))} min ${whole.format(rounded % 60)} s`;
}

/** The age of what is on screen, in whole units: now, 2 s old, 3 min old. */
export function age(passedMs: number): string {
  const passed = Math.max(0, Math.floor(passedMs / 1000));
  if (passed < 1) return text.age.now;
  if (passed < 60) return text.age.old(`${passed} s`);
  if (passed < 3600) return text.age.old(`${Math.floor(passed / 60)} min`);
  return text.age.old(`${whole.format(Math.floor(passed / 3600))} h`);
}

/** How long ago, as short as it can be said: now, 42s ago, 5m ago, 2h ago, 3d ago. A time yet to come is now. */
export function ago(then: string, nowMs: number): string {
  const passed = Math.max(0, Math.floor((nowMs - Date.parse(then)) / 1000));
  if (passed < 5) return text.age.now;
  if (passed < 60) return relative.format(-passed, "second");
  if (passed < 3600) return relative.format(-Math.floor(passed / 60), "minute");
  if (passed < 86_400) return relative.format(-Math.floor(passed / 3600), "hour");
  return relative.format(-Math.floor(passed / 86_400), "day");
}

/** The time of day in the admin's zone, such as 14:05. */
export function timeOfDay(written: string): string {
  return clock.format(new Date(written));
}

/** Date and time in full, in the admin's zone. */
export function moment(written: string): string {
  return full.format(new Date(written));
}

/** An activity's type in words; types are an open set, so an unknown one is taken at its word: file_upload, File upload. */
export function activityType(type: string): string {
  const known = Object.hasOwn(text.activityTypes, type) ? text.activityTypes[type] : undefined;
  if (known !== undefined) return known;
  const words = type.replace(/[\s_-]+/g, " ").trim();
  return words === "" ? type : words.charAt(0).toUpperCase() + words.slice(1);
}
