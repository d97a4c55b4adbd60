/** A list of the service as a table: its pages, how fresh it is, its CSV, and what goes wrong on the way. */

import { css, html, nothing, type PropertyValues } from "lit";
import { count } from "../../ui/format";
import { icon } from "../../ui/icons";
import { define } from "../../ui/define";
import { Seconds } from "../../ui/clock-controller";
import { dashboardText } from "../../ui/text";
import { csvName } from "./csv-name";
import { clockTime } from "../../ui/times";
import { fresh } from "../freshness";
import { glyph } from "../../ui/icons2";
import { Listing, MAX_ROWS, type Order } from "./listing";
import { LiveElement } from "../live-element";
import { problemOf, RETRY_EVERY } from "../latest-request";
import { sheet } from "../styles";
import "./table";
import type { Column, Table } from "./table";

const words = dashboardText.lists;

/** How often the first page of a live list is loaded again, while there is news; and after a failure. */
const FRESHEN_EVERY = 2000;

// biome-ignore lint/suspicious/noExplicitAny: as in the table, a list's columns and rows belong together.
type AnyRow = any;

export type Query = Readonly<Record<string, string | number | boolean | null>>;

/** What a list shows that follows the live feed. */
export interface News<Row> {
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
    caption: {},
    file: {},
    sorted: {},
    filtered: { type: Boolean },
    news: { attribute: false },
    exporting: { state: true },
    failure: { state: true },
  };
  declare path: string;
  declare query: Query;
  declare columns: readonly Column<AnyRow>[];
  declare keyOf: (row: AnyRow) => unknown;
  declare caption: string;
  /** What the CSV is called. */
  declare file: string;
  declare sorted: string;
  /** Whether filters are set, which is why a list may be empty. */
  declare filtered: boolean;
  /** New rows of the live feed; null: this list is not live. */
  declare news: News<AnyRow> | null;
  declare exporting: boolean;
  declare failure: string;

  readonly #listing = new Listing<AnyRow>(
    () => this.client.rest,
    () => this.requestUpdate(),
  );
  #position: string | null = null;
  #freshenedAt = 0;
  #sight: IntersectionObserver | undefined;
  #seen: unknown = null;

  constructor() {
    super();
    this.sorted = "";
    this.filtered = false;
    this.news = null;
    this.exporting = false;
    this.failure = "";
    new Seconds(this, () => this.news !== null);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#listing.stop();
    this.#sight?.disconnect();
  }

  override willUpdate(changed: PropertyValues<this>): void {
    const other = changed.has("path") || (changed.has("query") && !same(this.query, changed.get("query")));
    if (other) {
      this.failure = "";
      this.#asked();
      this.#listing.show(this.path, this.query);
    } else if (this.news) this.#keepUp(this.news);
  }

  #asked(): void {
    this.#position = this.client.figures.position;
    this.#freshenedAt = Date.now();
  }

  /** News are shown at once; what they leave out, as under load they may, follows with the first page. */
  #keepUp(news: News<AnyRow>): void {
    const { rows, problem } = this.#listing;
    if (!rows || (this.client.figures.position === this.#position && !problem)) return;
    this.#listing.merge(news.rows, news.order);
    if (Date.now() - this.#freshenedAt < (problem ? RETRY_EVERY : FRESHEN_EVERY)) return;
    if (this.#listing.freshen(news.order)) this.#asked();
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
      .caption=${this.caption}
      .sorted=${this.sorted}
      .busy=${this.#listing.asking}
    >
      ${this.#foot()}
    </dashboard-table>`;
  }

  #bar() {
    return html`<div class="bar">
      <p class="soft small" aria-live="off">${this.#freshness()}</p>
      <button class="button" type="button" ?disabled=${this.#listing.asking} @click=${this.refresh}>
        ${icon("refresh")}${words.refresh}
      </button>
      <button class="button" type="button" ?disabled=${this.exporting} aria-busy=${this.exporting} @click=${this.#export}>
        ${glyph("download")}${this.exporting ? words.csvRunning : words.csv}
      </button>
    </div>`;
  }

  #freshness() {
    const { asOf, asking, full, deep, problem } = this.#listing;
    if (asking) return words.loading;
    if (asOf === null) return nothing;
    if (this.news && !full && !problem && fresh(this.client).kind === "live") {
      return html`<span class="live">${deep ? words.liveTop : words.live}</span>`;
    }
    const since = this.client.figures.position !== this.#position ? ` · ${words.changed}` : "";
    return words.asOf(clockTime(asOf)) + since;
  }

  #problem() {
    const { problem } = this.#listing;
    if (this.failure) return html`<div class="notice" role="alert"><p>${words.csvFailed(this.failure)}</p></div>`;
    if (!problem) return nothing;
    const said = problem.field ? `${problem.field}: ${problem.detail}` : problem.detail;
    return html`<div class="notice" role="alert">
      <p><strong>${words.failed}:</strong> ${said}</p>
      <button class="button" type="button" @click=${this.refresh}>${words.retry}</button>
    </div>`;
  }

  #foot() {
    const { rows, more, askingOlder, full, problem } = this.#listing;
    if (!rows) return nothing;
    if (!rows.length) return html`<p class="foot empty">${this.filtered ? words.emptyFiltered : words.empty}</p>`;
    if (full) return html`<p class="foot soft small">${words.full(count(MAX_ROWS))}</p>`;
    if (!more) return html`<p class="foot soft small">${words.end(count(rows.length))}</p>`;
    return html`<div class="foot">
      <button id="older" class="button" type="button" ?disabled=${askingOlder} @click=${this.#older}>
        ${askingOlder ? words.loadingMore : this.news ? words.older : words.more}
      </button>
      ${problem ? nothing : html`<i id="sentinel"></i>`}
    </div>`;
  }

  /** Pages are loaded as one scrolls: when the end of the table comes near. */
  override updated(): void {
    if (this.#seen === this.#listing.rows) return;
    this.#seen = this.#listing.rows;
    this.#sight?.disconnect();
    const sentinel = this.renderRoot.querySelector("#sentinel");
    const box = this.renderRoot.querySelector<Table>("dashboard-table")?.box;
    // Not before somebody scrolls: the first page may be shorter than the screen.
    if (!sentinel || !box) return;
    this.#sight = new IntersectionObserver(
      ([seen]) => {
        if (seen?.isIntersecting && box.scrollTop > 0) this.#older();
      },
      { root: box, rootMargin: "0px 0px 400px 0px" },
    );
    this.#sight.observe(sentinel);
  }

  #older = (): void => this.#listing.older();

  refresh = (): void => {
    this.#asked();
    this.#listing.refresh();
  };

  #export = async (): Promise<void> => {
    this.exporting = true;
    this.failure = "";
    try {
      const { limit: _, ...filters } = this.query;
      save(await this.client.rest.csv(this.path, filters), csvName(this.file, filters, Date.now()));
    } catch (error) {
      this.failure = problemOf(error).detail;
    }
    this.exporting = false;
  };

  static override styles = [
    ...sheet,
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
        font-weight: 550;
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

function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // Some browsers read it only after the click.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

define("dashboard-list", List);
