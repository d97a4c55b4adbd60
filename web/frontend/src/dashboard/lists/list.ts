/** A list of the service as a table: its pages, when they were loaded, its CSV export, and errors. */

import { css, html, nothing, type PropertyValues } from "lit";
import { ClockController } from "../../ui/clock-controller";
import { define } from "../../ui/define";
import { count, timeWithSeconds } from "../../ui/format";
import { currentFreshness } from "../../ui/freshness";
import { downloadIcon, refreshIcon } from "../../ui/icons";
import { download } from "../download";
import { problemOf, RETRY_MS } from "../latest-request";
import { LiveElement } from "../live-element";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { csvName } from "./csv-name";
import { Listing, MAX_ROWS, type Order } from "./listing";
import "./table";
import type { Column, Table } from "./table";

const words = dashboardText.lists;

/** The shortest time between two loads of the first page of a live list, in ms. */
const RELOAD_MS = 2000;

// biome-ignore lint/suspicious/noExplicitAny: as in the table, the caller gives columns and rows of the same type.
type AnyRow = any;

export type Query = Readonly<Record<string, string | number | boolean | null>>;

/** Rows of the live figures, for a list that shows them. */
export interface LiveRows<Row> {
  readonly rows: readonly Row[];
  readonly order: Order<Row>;
}

export class List extends LiveElement {
  static override properties = {
    ...LiveElement.properties,
    path: {},
    query: { attribute: false },
    columns: { attribute: false },
    keyOf: { attribute: false },
    timeOf: { attribute: false },
    caption: {},
    file: {},
    empty: {},
    sorted: {},
    filtered: { type: Boolean },
    liveRows: { attribute: false },
    isExporting: { state: true },
    exportError: { state: true },
  };
  declare path: string;
  declare query: Query;
  declare columns: readonly Column<AnyRow>[];
  declare keyOf: (row: AnyRow) => unknown;
  /** The time of a row, for a list in the order of time; else null. */
  declare timeOf: ((row: AnyRow) => string) | null;
  declare caption: string;
  /** The first part of the name of the CSV file. */
  declare file: string;
  /** What is said if there are no rows, and no filter is set. */
  declare empty: string;
  declare sorted: string;
  /** Whether filters are set, which may be why the list is empty. */
  declare filtered: boolean;
  /** Null if the list is not live. */
  declare liveRows: LiveRows<AnyRow> | null;
  declare isExporting: boolean;
  declare exportError: string;

