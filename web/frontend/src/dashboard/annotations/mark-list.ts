/** The annotations of a range as a list, so that they can be read without a pointer, and their links opened. */

import { css, html, LitElement, nothing } from "lit";
import { define } from "../../ui/define";
import { count } from "../../ui/format";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { type Annotation, linkOf, timeOf } from "./annotation";
import { dot } from "./mark-readout";

const words = dashboardText.marks;

/** How many are shown. */
const SHOWN = 5;

export class MarkList extends LitElement {
  static override properties = { annotations: { attribute: false }, hasMore: { type: Boolean } };
  /** Latest first. */
  declare annotations: readonly Annotation[];
  /** Whether the range has more than these. */
  declare hasMore: boolean;

  constructor() {
    super();
    this.annotations = [];
    this.hasMore = false;
  }

  override render() {
    const more = this.annotations.length - SHOWN;
    return html`<h3 id="title">${words.title}</h3>
      <ul aria-labelledby="title">
        ${this.annotations.slice(0, SHOWN).map(
          (annotation) => html`<li>
            ${dot(annotation)} <b>${words.kinds[annotation.kind]}</b>
            <time class="soft small" datetime=${annotation.at}>${timeOf(annotation)}</time>
            <bdi>${annotation.text}</bdi> ${this.#link(annotation)}
          </li>`,
        )}
      </ul>
      ${more > 0 ? html`<p class="soft small">${words.more(count(more) + (this.hasMore ? "+" : ""))}</p>` : nothing}`;
  }

  #link(annotation: Annotation) {
    const link = linkOf(annotation);
    if (!link) return nothing;
    return html`<a href=${link.href} target="_blank" rel="noopener noreferrer">${link.host}</a>`;
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        min-width: 0;
        padding: var(--space-3) var(--space-4);
      }
      ul,
      p {
        margin: var(--space-1) 0 0;
        padding: 0;
        list-style: none;
      }
      li {
        padding: 2px 0;
        overflow-wrap: anywhere;
      }
    `,
  ];
}

define("dashboard-mark-list", MarkList);
