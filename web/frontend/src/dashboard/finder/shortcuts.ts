/** The dialog that lists the keyboard shortcuts. */

import { css, html, LitElement, nothing } from "lit";
import { define } from "../../ui/define";
import { VIEWS } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { GO } from "./keys";

const words = dashboardText.finder;

export class Shortcuts extends LitElement {
  open(): void {
    const dialog = this.renderRoot.querySelector("dialog");
    if (!dialog?.open) dialog?.showModal();
  }

  override render() {
    const row = (what: string, first: string, second = "") =>
      html`<div>
        <dt>${what}</dt>
        <dd><kbd>${first}</kbd>${second ? html` <span class="soft small">${words.followedBy}</span> <kbd>${second}</kbd>` : nothing}</dd>
      </div>`;
    const modifier = navigator.platform.startsWith("Mac") ? "⌘" : "Ctrl";
    return html`<dialog aria-labelledby="title">
      <h2 id="title">${words.shortcuts}</h2>
      <dl>
        ${row(words.keys.search, `${modifier} K`)}
        ${VIEWS.map((view) => row(words.keys.go(dashboardText.views[view]), "g", GO[view]))}
        ${row(words.keys.save, "s")} ${row(words.keys.refresh, "r")} ${row(words.keys.help, "?")}
      </dl>
      <form method="dialog"><button class="button">${words.close}</button></form>
    </dialog>`;
  }

  static override styles = [
    ...baseStyles,
    css`
      dialog {
        width: min(440px, 100vw - 24px);
        padding: var(--space-5);
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--surface);
        color: var(--ink);
        box-shadow: var(--shadow);
      }
      dialog::backdrop {
        background: #0007;
      }
      dl {
        margin: var(--space-3) 0;
      }
      dl div {
        display: flex;
        justify-content: space-between;
        gap: var(--space-4);
        padding: 5px 0;
        border-bottom: 1px solid var(--line);
      }
      dd {
        margin: 0;
        white-space: nowrap;
      }
      kbd {
        padding: 1px 7px;
        border: 1px solid var(--line);
        border-radius: 4px;
        background: var(--raised);
        font: inherit;
        font-size: var(--text-small);
      }
    `,
  ];
}

define("dashboard-shortcuts", Shortcuts);
