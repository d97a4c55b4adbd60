/** The figures of one thing over the page's range, and the chosen one as a chart. */

import { css, html, LitElement, nothing } from "lit";
import type { Interval } from "../../client/catalogue";
import { define } from "../../ui/define";
import { count, daysLabel, rate, seconds, spanLabel } from "../../ui/format";
import type { IntervalChosen, PointOpened, ZoomRequested } from "../charts/chart";
import type { ChartData } from "../charts/chart-data";
import { countEnded } from "../charts/points";
import { eventsOf } from "../lists/events-of";
import { loadLater } from "../load-later";
import { hasHours, INTERVAL_MS, possibleIntervals } from "../ranges/interval";
import { DEFAULT_RANGE, type Range, readRange, spanOf, writeRange, zoomed } from "../ranges/range";
import { Navigate, type Params, type Route } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";

const words = dashboardText.details;

/** The points of a report. */
export interface Series {
  readonly interval: Interval;
  readonly timezone: string;
  readonly start: readonly string[];
  readonly metrics: Readonly<Record<string, readonly (number | null)[]>>;
}

export interface Figure {
  readonly name: string;
  readonly label: string;
  readonly value: number | null;
  readonly unit?: "seconds";
  /** The name of the metric that the chart shows; without it the figure has none. */
  readonly metric?: string;
  /** What the value is a part of: the share is told too. */
  readonly whole?: number;
  /** The custom property of its colour. */
  readonly colour?: string;
}

export class Trend extends LitElement {
  static override properties = {
    figures: { attribute: false },
    series: { attribute: false },
    route: { attribute: false },
    filter: { attribute: false },
    now: { attribute: false, hasChanged: (now: number, before: number) => !(Math.abs(now - before) < 60_000) },
    zone: {},
    scheme: {},
    isChartLoaded: { state: true },
  };
  declare figures: readonly Figure[];
  declare series: Series;
  declare route: Route;
  /** What the events of a point are limited to. */
  declare filter: Params;
  /** The service's time, in ms since 1970. */
  declare now: number;
  declare zone: string | null;
  declare scheme: string;
  declare isChartLoaded: boolean;

  constructor() {
    super();
    this.figures = [];
    this.filter = {};
    this.scheme = "light";
    this.isChartLoaded = false;
  }

  override firstUpdated(): void {
    void loadLater(() => import("../charts/chart")).then(() => {
      this.isChartLoaded = true;
    });
  }

