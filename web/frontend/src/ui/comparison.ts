/** The comparison of a figure with the one of yesterday at this time. Pure. */

import type { Figure } from "./figures";
import { magnitude, NO_VALUE, short } from "./format";
import { text } from "./text";

export interface Comparison {
  readonly direction: "up" | "down" | "same" | "new" | "none";
  readonly tone: "good" | "bad" | "neutral";
  /** The text on screen, with an arrow. */
  readonly text: string;
  /** The text for screen readers. */
  readonly spoken: string;
}

/** An increase is written as a factor instead of a percentage from this factor on. */
export const FACTOR_FROM = 10;

/**
 * Compare a figure with the one of yesterday at this time; null for a figure of all time. Such a total never falls, so its
 * change would say nothing.
 */
export function compareFigure(figure: Figure, now: number | null, before: number | null): Comparison | null {
  return figure.isOfPeriod ? compare(now, before, figure.moreIsBetter) : null;
}

/** Compare *now* with *before*; null stands for a figure that is unknown or was not measured. */
export function compare(now: number | null, before: number | null, moreIsBetter = true): Comparison {
  const words = text.change;
  if (now === null || before === null || (now === 0 && before === 0)) {
    return { direction: "none", tone: "neutral", text: NO_VALUE, spoken: words.none };
  }
  if (before === 0) return { direction: "new", tone: "neutral", text: words.new, spoken: words.spokenNew };
  if (now === before) return { direction: "same", tone: "neutral", text: magnitude(0), spoken: words.same };
  if (now >= before * FACTOR_FROM) return increasedBy(short(now / before), moreIsBetter);
  const up = now > before;
  const size = magnitude((now - before) / before);
  return {
    direction: up ? "up" : "down",
    tone: up === moreIsBetter ? "good" : "bad",
    text: `${up ? "▲" : "▼"} ${size}`,
    spoken: up ? words.up(size) : words.down(size),
  };
}

function increasedBy(factor: string, moreIsBetter: boolean): Comparison {
  return {
    direction: "up",
    tone: moreIsBetter ? "good" : "bad",
    text: `▲ ${factor}×`,
    spoken: text.change.times(factor),
  };
}
