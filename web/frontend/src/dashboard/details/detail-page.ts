/** The base of the pages about one thing: its report is loaded for the page's range, and again when figures have changed. */

import { css, html, nothing, type TemplateResult } from "lit";
import { ClockController } from "../../ui/clock-controller";
import { dateTime } from "../../ui/format";
import { skeleton } from "../../ui/theme";
import { LatestRequest } from "../latest-request";
import type { Query } from "../lists/list";
import { LiveElement } from "../live-element";
import { chooseInterval, hasHours } from "../ranges/interval";
import { DEFAULT_RANGE, isByDays, readRange, spanOf, writeBound } from "../ranges/range";
import { type Params, type View, writeRoute } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { percentileFigures, type ResponseTimes, withPercentiles } from "./percentiles";
import "./trend";
import type { Figure, Series } from "./trend";

const words = dashboardText.details;

/** The shortest time between two loads, in ms: a report counts the rows of one thing. */
const RELOAD_MS = 10_000;

export abstract class DetailPage<Report> extends LiveElement {
  static override properties = { ...LiveElement.properties, params: { attribute: false }, zone: {}, scheme: {} };
  declare params: Params;
  /** The zone of the service's days; null while it is unknown. */
  declare zone: string | null;
  declare scheme: string;

  protected readonly report = new LatestRequest<Report>(() => this.requestUpdate());
  /** Beside the report, since they are read from histograms; by hour at the finest. */
  protected readonly times = new LatestRequest<ResponseTimes>(() => this.requestUpdate());
  #position: string | null = null;
  #loadedAt = 0;
  #asked = "";

  constructor() {
    super();
    this.params = {};
    this.zone = null;
    this.scheme = "light";
    new ClockController(this, () => true);
  }

  protected abstract readonly path: string;

  /** The parameters of the report. */
  protected abstract query(): Query;

  /** Which response times the page shows percentiles of; null: none. */
  protected timesQuery(): Query | null {
    return null;
  }

  /** The page of a report. */
  protected abstract page(report: Report): TemplateResult;

  /** What is said if there is no such thing. */
  protected abstract missing(id: string): string;

  /** The id of the thing. */
  protected get thing(): string {
    return this.params.id ?? "";
  }

  /** A notice if rows of the range have been removed, which figures that are counted from rows lack. */
  protected kept(from: string | null) {
    return from === null ? nothing : html`<p class="notice warning">${words.keptFrom(dateTime(from))}</p>`;
  }

  readonly #queries = new Map<string, Query>();

