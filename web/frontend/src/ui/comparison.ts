/** How a figure stands against the one of yesterday at this time. Pure. */

import { magnitude, NOTHING, short } from "./format";
import { text } from "./text";

export interface Comparison {
  readonly direction: "up" | "down" | "same" | "new" | "none";
  readonly tone: "good" | "bad" | "calm";
  /** What is shown, the arrow included. */
  readonly words: string;
  /** The same for a screen reader. */
  readonly said: string;
}

/** From here on a factor says more than a percentage. */
export const MANIFOLD = 10;

const words = text.change;
const NONE: Comparison = { direction: "none", tone: "calm", words: NOTHING, said: words.none };

/** Compare *now* with *before*; null is a figure that is not known, or was not measured. */
export function compare(now: number | null, before: number | null, moreIsBetter = true): Comparison {
  if (now === null || before === null || (now === 0 && before === 0)) return NONE;
  if (before === 0) return { direction: "new", tone: "calm", words: words.new, said: words.saidNew };
  if (now === before) return { direction: "same", tone: "calm", words: magnitude(0), said: words.same };
  if (now >= before * MANIFOLD) return manifold(short(now / before), moreIsBetter);
  const up = now > before;
  const size = magnitude((now - before) / before);
  return {
    direction: up ? "up" : "down",
    tone: up === moreIsBetter ? "good" : "bad",
    words: `${up ? "▲" : "▼"} ${size}`,
    said: up ? words.up(size) : words.down(size),
  };
}

function manifold(factor: string, moreIsBetter: boolean): Comparison {
  return { direction: "up", tone: moreIsBetter ? "good" : "bad", words: `▲ ${factor}×`, said: words.times(factor) };
}
