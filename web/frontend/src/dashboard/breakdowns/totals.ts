/** The tokens of all LLM calls of a range. Pure. */

import type { Series } from "../../client/catalogue";

export const TOKENS = ["input_tokens", "cached_input_tokens", "output_tokens", "unpriced_tokens"] as const;

export type Totals = Readonly<Record<(typeof TOKENS)[number], number>> & {
  /** Input and output tokens of the calls whose cost is known. */
  readonly priced: number;
};

/** Add up the points of a series. */
export function totalsOf({ metrics }: Series): Totals {
  const sums = Object.fromEntries(
    TOKENS.map((name) => [name, (metrics[name] ?? []).reduce((sum: number, value) => sum + Number(value ?? 0), 0)]),
  ) as Record<(typeof TOKENS)[number], number>;
  return { ...sums, priced: sums.input_tokens + sums.output_tokens - sums.unpriced_tokens };
}
