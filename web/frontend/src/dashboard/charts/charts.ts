/** All charts of one range: one request for their data, and one for the period before. */

import { css, html, nothing } from "lit";
import { INTERVALS, type Interval, type Series } from "../../client/catalogue";
import { ClockController } from "../../ui/clock-controller";
import { define } from "../../ui/define";
import { spanLabel, zoneOf } from "../../ui/format";
import { type Icon, leftIcon, minusIcon, plusIcon, rightIcon } from "../../ui/icons";
import { LatestRequest } from "../latest-request";
import { LiveElement } from "../live-element";
import { chooseInterval, hasHours, possibleIntervals } from "../ranges/interval";
import {
  type Comparison,
  DEFAULT_RANGE,
  pan,
  previousPeriod,
  type Range,
  readComparison,
  readRange,
  type Span,
  spanOf,
  writeBound,
  writeRange,
  zoom,
} from "../ranges/range";
import { Navigate, type Params } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import "./chart";
import { ZoomRequested } from "./chart";
import { CHART_COUNT, type ChartData, METRICS, makeCharts } from "./chart-data";
import { LiveSeries } from "./live-series";
import { coveredSpan, fromSeries, type Points } from "./points";

const words = dashboardText.charts;

export class Charts extends LiveElement {
  static override properties = { ...LiveElement.properties, params: { attribute: false }, scheme: {}, zone: {} };
  declare params: Params;
  declare scheme: string;
  /** The zone of the service's days; null while it is unknown. */
  declare zone: string | null;

  #range: Range = DEFAULT_RANGE;
  #interval: Interval = "hour";
  #comparison: Comparison = "previous";
  /** The range before zooming. */
  #unzoomed: Range | null = null;
  #charts: ChartData[] | null = null;
  /** What the charts were made of. */
  #inputs: readonly unknown[] = [];

