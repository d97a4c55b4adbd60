/** The SVG paths of a small chart, whose values go from 0 at the bottom to the largest at the top. Pure. */

export type Values = readonly (number | null)[];

/** The path of the past values, and that of the last value, which still changes. */
export interface Paths {
  readonly past: string;
  readonly last: string;
}

/** The gap between two bars, as a part of the width for each bar. */
const GAP = 0.3;

/** One bar for each value that is not 0 or null. */
export function bars(values: Values, width: number, height: number): Paths {
  const step = width / Math.max(1, values.length);
  const y = scale(values, height);
  const drawn = values.map((value, index) =>
    value ? `M${round(index * step)} ${height}V${y(value)}h${round(step * (1 - GAP))}V${height}z` : "",
  );
  return { past: drawn.slice(0, -1).join(""), last: drawn.at(-1) ?? "" };
}

/** A line with gaps where values are null; the last value is a dot. */
export function line(values: Values, width: number, height: number): Paths {
  const step = width / Math.max(1, values.length - 1);
  const y = scale(values, height);
  // A very short line: its round caps make it a dot.
  const dot = (value: number, index: number) => `M${round(index * step)} ${y(value)}h.01`;
  const isAlone = (index: number) => (values[index - 1] ?? null) === null && (values[index + 1] ?? null) === null;
  const past = values.map((value, index) => {
    if (value === null) return "";
    if (isAlone(index)) return dot(value, index);
    return `${(values[index - 1] ?? null) === null ? "M" : "L"}${round(index * step)} ${y(value)}`;
  });
  const last = values.at(-1) ?? null;
  return { past: past.join(""), last: last === null ? "" : dot(last, values.length - 1) };
}

function scale(values: Values, height: number): (value: number) => number {
  const most = Math.max(0, ...values.map((value) => value ?? 0)) || 1;
  return (value) => round(height - (value / most) * height);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
