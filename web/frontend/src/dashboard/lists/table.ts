/** A table that scrolls in both directions below a sticky head. Its cells are text, never HTML. */

import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { repeat } from "lit/directives/repeat.js";
import { define } from "../../ui/define";
import { skeleton } from "../../ui/theme";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";

const words = dashboardText.lists;
/** How many placeholder rows are shown while the first page is loading. */
const PLACEHOLDERS = 8;

export interface Column<Row> {
  readonly label: string;
  readonly cell: (row: Row) => unknown;
  /** Whether the cells are numbers, which are aligned to the right. */
  readonly number?: true;
  /** Whether the cell is the header of its row for screen readers. */
  readonly rowHeader?: true;
  /** The service's name of the order by this column, and its direction. */
  readonly sort?: { readonly by: string; readonly direction: "ascending" | "descending" };
}

/** Requests another order. */
export class SortRequested extends Event {
  static readonly kind = "analytics-sorted";
  constructor(readonly by: string) {
    super(SortRequested.kind, { bubbles: true, composed: true });
  }
}

// biome-ignore lint/suspicious/noExplicitAny: an element cannot be generic; the caller gives columns and rows of one type.
type AnyRow = any;

/** `rows` is null while they are loading. The slot is below the rows, in the same scrolling box. */
export class Table extends LitElement {
  static override properties = {
    columns: { attribute: false },
    rows: { attribute: false },
    keyOf: { attribute: false },
    caption: {},
    sorted: {},
    busy: { type: Boolean },
  };
  declare columns: readonly Column<AnyRow>[];
  declare rows: readonly AnyRow[] | null;
  declare keyOf: (row: AnyRow, index: number) => unknown;
  declare caption: string;
  declare sorted: string;
  declare busy: boolean;

  constructor() {
    super();
    this.columns = [];
    this.rows = null;
    this.keyOf = (_, index) => index;
    this.caption = "";
    this.sorted = "";
    this.busy = false;
  }

  /** The box that scrolls. */
  get box(): HTMLElement | null {
    return this.renderRoot.querySelector(".box");
  }

  override render() {
    return html`<div class="box" role="region" aria-label=${this.caption} tabindex="0" aria-busy=${this.busy || this.rows === null}>
      <table>
        <caption class="visually-hidden">${this.caption}</caption>
        <thead>
          <tr>${this.columns.map((column) => this.#head(column))}</tr>
        </thead>
        <tbody>${this.rows === null ? this.#placeholders() : this.#rows(this.rows)}</tbody>
      </table>
      <slot></slot>
    </div>`;
  }

  #head({ label, number, sort }: Column<AnyRow>): TemplateResult {
    const alignment = number ? "number" : "";
    if (!sort) return html`<th scope="col" class=${alignment}>${label}</th>`;
    const isCurrent = sort.by === this.sorted;
    const arrow = isCurrent ? (sort.direction === "ascending" ? "↑" : "↓") : "↕";
    return html`<th scope="col" class=${alignment} aria-sort=${isCurrent ? sort.direction : nothing}>
      <button type="button" class=${isCurrent ? "current" : ""} title=${words.sortBy(label)} @click=${() => this.dispatchEvent(new SortRequested(sort.by))}>
        ${label}<span aria-hidden="true">${arrow}</span>
      </button>
    </th>`;
  }

  #rows(rows: readonly AnyRow[]) {
    // A row that is the same object is not rendered again, so that a new row costs little in a long list.
    return repeat(rows, this.keyOf, (row) =>
      guard([row, this.columns], () => html`<tr>${this.columns.map((column) => cell(column, row))}</tr>`),
    );
  }

  #placeholders() {
    return Array.from(
      { length: PLACEHOLDERS },
      () =>
        html`<tr aria-hidden="true">${this.columns.map(({ number }) => html`<td class=${number ? "number" : ""}><span class="skeleton"></span></td>`)}</tr>`,
    );
  }

  static override styles = [
    ...baseStyles,
    skeleton,
    css`
      :host {
        display: block;
        min-width: 0;
      }
      .box {
        /* Visually hidden text scrolls with the box, instead of widening the page. */
        position: relative;
        max-height: var(--table-height, max(320px, 100dvh - 318px));
        overflow: auto;
        overscroll-behavior-x: contain;
        border-radius: inherit;
        scrollbar-width: thin;
      }
      .box:focus-visible {
        outline-offset: -2px;
      }
      table {
        width: 100%;
        border-collapse: separate;
        border-spacing: 0;
      }
      th,
      td {
        max-width: 300px;
        padding: 9px var(--space-4);
        border-bottom: 1px solid var(--line);
        overflow: hidden;
        text-align: start;
        text-overflow: ellipsis;
        white-space: nowrap;
        font-weight: 400;
      }
      tbody tr:last-child > * {
        border-bottom-color: transparent;
      }
      thead th {
        position: sticky;
        top: 0;
        z-index: 1;
        background: var(--surface);
        box-shadow: inset 0 -1px var(--line);
        color: var(--soft);
        font-size: var(--text-small);
        font-weight: 550;
      }
      .number {
        text-align: end;
      }
      tbody tr:hover > * {
        background: color-mix(in srgb, var(--raised) 55%, var(--surface));
      }
      th button {
        display: inline-flex;
        gap: 4px;
        margin: -4px -6px;
        padding: 4px 6px;
        border: 0;
        border-radius: 4px;
        background: none;
        color: inherit;
        font: inherit;
        white-space: nowrap;
        cursor: pointer;
      }
      th button:hover,
      th button.current {
        color: var(--ink);
      }
      .badge {
        display: inline-block;
        padding: 1px 8px;
        border-radius: 10px;
        background: color-mix(in srgb, var(--tone, var(--soft)) 11%, var(--surface));
        color: var(--tone, var(--soft));
        font-size: var(--text-small);
        font-weight: 550;
      }
      .good {
        --tone: var(--good);
      }
      .bad {
        --tone: var(--bad);
        color: var(--bad);
      }
      .kind {
        display: inline-flex;
        align-items: center;
        gap: 6px;
        vertical-align: top;
      }
      .kind svg {
        flex: none;
        width: 18px;
        height: 18px;
        color: var(--soft);
      }
      /* On paper nothing scrolls: all rows are printed, and long cells get more lines. */
      @media print {
        .box {
          max-height: none;
          overflow: visible;
        }
        thead th {
          position: static;
        }
        th,
        td {
          max-width: none;
          padding: 3px 6px;
          font-size: 11px;
          overflow-wrap: anywhere;
          white-space: normal;
        }
        th button {
          white-space: normal;
        }
        th button span {
          display: none;
        }
        tr {
          break-inside: avoid;
        }
      }
      .skeleton {
        display: inline-block;
        width: 60%;
        min-width: 48px;
        height: 12px;
        vertical-align: middle;
      }
    `,
  ];
}

function cell(column: Column<AnyRow>, row: AnyRow): TemplateResult {
  const content = column.cell(row);
  const title = typeof content === "string" && content.length > 24 ? content : nothing;
  if (column.rowHeader) return html`<th scope="row" title=${title}>${content}</th>`;
  return html`<td class=${column.number ? "number" : ""} title=${title}>${content}</td>`;
}

define("dashboard-table", Table);
