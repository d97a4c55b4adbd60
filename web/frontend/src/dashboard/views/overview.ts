/** The overview: the key figures of the range, one of them as a chart, and what they are made of. */

import { css, html, nothing, type PropertyValues } from "lit";
import { ClockController } from "../../ui/clock-controller";
import { define } from "../../ui/define";
import { daysLabel, spanLabel, zoneOf } from "../../ui/format";
import "../annotations/mark-list";
import { RangeAnnotations } from "../annotations/range-annotations";
import type { IntervalChosen, PointOpened, ZoomRequested } from "../charts/chart";
import { type ChartName, endOfPoints, KEY_FIGURES, keyFigureOf } from "../charts/chart-data";
import { eventsOf } from "../lists/events-of";
import "../charts/models";
import { coveredSpan } from "../charts/points";
import { RangeSeries } from "../charts/range-series";
import "../charts/strip";
import type { FigureChosen } from "../charts/strip";
import { LiveElement } from "../live-element";
import { hasHours, possibleIntervals } from "../ranges/interval";
import { DEFAULT_RANGE, isByDays, type Range, type Span, writeRange, zoomed } from "../ranges/range";
import { Navigate, type Params } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import "./recent";
import "./top-users";
import "./totals";
import { loadLater } from "../load-later";

const words = dashboardText.charts;

export class Overview extends LiveElement {
  static override properties = {
    ...LiveElement.properties,
    params: { attribute: false },
    scheme: {},
    zone: {},
    stale: { type: Boolean, reflect: true },
    isChartLoaded: { state: true },
  };
  declare params: Params;
  declare scheme: string;
  /** The zone of the service's days; null while it is unknown. */
  declare zone: string | null;
  /** Whether the figures are out of date. */
  declare stale: boolean;
  declare isChartLoaded: boolean;

