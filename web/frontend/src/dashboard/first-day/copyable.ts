/** A program or command with a button that copies it: `<dashboard-copyable .code=${code} label="...">`. */

import { css, html, LitElement, type PropertyValues } from "lit";
import { define } from "../../ui/define";
import { checkIcon, copyIcon } from "../../ui/icons";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";

const words = dashboardText.firstDay;
/** How long the button says that the text was copied, in ms. */
const SHOWN_MS = 3000;

export class Copyable extends LitElement {
  static override properties = { code: {}, label: {}, result: { state: true } };
  declare code: string;
  /** What it is, for screen readers. */
  declare label: string;
  /** What became of the last copy. */
  declare result: "" | "copied" | "selected";

  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.code = "";
    this.label = "";
    this.result = "";
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#timer);
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("code")) this.result = "";
  }

  override render() {
    const said = this.result === "" ? "" : words[this.result];
    return html`<pre tabindex="0" role="region" aria-label=${this.label}><code>${this.code}</code></pre>
      <button class="button" type="button" aria-label=${said || `${words.copy}: ${this.label}`} @click=${this.#copy}>
        ${this.result === "copied" ? checkIcon() : copyIcon()}${said || words.copy}
      </button>
      <p class="visually-hidden" role="status">${said}</p>`;
  }

  #copy = async (): Promise<void> => {
    clearTimeout(this.#timer);
    try {
      await navigator.clipboard.writeText(this.code);
      this.result = "copied";
    } catch {
      // A page that is served without TLS under a name has no clipboard: the text is selected, for the keyboard to copy.
      this.#select();
      this.result = "selected";
    }
    this.#timer = setTimeout(() => {
      this.result = "";
    }, SHOWN_MS);
  };

  #select(): void {
    const code = this.renderRoot.querySelector("code");
    if (code) getSelection()?.selectAllChildren(code);
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: flex;
        min-width: 0;
        border: 1px solid var(--line);
        border-radius: var(--radius-small);
        background: var(--raised);
      }
      pre {
        flex: 1;
        min-width: 0;
        margin: 0;
        padding: var(--space-3) var(--space-4);
        font: 400 13px / 1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
        overflow-x: auto;
      }
      .button {
        flex: none;
        align-self: start;
        min-height: 30px;
        margin: 6px;
        font-size: 13px;
      }
      .button .icon {
        width: 16px;
        height: 16px;
      }
      @media (width < 600px) {
        :host {
          flex-direction: column-reverse;
        }
        .button {
          align-self: end;
          margin-bottom: 0;
        }
        pre {
          flex: none;
        }
      }
    `,
  ];
}

define("dashboard-copyable", Copyable);
