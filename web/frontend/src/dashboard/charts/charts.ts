/** All charts over one range, side by side: one request for them, one for the period before. */

import { css, html, nothing } from "lit";
import { define } from "../../ui/define";
import { Seconds } from "../../ui/clock-controller";
import { dashboardText } from "../../ui/text";
import "./chart";
import { Zoomed } from "./chart";
import { type ChartData, chartsOf, METRICS } from "./chart-data";
import { spanWords, zoneOf } from "../../ui/times";
import { glyph } from "../../ui/icons2";
import { chosen, INTERVALS, type Interval, possible } from "../ranges/interval";
import { LiveElement } from "../live-element";
import { LiveSeries } from "./live-series";
import { covered, fromAnswer, type Points, type SeriesAnswer } from "./points";
import { Question } from "../latest-request";
import { panned, previous, type Range, readRange, type Span, spanOf, writeBound, writeRange, zoomed } from "../ranges/range";
import "../ranges/range-picker";
import { RangeChosen } from "../ranges/range-picker";
import { Navigate, type Params } from "../route";
import { sheet } from "../styles";

const words = dashboardText.charts;
const USUAL = "1h";
const COUNT = 7;

export class Charts extends LiveElement {
  static override properties = { ...LiveElement.properties, params: { attribute: false }, scheme: {}, zone: {} };
  declare params: Params;
  declare scheme: string;
  /** The zone in which the service cuts days; null: not known yet. */
  declare zone: string | null;

  #range: Range = USUAL;
  #interval: Interval = "minute";
  /** What zooming began with. */
  #unzoomed: Range | null = null;
  #charts: ChartData[] | null = null;
  #made: readonly unknown[] = [];

