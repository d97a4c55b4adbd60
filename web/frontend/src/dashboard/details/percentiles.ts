/** The percentiles of the response times of a model or an endpoint, as figures of its page. Pure. */

import { dashboardText } from "../text";
import type { Figure, Series } from "./trend";

const words = dashboardText.details;

const NAMES = ["p50_response_time", "p95_response_time", "p99_response_time"] as const;
type Name = (typeof NAMES)[number];

/** What the service says of response times: of the whole range, and at each point. */
export interface ResponseTimes {
  readonly interval: string;
  readonly start: readonly string[];
  readonly total: Readonly<Record<Name, number | null>>;
  readonly points: Readonly<Record<Name, readonly (number | null)[]>>;
}

/** Make the figures, of which the chart shows those whose points are those of the page; null: they are loading. */
export function percentileFigures(times: ResponseTimes | null, series: Series): readonly Figure[] {
  const isSame = times?.interval === series.interval && times.start.length === series.start.length;
  return NAMES.map((name) => ({
    name,
    label: words.percentiles[name],
    value: times?.total[name] ?? null,
    unit: "seconds",
    ...(isSame ? { metric: name } : {}),
  }));
}

/** Add the points of the percentiles to those of the page. */
export function withPercentiles<S extends Series>(series: S, times: ResponseTimes | null): S {
  return times === null ? series : { ...series, metrics: { ...series.metrics, ...times.points } };
}
