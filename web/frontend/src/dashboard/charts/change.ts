/** The change of a value on the period before, as it is shown. Pure. */

import { FACTOR_FROM } from "../../ui/comparison";
import { magnitude, short } from "../../ui/format";
import { dashboardText } from "../text";

const words = dashboardText.charts;

/** Whether an increase is good, bad, or neither. */
export type MoreIs = "better" | "worse" | "neither";

export interface Change {
  readonly text: string;
  readonly tone: "good" | "bad" | "";
  readonly spoken: string;
}

/** A smaller change is told, but not coloured. */
const NEWS = 0.01;

/** The change from `before` to `now`; null where there is nothing to compare with. */
export function changeOf(now: number | null, before: number | null, moreIs: MoreIs = "neither"): Change | null {
  if (now === null || before === null || before === 0) return null;
  if (now === before) return { text: magnitude(0), tone: "", spoken: words.same };
  const isUp = now > before;
  const size = now >= before * FACTOR_FROM ? `${short(now / before)}×` : magnitude((now - before) / before);
  const isSmall = Math.abs(now - before) < before * NEWS;
  const tone = moreIs === "neither" || isSmall ? "" : isUp === (moreIs === "better") ? "good" : "bad";
  return { text: `${isUp ? "▲" : "▼"} ${size}`, tone, spoken: isUp ? words.up(size) : words.down(size) };
}
