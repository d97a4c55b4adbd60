/** A table in a box of its own that scrolls both ways under a sticky head. What it shows is text, whatever it holds. */

import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { guard } from "lit/directives/guard.js";
import { repeat } from "lit/directives/repeat.js";
import { define } from "../../ui/define";
import { dashboardText } from "../../ui/text";
import { bones } from "../../ui/theme";
import { sheet } from "../styles";

const words = dashboardText.lists;
const BONES = 8;

export interface Column<Row> {
  readonly label: string;
  readonly cell: (row: Row) => unknown;
  /** Aligned to the right. */
  readonly number?: true;
  /** Names the row to screen readers. */
  readonly heads?: true;
  /** The order that the service knows by this name, and which way it goes. */
  readonly sort?: { readonly by: string; readonly way: "ascending" | "descending" };
}

export class Sorted extends Event {
  static readonly kind = "analytics-sorted";
  constructor(readonly by: string) {
    super(Sorted.kind, { bubbles: true, composed: true });
  }
}

/** `rows` null: they are still to come. What follows the rows within the box is slotted. */
// biome-ignore lint/suspicious/noExplicitAny: columns and rows belong together; the caller holds them to each other.
type AnyRow = any;

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
        <caption class="unseen">${this.caption}</caption>
        <thead>
          <tr>${this.columns.map((column) => this.#head(column))}</tr>
        </thead>
        <tbody>${this.rows === null ? this.#bones() : this.#rows(this.rows)}</tbody>
      </table>
      <slot></slot>
    </div>`;
  }

  #head({ label, number, sort }: Column<AnyRow>): TemplateResult {
    const side = number ? "number" : "";
    if (!sort) return html`<th scope="col" class=${side}>${label}</th>`;
    const here = sort.by === this.sorted;
    const arrow = here ? (sort.way === "ascending" ? "↑" : "↓") : "↕";
    return html`<th scope="col" class=${side} aria-sort=${here ? sort.way : nothing}>
      <button type="button" class=${here ? "here" : ""} title=${words.sortBy(label)} @click=${() => this.dispatchEvent(new Sorted(sort.by))}>
        ${label}<span aria-hidden="true">${arrow}</span>
      </button>
    </th>`;
  }

  #rows(rows: readonly AnyRow[]) {
    // A row that is the same object is not looked at again: a long list costs little when one comes on top.
    return repeat(rows, this.keyOf, (row) =>
      guard([row, this.columns], () => html`<tr>${this.columns.map((column) => cell(column, row))}</tr>`),
    );
  }

  #bones() {
    return Array.from(
      { length: BONES },
      () =>
        html`<tr aria-hidden="true">${this.columns.map(({ number }) => html`<td class=${number ? "number" : ""}><span class="bone"></span></td>`)}</tr>`,
    );
  }

  static override styles = [
    ...sheet,
    bones,
    css`
      :host {
        display: block;
        min-width: 0;
      }
      .box {
        /* What is unseen scrolls with it, instead of widening the page. */
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
      th button.here {
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
      .bone {
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
  const held = column.cell(row);
  const title = typeof held === "string" && held.length > 24 ? held : nothing;
  if (column.heads) return html`<th scope="row" title=${title}>${held}</th>`;
  return html`<td class=${column.number ? "number" : ""} title=${title}>${held}</td>`;
}

define("dashboard-table", Table);