  readonly #series = new LiveSeries(
    () => this.client,
    () => this.requestUpdate(),
    (span) => this.#askBefore(span),
  );
  readonly #before = new Question<{ points: Points; shift: number }>(() => this.requestUpdate());

  constructor() {
    super();
    this.params = {};
    this.scheme = "light";
    this.zone = null;
    new Seconds(this, () => true);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#series.stop();
    this.#before.stop();
  }

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    const { now } = this;
    if (changed.has("params") && this.#read(now)) {
      this.#before.answer = null;
      this.#series.ask({ metrics: METRICS, interval: this.#interval, span: (at) => this.#span(at) }, now);
    } else {
      this.#series.keep(now);
      if (this.#before.isDueAgain) this.#askBefore(this.#span(now));
    }
    this.#make(now);
  }

  /** Take range and interval from the address; says whether they are others. */
  #read(now: number): boolean {
    const range = readRange(this.params, USUAL);
    const span = spanOf(range, now);
    const interval = chosen(this.params.interval, span.to - span.from);
    const other = JSON.stringify([range, interval]) !== JSON.stringify([this.#range, this.#interval]);
    this.#range = range;
    this.#interval = interval;
    if (typeof range === "string") this.#unzoomed = null;
    return other || this.#series.points === null;
  }

  /** Where the range lies: points of days begin with the service's days, all others by the admin's clock. */
  #span(now: number): Span {
    return spanOf(this.#range, now, this.#interval === "day" && this.zone !== null ? this.zone : undefined);
  }

  /** Make what the charts draw, if anything it is made of is another. */
  #make(now: number): void {
    const { points, whole } = this.#series;
    // Until the answer to a new range is there, the old charts stay, dimmed: the page neither jumps nor loses the focus.
    if (!points && !whole.problem) return;
    const made = [points, this.#before.answer, Math.floor(now / 60_000)];
    if (made.every((part, index) => part === this.#made[index])) return;
    this.#made = made;
    this.#charts = points && chartsOf(points, this.#before.answer, now, this.#span(now).to);
  }

  #askBefore(span: Span): void {
    const earlier = previous(this.#range, span);
    const params = {
      metrics: METRICS,
      interval: this.#interval,
      from: writeBound(earlier.from, this.#interval === "day", span.zone),
      to: writeBound(earlier.to, this.#interval === "day", span.zone),
    };
    void this.#before.ask(async (signal) => {
      const points = fromAnswer(await this.client.rest.get<SeriesAnswer>("series", params, signal));
      return { points, shift: span.from - earlier.from };
    });
  }

  override render() {
    const span = this.#span(this.now);
    const range = this.#words(span);
    const charts: readonly (ChartData | null)[] = this.#charts ?? Array.from({ length: COUNT }, () => null);
    return html`<dashboard-range .range=${this.#range} @analytics-range=${this.#ranged}></dashboard-range>
      <div class="tools">
        <p class="soft small">${range} <span class="hint">· ${words.hint}</span></p>
        ${this.#intervals(span)} ${this.#zooms()}
      </div>
      ${this.#problem()}
      <div class="grid ${this.#series.points ? "" : "dim"}" @analytics-zoomed=${this.#zoomed} aria-busy=${this.#series.points === null}>
        ${charts.map(
          (data) =>
            html`<dashboard-chart class="card ${data?.name ?? ""}" .data=${data} .range=${range} .scheme=${this.scheme}></dashboard-chart>`,
        )}
      </div>`;
  }

  /** The range that the totals are of: that of the points, which may begin before the one that was asked for. */
  #words(span: Span): string {
    const { points } = this.#series;
    const { from, to } = covered(points, span);
    return spanWords(from, to, points ? zoneOf(points.interval, points.zone) : span.zone);
  }

  #intervals(span: Span) {
    const length = span.to - span.from;
    const automatic = words.intervals[chosen(undefined, length)].toLowerCase();
    const wish = INTERVALS.find((interval) => interval === this.params.interval) ?? "";
    const options = [
      ["", words.automatic(automatic)],
      ...possible(length).map((name) => [name, words.intervals[name]]),
    ];
    return html`<label class="interval">
      <span class="unseen">${words.points}</span>
      <select @change=${this.#intervalled}>
        ${options.map(([value, label]) => html`<option value=${value} ?selected=${value === wish}>${label}</option>`)}
      </select>
    </label>`;
  }

  #zooms() {
    const button = (to: "in" | "out" | "earlier" | "later", label: string, name: "plus" | "minus" | "left" | "right") =>
      html`<button class="icon-button" type="button" aria-label=${label} title=${label} @click=${() => this.#zoom(new Zoomed(to))}>
        ${glyph(name)}
      </button>`;
    return html`<div class="zooms" role="group" aria-label=${words.zoom}>
      ${button("earlier", words.earlier, "left")} ${button("out", words.zoomOut, "minus")}
      ${button("in", words.zoomIn, "plus")} ${button("later", words.later, "right")}
      ${
        typeof this.#range === "object"
          ? html`<button class="button" type="button" @click=${() => this.#zoom(new Zoomed("reset"))}>${words.reset}</button>`
          : nothing
      }
    </div>`;
  }

  #problem() {
    const { points, problem } = this.#series;
    if (!problem) return nothing;
    // What was loaded before is still true of its time: no reason for alarm.
    return html`<div class="notice ${points ? "calm" : ""}" role=${points ? "status" : "alert"}>
      <p><strong>${points ? words.behind : dashboardText.lists.failed}:</strong> ${problem.detail}</p>
      <button class="button" type="button" @click=${() => this.#series.again(this.now)}>${dashboardText.lists.retry}</button>
    </div>`;
  }

  #zoomed = (event: Event): void => {
    if (event instanceof Zoomed) this.#zoom(event);
  };

  #zoom({ to }: Zoomed): void {
    const { now } = this;
    const span = spanOf(this.#range, now);
    this.#unzoomed ??= typeof this.#range === "string" ? this.#range : USUAL;
    if (to === "reset") {
      if (typeof this.#range === "object") this.#show(this.#unzoomed);
    } else if (to === "in" || to === "out") this.#show(zoomed(span, to === "in" ? 0.5 : 2, now));
    else if (to === "earlier" || to === "later") this.#show(panned(span, to === "earlier" ? -0.5 : 0.5, now));
    else this.#show(zoomed({ ...to, moving: false }, 1, now));
  }

  #ranged = (event: Event): void => {
    if (event instanceof RangeChosen && event.range !== null) this.#show(event.range);
  };

  #show(range: Range): void {
    this.#go(writeRange(range));
  }

  #intervalled = (event: Event): void => this.#go({ interval: (event.target as HTMLSelectElement).value });

  #go(params: Params): void {
    this.dispatchEvent(new Navigate({ view: "overview", params: { ...this.params, ...params } }));
  }

  static override styles = [
    ...sheet,
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
