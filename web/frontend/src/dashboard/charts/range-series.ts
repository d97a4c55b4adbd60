/** The points of the page's range and of the period before, from which all of its charts and key figures are made. */

import type { Interval, Series } from "../../client/catalogue";
import type { AnalyticsClient } from "../../client/client";
import { LatestRequest, type Problem } from "../latest-request";
import { chooseInterval, hasHours } from "../ranges/interval";
import {
  type Comparison,
  DEFAULT_RANGE,
  previousPeriod,
  type Range,
  readComparison,
  readRange,
  type Span,
  spanOf,
  writeBound,
} from "../ranges/range";
import type { Params } from "../route";
import { type ChartData, METRICS, makeCharts } from "./chart-data";
import { LiveSeries } from "./live-series";
import { fromSeries, type Points } from "./points";

export class RangeSeries {
  range: Range = DEFAULT_RANGE;
  interval: Interval = "hour";
  /** The charts of the range; while another one is loading, those before. Null until the first are loaded. */
  charts: readonly ChartData[] | null = null;

  #comparison: Comparison = "previous";
  #zone: string | undefined;
  /** What the charts were made of. */
  #inputs: readonly unknown[] = [];
  readonly #series: LiveSeries;
  readonly #before: LatestRequest<{ points: Points; shift: number }>;

  constructor(
    private readonly client: () => AnalyticsClient,
    onChange: () => void,
  ) {
    this.#series = new LiveSeries(client, onChange, (span) => this.#loadBefore(span));
    this.#before = new LatestRequest(onChange);
  }

  /** Null while another range is loading. */
  get points(): Points | null {
    return this.#series.points;
  }

  /** The points of the period before; null if there is none, or it is loading. */
  get before(): Points | null {
    return this.#before.result?.points ?? null;
  }

  get problem(): Problem | null {
    return this.#series.problem;
  }

  /** Show what an address says; `zone` is that of the service's days. */
  show(params: Params, zone: string | null, now: number): void {
    const range = readRange(params, DEFAULT_RANGE);
    const comparison = readComparison(params);
    this.#zone = zone ?? undefined;
    const span = spanOf(range, now, this.#zone);
    const interval = chooseInterval(params.interval, span.to - span.from, hasHours(range, span));
    const isOther =
      JSON.stringify([range, interval, comparison]) !== JSON.stringify([this.range, this.interval, this.#comparison]);
    this.range = range;
    this.interval = interval;
    this.#comparison = comparison;
    if (!isOther && this.#series.points) return;
    this.#before.result = null;
    this.#series.show({ metrics: METRICS, interval, span: (at) => this.span(at) }, now);
  }

  /** Update the points to the live figures and the time; to be called at each change, and each second. */
  update(now: number): void {
    this.#series.update(now);
    if (this.#before.isRetryDue) this.#loadBefore(this.span(now));
    this.#make(now);
  }

  reload(now: number): void {
    this.#series.reload(now);
  }

  stop(): void {
    this.#series.stop();
    this.#before.abort();
  }

  /** The times of the range: the days of a preset are those of the service's zone, whichever points are shown. */
  span(now: number): Span {
    return spanOf(this.range, now, this.#zone);
  }

  /** Make the charts if anything that they depend on has changed. */
  #make(now: number): void {
    const { points, all } = this.#series;
    // While a new range is loading, the old charts stay, so that the page does not jump or lose the focus.
    if (!points && !all.problem) return;
    const inputs = [points, this.#before.result, Math.floor(now / 60_000)];
    if (inputs.every((input, index) => input === this.#inputs[index])) return;
    this.#inputs = inputs;
    this.charts = points && makeCharts(points, this.#before.result, now, this.span(now).to);
  }

  #loadBefore(span: Span): void {
    if (this.#comparison === "none") {
      this.#before.abort();
      return;
    }
    const earlier = previousPeriod(this.range, span, this.#comparison);
    const byDays = this.interval === "day";
    const params = {
      metrics: METRICS,
      interval: this.interval,
      from: writeBound(earlier.from, byDays, span.zone),
      to: writeBound(earlier.to, byDays, span.zone),
    };
    void this.#before.load(async (signal) => {
      const points = fromSeries(await this.client().rest.get<Series>("series", params, signal));
      return { points, shift: span.from - earlier.from };
    });
  }
}
