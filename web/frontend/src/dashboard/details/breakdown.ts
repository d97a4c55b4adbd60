/** A table of what a thing has most of: `<detail-breakdown .caption .columns .rows>`. */

import { css, html, LitElement } from "lit";
import { define } from "../../ui/define";
import { count } from "../../ui/format";
import "../lists/table";
import type { Column } from "../lists/table";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";

const words = dashboardText.details;

// biome-ignore lint/suspicious/noExplicitAny: an element cannot be generic; the caller gives columns and rows of one type.
type AnyRow = any;

/** A column of a count, with a bar in proportion to the largest one of the rows. */
export function bar<Row>(label: string, value: (row: Row) => number): Column<Row> {
  return { label, number: true, cell: (row) => count(value(row)), bar: value };
}

export class Breakdown extends LitElement {
  static override properties = { columns: { attribute: false }, rows: { attribute: false }, caption: {} };
  declare columns: readonly Column<AnyRow>[];
  declare rows: readonly AnyRow[];
  declare caption: string;

  constructor() {
    super();
    this.columns = [];
    this.rows = [];
    this.caption = "";
  }

  override render() {
    return html`<h3>${this.caption}</h3>
      ${
        this.rows.length === 0
          ? html`<p class="card soft">${words.nothing}</p>`
          : html`<dashboard-table class="card" .columns=${this.columns} .rows=${this.rows} .caption=${this.caption}></dashboard-table>`
      }`;
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        min-width: 0;
      }
      h3 {
        margin-bottom: var(--space-2);
      }
      p {
        margin: 0;
        padding: var(--space-4);
      }
      dashboard-table {
        --table-height: 320px;
      }
    `,
  ];
}

define("detail-breakdown", Breakdown);
