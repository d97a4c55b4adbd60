/**
 * A table that scrolls in both directions below a sticky head; on a phone each row is a card. Its cells are text, never HTML.
 */

import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { repeat } from "lit/directives/repeat.js";
import { define } from "../../ui/define";
import { dayLabel } from "../../ui/format";
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
  /** The amount of a bar in the cell, in proportion to the largest of the column. */
  readonly bar?: (row: Row) => number;
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
    timeOf: { attribute: false },
    caption: {},
    sorted: {},
    busy: { type: Boolean },
  };
  declare columns: readonly Column<AnyRow>[];
  declare rows: readonly AnyRow[] | null;
  declare keyOf: (row: AnyRow, index: number) => unknown;
  /** The time of a row, for a table in the order of time: the rows of a day are below a heading. Null: no headings. */
  declare timeOf: ((row: AnyRow) => string) | null;
  declare caption: string;
  declare sorted: string;
  declare busy: boolean;

  constructor() {
    super();
    this.columns = [];
    this.rows = null;
    this.keyOf = (_, index) => index;
    this.timeOf = null;
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
      <table role="table">
        <caption class="visually-hidden">${this.caption}</caption>
        <thead role="rowgroup">
          <tr role="row">${this.columns.map((column) => this.#head(column))}</tr>
        </thead>
        <tbody role="rowgroup">${this.rows === null ? this.#placeholders() : this.#rows(this.rows)}</tbody>
      </table>
      <slot></slot>
    </div>`;
  }

  #head({ label, number, sort }: Column<AnyRow>): TemplateResult {
    const alignment = number ? "number" : "";
    if (!sort) return html`<th role="columnheader" scope="col" class=${alignment}>${label}</th>`;
    const isCurrent = sort.by === this.sorted;
    const arrow = isCurrent ? (sort.direction === "ascending" ? "↑" : "↓") : "↕";
    return html`<th role="columnheader" scope="col" class=${alignment} aria-sort=${isCurrent ? sort.direction : nothing}>
      <button type="button" class=${isCurrent ? "current" : ""} title=${words.sortBy(label)} @click=${() => this.dispatchEvent(new SortRequested(sort.by))}>
        ${label}<span aria-hidden="true">${arrow}</span>
      </button>
    </th>`;
  }

  #rows(rows: readonly AnyRow[]) {
    const most = this.columns.map(({ bar }) => (bar ? Math.max(...rows.map(bar)) : 0));
    const draw = (row: AnyRow) =>
      // A row that is the same object is not rendered again, so that a new row costs little in a long list.
      guard(
        [row, this.columns, ...most],
        () => html`<tr role="row">${this.columns.map((column, index) => cell(column, row, most[index] ?? 0))}</tr>`,
      );
    if (!this.timeOf) return repeat(rows, this.keyOf, draw);
    const { timeOf, keyOf } = this;
    const lines = rows.map((row, index) => {
      const day = dayLabel(timeOf(row));
      return { row, day: index === 0 || day !== dayLabel(timeOf(rows[index - 1])) ? day : null };
    });
    return repeat(
      lines,
      ({ row }, index) => keyOf(row, index),
      ({ row, day }) => html`${day === null ? nothing : this.#day(day)}${draw(row)}`,
    );
  }

  #day(label: string): TemplateResult {
    return html`<tr role="row" class="day"><th role="rowheader" scope="rowgroup" colspan=${this.columns.length}>${label}</th></tr>`;
  }

  #placeholders() {
    return Array.from(
      { length: PLACEHOLDERS },
      () =>
        html`<tr role="row" aria-hidden="true">${this.columns.map(({ number }) => html`<td role="cell" class=${number ? "number" : ""}><span class="skeleton"></span></td>`)}</tr>`,
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
        font-weight: 400;
      }
      .number {
        text-align: end;
      }
      td {
        position: relative;
      }
      .bar {
        position: absolute;
        inset: auto var(--space-4) 4px;
        width: calc(100% - 2 * var(--space-4));
        height: 3px;
      }
      .bar rect {
        fill: color-mix(in srgb, var(--accent) 55%, var(--surface));
      }
      .text {
        position: relative;
      }
      .day th {
        padding-block: var(--space-4) var(--space-2);
        background: var(--surface);
        color: var(--soft);
        font-size: var(--text-small);
      }
      tbody tr:not(.day):hover > * {
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
        font-weight: 400;
      }
      .good {
        --tone: var(--good);
      }
      .bad {
        --tone: var(--bad);
        color: var(--bad);
      }
      a.kind {
        color: inherit;
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
      /* On a phone each row is a card; the head keeps what the rows can be sorted by. */
      @media screen and (width < 600px) {
        .box {
          max-height: none;
          overflow: visible;
        }
        table,
        thead,
        tbody {
          display: block;
        }
        thead tr {
          display: flex;
          padding: var(--space-1) var(--space-2);
          border-bottom: 1px solid var(--line);
          overflow-x: auto;
          scrollbar-width: none;
        }
        thead th {
          flex: none;
          position: static;
          max-width: none;
          padding: var(--space-1) var(--space-2);
          border: 0;
          box-shadow: none;
        }
        thead th:not(:has(button)) {
          display: none;
        }
        tbody tr {
          display: grid;
          grid-template-columns: repeat(2, minmax(0, 1fr));
          gap: 6px var(--space-4);
          padding: var(--space-3);
          border-bottom: 1px solid var(--line);
        }
        tbody tr:last-child {
          border: 0;
        }
        tbody th,
        tbody td {
          max-width: none;
          padding: 0;
          border: 0;
          background: none;
        }
        tbody .number {
          text-align: start;
        }
        tbody th {
          order: -1;
          grid-column: 1 / -1;
          font-weight: var(--bold);
        }
        td::before {
          content: attr(data-label);
          display: block;
          color: var(--soft);
          font-size: var(--text-small);
        }
        .blank,
        .bar {
          display: none;
        }
        .day {
          padding-bottom: 0;
          border: 0;
        }
        .day th {
          padding: 0;
          font-weight: 400;
        }
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

function cell(column: Column<AnyRow>, row: AnyRow, most: number): TemplateResult {
  const content = column.cell(row);
  const title = typeof content === "string" && content.length > 24 ? content : nothing;
  if (column.rowHeader) return html`<th role="rowheader" scope="row" title=${title}>${content}</th>`;
  const bar = column.bar && most > 0 ? column.bar(row) / most : 0;
  return html`<td role="cell" class="${column.number ? "number" : ""} ${content === "" ? "blank" : ""}" data-label=${column.label} title=${title}>
    ${bar > 0 ? html`<svg class="bar" aria-hidden="true"><rect x="${100 - bar * 100}%" width="${bar * 100}%" height="100%" rx="1.5" /></svg>` : nothing}<span class="text">${content}</span>
  </td>`;
}

define("dashboard-table", Table);
