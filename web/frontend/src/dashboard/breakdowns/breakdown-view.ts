/** `<dashboard-breakdown>`: one breakdown as a chart over time and as a table, for the page's range. */

import { css, html, nothing } from "lit";
import { BREAKDOWNS, type Breakdown, type BreakdownRow, type Series } from "../../client/catalogue";
import { ClockController } from "../../ui/clock-controller";
import { define } from "../../ui/define";
import { drawn } from "../../ui/figures";
import { dateTime, daysLabel, spanLabel } from "../../ui/format";
import type { ZoomRequested } from "../charts/chart";
import type { Values } from "../charts/points";
import { LatestRequest } from "../latest-request";
import "../lists/list";
import { dateBounds, timeBounds } from "../lists/list-view";
import { LiveElement } from "../live-element";
import { loadLater } from "../load-later";
import { Pace } from "../pace";
import { DEFAULT_RANGE, type Range, readRange, spanOf, writeRange, zoomed } from "../ranges/range";
import { Navigate, type Params, type View } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { type Choice, intervalOf, LINES, makeChart } from "./breakdown";
import { columnsOf } from "./columns";

const words = dashboardText.breakdowns;

/** An answer of the service, with the totals of its points where rows add up. */
interface Found {
  readonly breakdown: Breakdown;
  readonly whole: Values | null;
}

export class BreakdownView extends LiveElement {
  static override properties = {
    ...LiveElement.properties,
    choice: {
      attribute: false,
      hasChanged: (now: Choice, before?: Choice) => JSON.stringify(now) !== JSON.stringify(before),
    },
    params: { attribute: false },
    view: {},
    zone: {},
    scheme: {},
    caption: {},
    parts: {},
    limit: { type: Number },
    isChartLoaded: { state: true },
  };
  declare choice: Choice;
  declare params: Params;
  /** The view whose address a zoom changes. */
  declare view: View;
  /** The zone of the service's days; null while it is unknown. */
  declare zone: string | null;
  declare scheme: string;
  declare caption: string;
  /** What is shown of it. */
  declare parts: "chart" | "table" | "both";
  /** How many rows a page of the table has. */
  declare limit: number;
  declare isChartLoaded: boolean;

  readonly #request = new LatestRequest<Found>(() => this.requestUpdate());
  readonly #pace = new Pace();
  #query: Record<string, string | number | null> = {};
  #asked = "";

  constructor() {
    super();
    this.params = {};
    this.view = "explore";
    this.zone = null;
    this.scheme = "light";
    this.caption = "";
    this.parts = "both";
    this.limit = 50;
    this.isChartLoaded = false;
    new ClockController(this, () => true);
  }

  override firstUpdated(): void {
    if (this.parts === "table") return;
    void loadLater(() => import("../charts/chart")).then(() => {
      this.isChartLoaded = true;
    });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#request.abort();
    this.#asked = "";
  }

  override willUpdate(): void {
    const { range, from, to } = this.params;
    const asked = JSON.stringify([this.choice, range, from, to, this.zone]);
    if (asked !== this.#asked) {
      this.#asked = asked;
      const isByHour = intervalOf(this.choice, this.params, this.now, this.zone) === "hour";
      const bounds = isByHour
        ? timeBounds(this.params, this.now, this.zone)
        : dateBounds(this.params, this.now, this.zone);
      this.#query = { ...this.choice, ...bounds, interval: isByHour ? "hour" : "day" };
      this.#load(true);
    } else if (this.#request.isRetryDue) this.#load(false);
    else if (!this.#request.isLoading && !this.#request.problem && this.#query.to === null) {
      if (this.#pace.isDue(this.client.figures.position)) this.#load(false);
    }
  }

  #load(discard: boolean): void {
    if (this.parts === "table") return;
    const query = { ...this.#query, limit: LINES };
    const { counter } = BREAKDOWNS[this.choice.metric];
    const read = async (signal: AbortSignal): Promise<Found> => {
      const breakdown = await this.client.rest.get<Breakdown>("breakdown", query, signal);
      if (counter === null || breakdown.start === null || !breakdown.start.length) return { breakdown, whole: null };
      const { interval, from, to } = breakdown;
      const totals = await this.client.rest.get<Series>("series", { metrics: counter, interval, from, to }, signal);
      return { breakdown, whole: (totals.metrics[counter] ?? []).map(drawn) };
    };
    const { position } = this.client.figures;
    void this.#request.load((signal) => this.#pace.load(position, () => read(signal)), discard);
  }

  override render() {
    return html`${this.parts === "table" ? nothing : this.#chart()} ${this.parts === "chart" ? nothing : this.#table()}`;
  }

  #chart() {
    const { result, problem } = this.#request;
    if (problem && !result) return html`<div class="notice" role="alert"><p>${problem.detail}</p></div>`;
    if (!this.isChartLoaded) return html`<div class="card place"></div>`;
    const data = result && makeChart(result.breakdown, result.whole, this.now, this.caption);
    return html`${this.#kept(result?.breakdown.kept_from ?? null)}
      <dashboard-chart
        class="card"
        .data=${data}
        .range=${result ? this.#rangeLabel(result.breakdown) : ""}
        .isZoomed=${typeof this.#range === "object"}
        .scheme=${this.scheme}
        @analytics-zoomed=${this.#zoom}
      ></dashboard-chart>`;
  }

  #kept(from: string | null) {
    return from === null ? nothing : html`<p class="notice warning">${words.keptFrom(dateTime(from))}</p>`;
  }

  #rangeLabel({ from, to, interval, timezone }: Breakdown): string {
    const [first, last] = [Date.parse(from), Date.parse(to)];
    return interval === "hour" ? spanLabel(first, last) : daysLabel(first, last - 1, timezone);
  }

  #table() {
    const { interval, ...query } = this.#query;
    const wanted = interval === "hour" ? { ...query, interval } : query;
    return html`<dashboard-list
      .client=${this.client}
      path="breakdown"
      .query=${{ ...wanted, limit: this.limit }}
      .columns=${columnsOf(this.choice)}
      .keyOf=${({ label, second }: BreakdownRow) => `${label}\t${second}`}
      .caption=${this.caption}
      .file=${`${this.choice.metric}-by-${this.choice.by.replace(",", "-")}`}
      .empty=${words.empty}
    ></dashboard-list>`;
  }

  get #range(): Range {
    return readRange(this.params, DEFAULT_RANGE);
  }

  #zoom = (event: Event): void => {
    const { to } = event as ZoomRequested;
    const span = spanOf(this.#range, this.now, this.zone ?? undefined);
    this.#show(zoomed(span, to, this.now));
  };

  #show(range: Range | null): void {
    this.dispatchEvent(new Navigate({ view: this.view, params: { ...this.params, ...writeRange(range) } }, true));
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: grid;
        gap: var(--space-4);
        min-width: 0;
      }
      p {
        margin: 0;
      }
      .place {
        height: 320px;
      }
    `,
  ];
}

define("dashboard-breakdown", BreakdownView);