  get #params(): Params {
    return this.route.params;
  }

  get #range(): Range {
    return readRange(this.#params, DEFAULT_RANGE);
  }

  get #chosen(): Figure | undefined {
    const charted = this.figures.filter(({ metric }) => metric !== undefined);
    return charted.find(({ name }) => name === this.#params.figure) ?? charted[0];
  }

  override render() {
    return html`<div class="figures" role="group" aria-label=${words.figures}>${this.figures.map((figure) => this.#figure(figure))}</div>
      ${this.#chart()}`;
  }

  #figure(figure: Figure) {
    const { label, value, unit, whole, name, metric } = figure;
    const written = unit === "seconds" ? seconds(value) : count(value);
    const share = whole === undefined ? null : rate(value ?? 0, whole);
    const content = html`<span class="name">${label}</span>
      <span class="value">${written}${share ? html`<small> ${share}</small>` : nothing}</span>`;
    if (metric === undefined) return html`<div class="figure">${content}</div>`;
    return html`<button
      type="button"
      class="figure"
      aria-pressed=${figure === this.#chosen}
      @click=${() => this.#go({ figure: name })}
    >${content}</button>`;
  }

  #chart() {
    const figure = this.#chosen;
    if (!figure) return nothing;
    if (!this.isChartLoaded) return html`<div class="card place"></div>`;
    const span = spanOf(this.#range, this.now, this.zone ?? undefined);
    return html`<dashboard-chart
      class="card"
      .data=${this.#data(figure)}
      .range=${this.#rangeLabel()}
      .intervals=${possibleIntervals(span.to - span.from, hasHours(this.#range, span))}
      .isZoomed=${typeof this.#range === "object"}
      .scheme=${this.scheme}
      @analytics-zoomed=${this.#zoom}
      @analytics-point=${this.#open}
      @analytics-interval=${(event: Event) => this.#go({ interval: (event as IntervalChosen).interval ?? "" })}
    ></dashboard-chart>`;
  }

  #data({ label, unit, metric = "", value, colour = "--series-1", name }: Figure): ChartData {
    const { interval, timezone: zone, metrics } = this.series;
    const start = this.series.start.map((at) => Date.parse(at));
    const values = metrics[metric] ?? [];
    return {
      name: `${this.route.view}-${name}`,
      title: label,
      unit: unit ?? "count",
      stacked: false,
      interval,
      zone,
      start,
      count: start.length,
      ended: countEnded({ interval, zone, start, amounts: {} }, this.now),
      lines: [{ label, colour, values }],
      main: values,
      moreIs: "neither",
      whole: null,
      needsAttention: false,
      previous: null,
      total: value,
      qualifier: "",
      compared: null,
    };
  }

  #rangeLabel(): string {
    const { start, interval, timezone } = this.series;
    const from = Date.parse(start[0] ?? "");
    const to = Date.parse(start.at(-1) ?? "") + INTERVAL_MS[interval];
    return interval === "day" ? daysLabel(from, to - 1, timezone) : spanLabel(from, to);
  }

  #zoom = (event: Event): void => {
    const { to } = event as ZoomRequested;
    const span = spanOf(this.#range, this.now, this.zone ?? undefined);
    this.#show(zoomed(span, to, this.now));
  };

  #open = (event: Event): void => {
    const { name, from, to } = event as PointOpened;
    const figure = name.slice(this.route.view.length + 1);
    this.dispatchEvent(new Navigate(eventsOf(figure, from, to, this.filter)));
  };

  #show(range: Range | null): void {
    this.#go(writeRange(range === DEFAULT_RANGE ? null : range));
  }

  #go(changes: Params): void {
    const { view, params } = this.route;
    this.dispatchEvent(new Navigate({ view, params: { ...params, ...changes } }, true));
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: grid;
        gap: var(--space-4);
        min-width: 0;
        container-type: inline-size;
      }
      .figures {
        display: grid;
        grid-template-columns: repeat(2, minmax(0, 1fr));
        gap: 1px;
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--line);
        overflow: hidden;
      }
      @container (width >= 560px) {
        .figures {
          grid-template-columns: repeat(auto-fit, minmax(128px, 1fr));
        }
      }
      .figure {
        display: grid;
        gap: 2px;
        min-width: 0;
        margin: 0;
        padding: 10px 12px;
        border: 0;
        background: var(--surface);
        color: var(--ink);
        font: inherit;
        text-align: start;
      }
      button {
        cursor: pointer;
      }
      button:hover {
        background: color-mix(in srgb, var(--raised) 50%, var(--surface));
      }
      button:focus-visible {
        outline-offset: -2px;
      }
      button[aria-pressed="true"] {
        box-shadow: inset 0 -2px var(--accent);
      }
      .name {
        overflow: hidden;
        color: var(--soft);
        font-size: var(--text-small);
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      [aria-pressed="true"] .name {
        color: var(--accent);
      }
      .value {
        font-size: var(--text-title);
        font-weight: var(--bold);
        letter-spacing: -0.015em;
        overflow-wrap: anywhere;
      }
      .value small {
        color: var(--soft);
        font-size: var(--text-small);
        font-weight: 400;
      }
      .place {
        height: 320px;
      }
      @media (forced-colors: active) {
        button[aria-pressed="true"] :is(.name, .value, small) {
          color: inherit;
        }
      }
    `,
  ];
}

define("detail-trend", Trend);