  readonly #listing = new Listing<AnyRow>(
    () => this.client.rest,
    () => this.requestUpdate(),
  );
  /** The position of the figures when the rows were loaded. */
  #position: string | null = null;
  #loadedAt = 0;
  #isLive = false;
  #observer: IntersectionObserver | undefined;
  #observedRows: unknown = null;

  constructor() {
    super();
    this.timeOf = null;
    this.empty = words.empty;
    this.sorted = "";
    this.filtered = false;
    this.liveRows = null;
    this.isExporting = false;
    this.exportError = "";
    new ClockController(this, () => this.liveRows !== null);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    // The view is shown again: its rows stay while newer ones are loaded.
    if (this.hasUpdated) this.refresh();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#listing.abort();
    this.#observer?.disconnect();
  }

  override willUpdate(changed: PropertyValues<this>): void {
    const isLive = currentFreshness(this.client).kind === "live";
    const isBack = isLive && !this.#isLive;
    this.#isLive = isLive;
    const isOther = changed.has("path") || (changed.has("query") && !same(this.query, changed.get("query")));
    if (isOther) {
      this.exportError = "";
      this.#noteLoad();
      this.#listing.show(this.path, this.query);
    } else if (isBack && this.#listing.problem) this.refresh();
    else if (this.liveRows) this.#updateLive(this.liveRows);
  }

  #noteLoad(): void {
    this.#position = this.client.figures.position;
    this.#loadedAt = Date.now();
  }

  /** Show live rows at once, and load the first page again, since under load the live rows may not have all. */
  #updateLive(live: LiveRows<AnyRow>): void {
    const { rows, problem } = this.#listing;
    if (!rows || (this.client.figures.position === this.#position && !problem)) return;
    this.#listing.merge(live.rows, live.order);
    if (Date.now() - this.#loadedAt < (problem ? RETRY_MS : RELOAD_MS)) return;
    if (this.#listing.reloadFirstPage(live.order)) this.#noteLoad();
  }

  override render() {
    const { rows, problem } = this.#listing;
    return html`${this.#bar()} ${this.#problem()} ${problem && !rows ? nothing : this.#table()}`;
  }

  #table() {
    return html`<dashboard-table
      class="card"
      .columns=${this.columns}
      .rows=${this.#listing.rows}
      .keyOf=${this.keyOf}
      .timeOf=${this.timeOf}
      .caption=${this.caption}
      .sorted=${this.sorted}
      .busy=${this.#listing.isLoading}
    >
      ${this.#foot()}
    </dashboard-table>`;
  }

  #bar() {
    return html`<div class="bar">
      <p class="soft small" aria-live="off">${this.#status()}</p>
      <button class="button" type="button" ?disabled=${this.#listing.isLoading} @click=${this.refresh}>
        ${refreshIcon()}${words.refresh}
      </button>
      <button class="button" type="button" ?disabled=${this.isExporting} aria-busy=${this.isExporting} @click=${this.#export}>
        ${downloadIcon()}${this.isExporting ? words.csvRunning : words.csv}
      </button>
    </div>`;
  }

  #status() {
    const { loadedAt, isLoading, isFull, hasOlderPages, problem } = this.#listing;
    if (isLoading) return words.loading;
    if (loadedAt === null) return nothing;
    if (this.liveRows && !isFull && !problem && currentFreshness(this.client).kind === "live") {
      return html`<span class="live">${hasOlderPages ? words.liveTop : words.live}</span>`;
    }
    const since = this.client.figures.position !== this.#position ? ` · ${words.changed}` : "";
    return words.asOf(timeWithSeconds(loadedAt)) + since;
  }

  #problem() {
    const { problem } = this.#listing;
    if (this.exportError)
      return html`<div class="notice" role="alert"><p>${words.csvFailed(this.exportError)}</p></div>`;
    if (!problem) return nothing;
    const message = problem.field ? `${problem.field}: ${problem.detail}` : problem.detail;
    return html`<div class="notice" role="alert">
      <p><strong>${words.failed}:</strong> ${message}</p>
      <button class="button" type="button" @click=${this.refresh}>${words.retry}</button>
    </div>`;
  }

  #foot() {
    const { rows, hasMore, isLoadingOlder, isFull, problem } = this.#listing;
    if (!rows) return nothing;
    if (!rows.length) return html`<p class="foot empty">${this.filtered ? words.emptyFiltered : this.empty}</p>`;
    if (isFull) return html`<p class="foot soft small">${words.full(count(MAX_ROWS))}</p>`;
    if (!hasMore) return html`<p class="foot soft small">${words.end(count(rows.length))}</p>`;
    return html`<div class="foot">
      <button id="older" class="button" type="button" ?disabled=${isLoadingOlder} @click=${this.#loadOlder}>
        ${isLoadingOlder ? words.loadingMore : this.liveRows ? words.older : words.more}
      </button>
      ${problem ? nothing : html`<i id="sentinel"></i>`}
    </div>`;
  }

  /** Load the next page when a person scrolls near the end of the table. */
  override updated(): void {
    if (this.#observedRows === this.#listing.rows) return;
    this.#observedRows = this.#listing.rows;
    this.#observer?.disconnect();
    const sentinel = this.renderRoot.querySelector("#sentinel");
    const box = this.renderRoot.querySelector<Table>("dashboard-table")?.box;
    // Only after scrolling, since the first page may be shorter than the screen.
    if (!sentinel || !box) return;
    this.#observer = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting && (box.scrollTop > 0 || scrollY > 0)) this.#loadOlder();
      },
      // On a phone the page scrolls, not the box.
      { root: box.scrollHeight > box.clientHeight ? box : null, rootMargin: "0px 0px 400px 0px" },
    );
    this.#observer.observe(sentinel);
  }

  #loadOlder = (): void => this.#listing.loadOlder();

  refresh = (): void => {
    this.#noteLoad();
    this.#listing.refresh();
  };

  #export = async (): Promise<void> => {
    this.isExporting = true;
    this.exportError = "";
    try {
      const { limit: _, ...filters } = this.query;
      download(await this.client.rest.csv(this.path, filters), csvName(this.file, filters, Date.now()));
    } catch (error) {
      this.exportError = problemOf(error).detail;
    }
    this.isExporting = false;
  };

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: grid;
        gap: var(--space-3);
        min-width: 0;
      }
      .bar {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: var(--space-2);
      }
      .bar p {
        flex: 1 1 160px;
        margin: 0;
      }
      .live {
        color: var(--good);
        font-weight: 400;
      }
      .live::before {
        content: "";
        display: inline-block;
        width: 7px;
        height: 7px;
        margin-right: 6px;
        border-radius: 50%;
        background: currentColor;
      }
      .foot {
        position: sticky;
        left: 0;
        margin: 0;
        padding: var(--space-4);
        text-align: center;
      }
      @media (width < 480px) {
        .bar p {
          flex-basis: 100%;
        }
        .bar .button {
          flex: 1;
        }
      }
      @media print {
        .foot {
          position: static;
        }
      }
      .empty {
        padding: var(--space-6) var(--space-4);
        color: var(--soft);
      }
    `,
  ];
}

function same(one: Query, other: Query | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

define("dashboard-list", List);
