/** A row of values as the paths of a small chart, from left to right, from zero at the bottom to the largest. Pure. */

export type Values = readonly (number | null)[];

/** The paths: what was, and apart from it the last value, which is still moving. */
export interface Paths {
  readonly past: string;
  readonly last: string;
}

/** Between two bars there is this part of a bar's place. */
const GAP = 0.3;

/** One bar a value; nothing where it is 0 or null. */
export function bars(values: Values, width: number, height: number): Paths {
  const place = width / Math.max(1, values.length);
  const y = scale(values, height);
  const drawn = values.map((value, index) =>
    value ? `M${round(index * place)} ${height}V${y(value)}h${round(place * (1 - GAP))}V${height}z` : "",
  );
  return { past: drawn.slice(0, -1).join(""), last: drawn.at(-1) ?? "" };
}

/** A line, broken where a value is null; the last value is a point. */
export function line(values: Values, width: number, height: number): Paths {
  const step = width / Math.max(1, values.length - 1);
  const y = scale(values, height);
  // A line of nearly no length: round caps make it a dot.
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