  /** The same query as before for a list inside of the page, until its thing or its range is another one. */
  protected remember(name: string, query: Query): Query {
    const key = `${name} ${this.#asked}`;
    const known = this.#queries.get(key);
    if (known) return known;
    if (this.#queries.size > 8) this.#queries.clear();
    this.#queries.set(key, query);
    return query;
  }

  protected fact(label: string, value: unknown) {
    return html`<div><dt>${label}</dt><dd>${value}</dd></div>`;
  }

  /** Links to the lists of what belongs to the thing, by filters that stay. */
  protected ways(views: readonly View[], filter: Params) {
    return html`<ul class="ways" role="list">
      ${views.map((view) => html`<li><a class="button" href=${writeRoute({ view, params: filter })}>${dashboardText.views[view]}</a></li>`)}
    </ul>`;
  }

  protected trend(series: Series, figures: readonly Figure[], view: View, filter: Params) {
    const times = this.times.result;
    const percentiles = this.timesQuery() === null ? [] : percentileFigures(times, series);
    return html`<detail-trend
      .figures=${[...figures, ...percentiles]}
      .series=${withPercentiles(series, times)}
      .route=${{ view, params: this.params }}
      .filter=${filter}
      .now=${this.now}
      .zone=${this.zone}
      .scheme=${this.scheme}
    ></detail-trend>`;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.report.abort();
    this.times.abort();
    this.#loadedAt = 0;
  }

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    const { position } = this.client.figures;
    if (changed.has("params") || changed.has("zone")) {
      const asked = JSON.stringify([this.thing, this.params.range, this.params.from, this.params.to, this.zone]);
      if (asked !== this.#asked) this.#load(JSON.parse(this.#asked || "[]")[0] !== this.thing);
      this.#asked = asked;
    } else if (position !== this.#position && Date.now() - this.#loadedAt >= RELOAD_MS) this.#load(false);
  }

  #load(discard: boolean): void {
    this.#position = this.client.figures.position;
    this.#loadedAt = Date.now();
    const query = this.query();
    void this.report.load((signal) => this.client.rest.get<Report>(this.path, query, signal), discard);
    const times = this.timesQuery();
    if (times === null) return;
    const wanted = { ...this.range(), ...times };
    const params = { ...wanted, interval: wanted.interval === "day" ? "day" : "hour" };
    void this.times.load((signal) => this.client.rest.get<ResponseTimes>("response-times", params, signal), discard);
  }

  /** The range of the page as the service takes it, in points of a length that a chart can show. */
  protected range(): { interval: string; from: string; to: string | null } {
    const range = readRange(this.params, DEFAULT_RANGE);
    const span = spanOf(range, this.now, this.zone ?? undefined);
    const interval = chooseInterval(this.params.interval, span.to - span.from, hasHours(range, span));
    const days = isByDays(range, span);
    const bound = (time: number) => writeBound(time, days, span.zone);
    return { interval, from: bound(span.from), to: span.moving ? null : bound(span.to) };
  }

  override render() {
    const { result, problem } = this.report;
    if (result) return html`${problem ? this.#problem(problem.detail) : nothing} ${this.page(result)}`;
    if (problem?.status === 404) return html`<p class="card missing">${this.missing(this.thing)}</p>`;
    if (problem) return this.#problem(problem.detail);
    return html`<div class="card loading" aria-busy="true" aria-label=${words.loading}>
      <span class="skeleton title"></span><span class="skeleton"></span><span class="skeleton"></span>
    </div>`;
  }

  #problem(detail: string) {
    return html`<div class="notice" role="alert">
      <p>${dashboardText.lists.failed}: ${detail}</p>
      <button class="button" type="button" @click=${() => this.#load(false)}>${dashboardText.lists.retry}</button>
    </div>`;
  }

  static override styles = [
    ...baseStyles,
    skeleton,
    css`
      :host {
        display: grid;
        gap: var(--space-4);
        min-width: 0;
        container-type: inline-size;
      }
      .who {
        display: flex;
        flex-wrap: wrap;
        align-items: baseline;
        gap: var(--space-1) var(--space-4);
        min-width: 0;
      }
      .who h2 {
        min-width: 0;
        font-size: var(--text-title);
        overflow-wrap: anywhere;
      }
      .facts {
        display: flex;
        flex-wrap: wrap;
        gap: var(--space-1) var(--space-5);
        margin: 0;
        color: var(--soft);
      }
      .facts div {
        display: flex;
        flex-wrap: wrap;
        gap: var(--space-2);
        min-width: 0;
      }
      .facts dd {
        margin: 0;
        min-width: 0;
        color: var(--ink);
        overflow-wrap: anywhere;
      }
      .ways {
        display: flex;
        flex-wrap: wrap;
        gap: var(--space-2);
        margin: 0;
        padding: 0;
        list-style: none;
      }
      .parts {
        display: grid;
        gap: var(--space-4);
        align-items: start;
      }
      .parts > * {
        min-width: 0;
      }
      @container (width >= 760px) {
        .parts {
          grid-template-columns: repeat(auto-fit, minmax(460px, 1fr));
        }
      }
      section {
        min-width: 0;
      }
      h3 {
        margin-bottom: var(--space-2);
      }
      p {
        margin: 0;
      }
      dashboard-table,
      dashboard-list {
        --table-height: 420px;
      }
      .missing {
        padding: var(--space-6) var(--space-4);
        overflow-wrap: anywhere;
      }
      .loading {
        display: grid;
        gap: var(--space-3);
        padding: var(--space-5);
      }
      .loading .skeleton {
        width: 60%;
        height: 14px;
      }
      .loading .title {
        width: 30%;
        height: 24px;
      }
    `,
  ];
}
