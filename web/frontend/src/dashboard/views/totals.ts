/** The totals of all time, and the active users of today, which are live. */

import { css, html } from "lit";
import { define } from "../../ui/define";
import { drawn, FIGURES } from "../../ui/figures";
import { text } from "../../ui/text";
import { skeleton } from "../../ui/theme";
import { LiveElement } from "../live-element";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";

export class Totals extends LiveElement {
  override render() {
    const { summary } = this.client.figures;
    return html`<dl aria-label=${dashboardText.totals.title}>
      ${FIGURES.map(
        ({ name, write }) => html`<div>
          <dt>${text.figures[name]}</dt>
          <dd>${summary ? write(drawn(summary[name])) : html`<span class="skeleton"></span>`}</dd>
        </div>`,
      )}
    </dl>`;
  }

  static override styles = [
    ...baseStyles,
    skeleton,
    css`
      dl {
        display: flex;
        flex-wrap: wrap;
        gap: var(--space-1) var(--space-5);
        margin: 0;
        font-size: var(--text-small);
      }
      div {
        display: flex;
        gap: 6px;
      }
      dt {
        color: var(--soft);
      }
      dd {
        margin: 0;
      }
      .skeleton {
        display: inline-block;
        width: 40px;
        height: 10px;
      }
      @media (width < 600px) {
        dl {
          display: grid;
        }
        div {
          justify-content: space-between;
        }
      }
    `,
  ];
}

define("dashboard-totals", Totals);