  #isLoadingChart = false;
  /** The range before zooming. */
  #unzoomed: Range | null = null;
  readonly #series = new RangeSeries(
    () => this.client,
    () => this.requestUpdate(),
  );
  readonly #annotations = new RangeAnnotations(
    () => this.client,
    () => this.requestUpdate(),
  );

  constructor() {
    super();
    this.params = {};
    this.scheme = "light";
    this.zone = null;
    this.stale = false;
    this.isChartLoaded = false;
    new ClockController(this, () => true);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    // The view is shown again: its charts stay while newer points are loaded.
    if (this.hasUpdated) this.#series.reload(this.now);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#series.stop();
    this.#annotations.stop();
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("params") || changed.has("zone")) this.#series.show(this.params, this.zone, this.now);
    if (typeof this.#series.range === "string") this.#unzoomed = null;
    this.#series.update(this.now);
    const chart = this.#series.charts?.[0];
    if (chart?.start[0] !== undefined) this.#annotations.update(chart.start[0], endOfPoints(chart));
  }

  /** Load the chart after the first figures, which it would delay, or when it is known that there are none. */
  override updated(): void {
    if (this.#isLoadingChart || (this.#series.charts === null && this.#series.problem === null)) return;
    this.#isLoadingChart = true;
    void loadLater(() => import("../charts/chart")).then(() => {
      this.isChartLoaded = true;
    });
  }

  /** The figure that is shown as a chart. */
  get #figure(): ChartName {
    return Object.keys(words.names).find((name): name is ChartName => name === this.params.figure) ?? KEY_FIGURES[0];
  }

  override render() {
    const { charts, points, before } = this.#series;
    const isOld = points === null && charts !== null;
    return html`${this.#problem()}
      <dashboard-strip
        class=${isOld ? "dim" : ""}
        .charts=${charts}
        .chosen=${keyFigureOf(this.#figure)}
        aria-busy=${points === null}
        @analytics-figure=${this.#chooseFigure}
      ></dashboard-strip>
      <section class=${isOld ? "dim" : ""} aria-busy=${points === null}>${this.#chart()} ${this.#marks()}</section>
      <dashboard-totals .client=${this.client}></dashboard-totals>
      <div class="cards">
        <dashboard-models class="card" .points=${points} .earlier=${before} .ended=${charts?.[0]?.ended ?? 0} .times=${this.#series.modelTimes}></dashboard-models>
        <dashboard-top-users class="card" .client=${this.client} .params=${this.params} .zone=${this.zone}></dashboard-top-users>
        <dashboard-recent class="card" .client=${this.client} .params=${this.params} .zone=${this.zone}></dashboard-recent>
      </div>`;
  }

  #chart() {
    if (!this.isChartLoaded) return html`<div class="card place"></div>`;
    const { charts, range } = this.#series;
    const data =
      charts?.find(({ name }) => name === this.#figure) ??
      charts?.find(({ name }) => name === keyFigureOf(this.#figure)) ??
      null;
    const span = this.#series.span(this.now);
    return html`<dashboard-chart
      class="card ${data?.name ?? ""}"
      .data=${data}
      .annotations=${this.#annotations.all}
      .range=${this.#rangeLabel(span)}
      .intervals=${possibleIntervals(span.to - span.from, hasHours(range, span))}
      .isZoomed=${typeof range === "object"}
      .scheme=${this.scheme}
      @analytics-zoomed=${this.#zoom}
      @analytics-point=${this.#openPoint}
      @analytics-interval=${this.#chooseInterval}
      @analytics-figure=${this.#chooseFigure}
    ></dashboard-chart>`;
  }

  /** The marks of the chart as a list; nothing if there are none. */
  #marks() {
    const { all, hasMore, problem } = this.#annotations;
    return html`${problem ? html`<p class="notice warning" role="status">${dashboardText.marks.failed}: ${problem.detail}</p>` : nothing}
      ${
        this.isChartLoaded && all.length > 0
          ? html`<dashboard-mark-list class="card" .annotations=${all} .hasMore=${hasMore}></dashboard-mark-list>`
          : nothing
      }`;
  }

  /** The range of the totals: that of the points, which may begin before the requested range. */
  #rangeLabel(span: Span): string {
    const { points, range } = this.#series;
    const { from, to } = coveredSpan(points, span);
    const zone = points ? zoneOf(points.interval, points.zone) : span.zone;
    return isByDays(range, span) ? daysLabel(from, to - 1, span.zone ?? zone) : spanLabel(from, to, zone);
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

  #openPoint = (event: Event): void => {
    const { name, from, to } = event as PointOpened;
    this.dispatchEvent(new Navigate(eventsOf(name, from, to)));
  };

  #chooseFigure = (event: Event): void => this.#go({ figure: (event as FigureChosen).name }, true);

  #chooseInterval = (event: Event): void => this.#go({ interval: (event as IntervalChosen).interval ?? "" }, true);

  #zoom = (event: Event): void => {
    const { to } = event as ZoomRequested;
    const { now } = this;
    const { range } = this.#series;
    const span = this.#series.span(now);
    this.#unzoomed ??= typeof range === "string" ? range : DEFAULT_RANGE;
    if (to === "reset" && typeof range === "string") return;
    this.#show(zoomed(span, to, now) ?? this.#unzoomed);
  };

  #show(range: Range): void {
    // The length of the points is chosen again for the new range.
    this.#go({ ...writeRange(range === DEFAULT_RANGE ? null : range), interval: "" });
  }

  #go(params: Params, replace = false): void {
    this.dispatchEvent(new Navigate({ view: "overview", params: { ...this.params, ...params } }, replace));
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        container-type: inline-size;
        display: grid;
        gap: var(--space-4);
        min-width: 0;
      }
      :host > *,
      .cards > * {
        min-width: 0;
      }
      section {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: var(--space-4);
        min-width: 0;
      }
      .notice {
        margin: 0;
      }
      .place {
        height: calc(clamp(220px, 100dvh - 440px, 460px) + 86px);
      }
      .dim {
        opacity: 0.5;
        transition: opacity 120ms 120ms;
      }
      .cards {
        display: grid;
        align-items: start;
        gap: var(--space-4);
      }
      @container (width >= 700px) {
        .cards {
          grid-template-columns: repeat(2, minmax(0, 1fr));
        }
        dashboard-models {
          grid-column: 1 / -1;
        }
      }
      @container (width >= 1080px) {
        .cards {
          grid-template-columns: minmax(0, 2fr) minmax(0, 1fr) minmax(0, 1fr);
        }
        dashboard-models {
          grid-column: auto;
        }
      }
      @media (width < 600px) {
        .place {
          height: 380px;
        }
      }
      @media print {
        :host,
        .cards {
          display: block;
        }
        :host > *,
        .cards > * {
          margin-bottom: var(--space-4);
        }
      }
    `,
  ];
}

define("dashboard-overview", Overview);
