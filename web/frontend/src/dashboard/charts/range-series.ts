/**
 * What charts and key figures of the page's range are made of: the points of the range and of the period before, and the
 * percentiles of the response times.
 */

import type { Interval, Series } from "../../client/catalogue";
import type { AnalyticsClient } from "../../client/client";
import { LatestRequest, type Problem } from "../latest-request";
import { Pace } from "../pace";
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
import { type ChartData, METRICS, makeCharts, makeTimeCharts, TIME_CHARTS } from "./chart-data";
import { LiveSeries } from "./live-series";
import { fromSeries, type Points } from "./points";
import { RangeUsers } from "./range-users";
import { BY, type ComparedTimes, type ResponseTimes, type TimesOf } from "./response-times";

/** How many models or endpoints are told apart. */
const LABELS = 8;

/** A range that ended so long ago no longer moves, in ms. */
const SECOND = 1000;

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
  readonly #times: Readonly<Record<TimesOf, LatestRequest<ComparedTimes>>>;
  readonly #timesPace = { messages: new Pace(), api_calls: new Pace() };
  /** Whether the chosen chart is one of API calls' response times, which are loaded only then. */
  #isOfCalls = false;
  readonly #users: RangeUsers;

  constructor(
    private readonly client: () => AnalyticsClient,
    onChange: () => void,
  ) {
    this.#series = new LiveSeries(client, onChange, (span) => {
      this.#loadBefore(span);
      for (const of of this.#timesWanted) this.#loadTimes(of, span);
    });
    this.#before = new LatestRequest(onChange);
    this.#times = { messages: new LatestRequest(onChange), api_calls: new LatestRequest(onChange) };
    this.#users = new RangeUsers(client, onChange);
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
    this.#isOfCalls = TIME_CHARTS.some(([name, of]) => name === params.figure && of === "api_calls");
    const isOther =
      JSON.stringify([range, interval, comparison]) !== JSON.stringify([this.range, this.interval, this.#comparison]);
    this.range = range;
    this.interval = interval;
    this.#comparison = comparison;
    if (!isOther && this.#series.points) return;
    this.#before.result = null;
    for (const request of Object.values(this.#times)) request.result = null;
    this.#users.reset();
    this.#series.show({ metrics: METRICS, interval, span: (at) => this.span(at) }, now);
  }

  /** Update the points to the live figures and the time; to be called at each change, and each second. */
  update(now: number): void {
    this.#series.update(now);
    const span = this.span(now);
    if (this.#before.isRetryDue) this.#loadBefore(span);
    for (const of of this.#timesWanted) {
      const request = this.#times[of];
      const isMissing = request.result === null && !request.isLoading && !request.problem;
      if (isMissing || request.isRetryDue || this.#isBehind(request, this.#timesPace[of], span, now))
        this.#loadTimes(of, span);
    }
    if (this.points && !this.#before.isLoading) this.#users.update(this.points, this.before, now);
    this.#make(now);
  }

  reload(now: number): void {
    this.#series.reload(now);
  }

  stop(): void {
    this.#series.stop();
    this.#before.abort();
    this.#users.stop();
    for (const request of Object.values(this.#times)) request.abort();
  }

  /** Whether what was loaded of a range that still moves has to be loaded again. */
  #isBehind(request: LatestRequest<unknown>, pace: Pace, span: Span, now: number): boolean {
    if (request.isLoading || request.result === null || span.to <= now - SECOND) return false;
    return pace.isDue(this.client().figures.position);
  }

  /** Minutes have no percentiles. */
  get #timesWanted(): readonly TimesOf[] {
    if (this.interval === "minute") return [];
    return this.#isOfCalls ? ["messages", "api_calls"] : ["messages"];
  }

  /** The percentiles of the models; null while they are loading, or if there are none. */
  get modelTimes(): ResponseTimes | null {
    return this.#times.messages.result?.now ?? null;
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
    const { counts, isPending } = this.#users;
    if (points && isPending) return;
    const inputs = [
      points,
      this.#before.result,
      counts,
      ...this.#allTimes,
      this.#times.messages.problem,
      Math.floor(now / 60_000),
    ];
    if (inputs.every((input, index) => input === this.#inputs[index])) return;
    this.#inputs = inputs;
    this.charts = points && this.#chartsOf(points, now);
  }

  get #allTimes(): readonly (ComparedTimes | null)[] {
    return [this.#times.messages.result, this.#times.api_calls.result];
  }

  #chartsOf(points: Points, now: number): ChartData[] {
    const charts = makeCharts(points, this.#before.result, now, this.span(now).to, this.#users.counts);
    const mean = charts.find(({ name }) => name === "response_time");
    const [messages, calls] = this.#allTimes;
    if (!mean || !this.#timesWanted.length) return charts;
    const others = charts.filter(({ name }) => name !== "response_time");
    // The mean is not shown in place of percentiles that are loading, for which the other figures do not wait.
    if (messages === null && !this.#times.messages.problem) return others;
    const times = { messages: messages ?? null, api_calls: calls ?? null };
    const made = makeTimeCharts(mean, this.#before.result, times);
    return [...charts.filter(({ name }) => made.every((one) => one.name !== name)), ...made];
  }

  #loadTimes(of: TimesOf, span: Span): void {
    const { rest, figures } = this.client();
    const { interval } = this;
    const byDays = interval === "day";
    const bounds = (from: number, to: number) => ({
      from: writeBound(from, byDays, span.zone),
      to: writeBound(to, byDays, span.zone),
    });
    const read = (times: { from: string; to: string }, more: object, signal: AbortSignal) =>
      rest.get<ResponseTimes>("response-times", { of, interval, ...times, ...more }, signal);
    const earlier = this.#comparison === "none" ? null : previousPeriod(this.range, span, this.#comparison);
    void this.#times[of].load((signal) =>
      this.#timesPace[of].load(figures.position, async () => {
        const [now, before] = await Promise.all([
          read(bounds(span.from, span.to), { by: BY[of], limit: LABELS }, signal),
          earlier ? read(bounds(earlier.from, earlier.to), {}, signal) : null,
        ]);
        return { now, before };
      }),
    );
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