  readonly #series = new LiveSeries(
    () => this.client,
    () => this.requestUpdate(),
    (span) => this.#loadBefore(span),
  );
  readonly #before = new LatestRequest<{ points: Points; shift: number }>(() => this.requestUpdate());

  constructor() {
    super();
    this.params = {};
    this.scheme = "light";
    this.zone = null;
    new ClockController(this, () => true);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    // The view is shown again: the charts stay while newer points are loaded.
    if (this.hasUpdated) this.#series.reload(this.now);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#series.stop();
    this.#before.abort();
  }

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    const { now } = this;
    if ((changed.has("params") || changed.has("zone")) && this.#read(now)) {
      this.#before.result = null;
      this.#series.show({ metrics: METRICS, interval: this.#interval, span: (at) => this.#span(at) }, now);
    } else {
      this.#series.update(now);
      if (this.#before.isRetryDue) this.#loadBefore(this.#span(now));
    }
    this.#make(now);
  }

  /** Read range and interval from the address; returns whether they changed, or nothing is loaded. */
  #read(now: number): boolean {
    const range = readRange(this.params, DEFAULT_RANGE);
    const span = spanOf(range, now, this.zone ?? undefined);
    const interval = chooseInterval(this.params.interval, span.to - span.from, hasHours(range, span));
    const comparison = readComparison(this.params);
    const isOther =
      JSON.stringify([range, interval, comparison]) !== JSON.stringify([this.#range, this.#interval, this.#comparison]);
    this.#range = range;
    this.#interval = interval;
    this.#comparison = comparison;
    if (typeof range === "string") this.#unzoomed = null;
    return isOther || this.#series.points === null;
  }

  /** The times of the range: the days of a preset are those of the service's zone, whichever points are shown. */
  #span(now: number): Span {
    return spanOf(this.#range, now, this.zone ?? undefined);
  }

  /** Make the data of the charts if anything that it depends on has changed. */
  #make(now: number): void {
    const { points, all } = this.#series;
    // While a new range is loading, the old charts stay, dimmed, so that the page does not jump or lose the focus.
    if (!points && !all.problem) return;
    const inputs = [points, this.#before.result, Math.floor(now / 60_000)];
    if (inputs.every((input, index) => input === this.#inputs[index])) return;
    this.#inputs = inputs;
    this.#charts = points && makeCharts(points, this.#before.result, now, this.#span(now).to);
  }

  #loadBefore(span: Span): void {
    if (this.#comparison === "none") {
      this.#before.abort();
      return;
    }
    const earlier = previousPeriod(this.#range, span, this.#comparison);
    const params = {
      metrics: METRICS,
      interval: this.#interval,
      from: writeBound(earlier.from, this.#interval === "day", span.zone),
      to: writeBound(earlier.to, this.#interval === "day", span.zone),
    };
    void this.#before.load(async (signal) => {
      const points = fromSeries(await this.client.rest.get<Series>("series", params, signal));
      return { points, shift: span.from - earlier.from };
    });
  }

  override render() {
    const span = this.#span(this.now);
    const range = this.#rangeLabel(span);
    const charts: readonly (ChartData | null)[] = this.#charts ?? Array.from({ length: CHART_COUNT }, () => null);
    return html`<div class="tools">
        <p class="soft small">${range} <span class="hint">· ${words.hint}</span></p>
        ${this.#intervals(span)} ${this.#zooms()}
      </div>
      ${this.#problem()}
      <div class="grid ${this.#series.points ? "" : "dim"}" @analytics-zoomed=${this.#onZoom} aria-busy=${this.#series.points === null}>
        ${charts.map(
          (data) =>
            html`<dashboard-chart class="card ${data?.name ?? ""}" .data=${data} .range=${range} .scheme=${this.scheme}></dashboard-chart>`,
        )}
      </div>`;
  }

  /** The range of the totals: that of the points, which may begin before the requested range. */
  #rangeLabel(span: Span): string {
    const { points } = this.#series;
    const { from, to } = coveredSpan(points, span);
    return spanLabel(from, to, points ? zoneOf(points.interval, points.zone) : span.zone);
  }

  #intervals(span: Span) {
    const length = span.to - span.from;
    const hours = hasHours(this.#range, span);
    const automatic = words.intervals[chooseInterval(undefined, length, hours)];
    const selected = INTERVALS.find((interval) => interval === this.params.interval) ?? "";
    const options = [
      ["", words.automatic(automatic)],
      ...possibleIntervals(length, hours).map((name) => [name, words.intervals[name]]),
    ];
    return html`<label class="interval">
      <span class="visually-hidden">${words.points}</span>
      <select @change=${this.#chooseInterval}>
        ${options.map(([value, label]) => html`<option value=${value} ?selected=${value === selected}>${label}</option>`)}
      </select>
    </label>`;
  }

  #zooms() {
    const button = (to: "in" | "out" | "earlier" | "later", label: string, icon: Icon) =>
      html`<button class="icon-button" type="button" aria-label=${label} title=${label} @click=${() => this.#zoom(new ZoomRequested(to))}>
        ${icon()}
      </button>`;
    return html`<div class="zooms" role="group" aria-label=${words.zoom}>
      ${button("earlier", words.earlier, leftIcon)} ${button("out", words.zoomOut, minusIcon)}
      ${button("in", words.zoomIn, plusIcon)} ${button("later", words.later, rightIcon)}
      ${
        typeof this.#range === "object"
          ? html`<button class="button" type="button" @click=${() => this.#zoom(new ZoomRequested("reset"))}>${words.reset}</button>`
          : nothing
      }
    </div>`;
  }

  #problem() {
    const { points, problem } = this.#series;
    if (!problem) return nothing;
    // Points that were loaded before are still correct for their time, so this is only a warning.
    return html`<div class="notice ${points ? "warning" : ""}" role=${points ? "status" : "alert"}>
      <p><strong>${points ? words.behind : dashboardText.lists.failed}:</strong> ${problem.detail}</p>
      <button class="button" type="button" @click=${() => this.#series.reload(this.now)}>${dashboardText.lists.retry}</button>
    </div>`;
  }

  #onZoom = (event: Event): void => {
    if (event instanceof ZoomRequested) this.#zoom(event);
  };

  #zoom({ to }: ZoomRequested): void {
    const { now } = this;
    const span = this.#span(now);
    this.#unzoomed ??= typeof this.#range === "string" ? this.#range : DEFAULT_RANGE;
    if (to === "reset") {
      if (typeof this.#range === "object") this.#show(this.#unzoomed);
    } else if (to === "in" || to === "out") this.#show(zoom(span, to === "in" ? 0.5 : 2, now));
    else if (to === "earlier" || to === "later") this.#show(pan(span, to === "earlier" ? -0.5 : 0.5, now));
    else this.#show(zoom({ ...to, moving: false }, 1, now));
  }

  #show(range: Range): void {
    this.#go(writeRange(range === DEFAULT_RANGE ? null : range));
  }

  #chooseInterval = (event: Event): void => this.#go({ interval: (event.target as HTMLSelectElement).value });

  #go(params: Params): void {
    this.dispatchEvent(new Navigate({ view: "overview", params: { ...this.params, ...params } }));
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: grid;
        gap: var(--space-3);
        min-width: 0;
      }
      p {
        margin: 0;
      }
      .tools {
        display: flex;
        flex-wrap: wrap;
        align-items: end;
        gap: var(--space-3);
      }
      .tools p {
        flex: 1;
        align-self: center;
        min-width: 0;
      }
      .zooms {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 2px;
      }
      .grid {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(min(100%, 380px), 1fr));
        gap: var(--space-4);
      }
      .dim {
        opacity: 0.5;
        transition: opacity 120ms 120ms;
      }
      .models {
        grid-column: 1 / -1;
      }
      @media print {
        .hint,
        .interval,
        .zooms {
          display: none;
        }
        .grid {
          grid-template-columns: minmax(0, 1fr) minmax(0, 1fr);
        }
      }
      @media (width < 480px) {
        .hint {
          display: none;
        }
        .grid {
          gap: var(--space-3);
        }
      }
    `,
  ];
}

define("dashboard-charts", Charts);
