/** The response times of a range: percentiles over time, of all and by model or endpoint. Pure. */

import type { Interval } from "../../client/catalogue";
import type { Values } from "./points";

interface Figures<Value> {
  readonly p50_response_time: Value;
  readonly p95_response_time: Value;
  readonly p99_response_time: Value;
}

/** Of the whole range, and of each point; in seconds, null where nothing was measured. */
export interface Percentiles {
  readonly total: Figures<number | null>;
  readonly points: Figures<Values>;
}

/** What the service answers; the items are models or endpoints, those with the most response times first. */
export interface ResponseTimes extends Percentiles {
  readonly interval: Interval;
  readonly start: readonly string[];
  readonly items: readonly (Percentiles & { readonly label: string })[];
}

/** Those of a range, and of the period before; null where nothing is compared. */
export interface ComparedTimes {
  readonly now: ResponseTimes;
  readonly before: ResponseTimes | null;
}

/** Whose response times: of messages, by model, or of API calls, by endpoint. */
export type TimesOf = "messages" | "api_calls";

export const BY: Record<TimesOf, "model" | "endpoint"> = { messages: "model", api_calls: "endpoint" };

/** The values of the service's points at other points, which may have begun since; null where there is none. */
export function alignTimes({ start }: ResponseTimes, values: Values, at: readonly number[]): Values {
  const byStart = new Map(start.map((iso, index) => [Date.parse(iso), values[index] ?? null]));
  return at.map((time) => byStart.get(time) ?? null);
}
