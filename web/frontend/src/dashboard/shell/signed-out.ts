/** The page without a valid token: the reason, how to get a token, and an input for it. */

import { css, html, LitElement, nothing } from "lit";
import { storeToken } from "../../client/auth/token-storage";
import type { SignOutReason } from "../../client/live";
import { define } from "../../ui/define";
import { lockedIcon } from "../../ui/icons";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";

const words = dashboardText.signedOut;

/** A new token was stored. */
export class SignedIn extends Event {
  static readonly kind = "analytics-signed-in";
  constructor() {
    super(SignedIn.kind, { bubbles: true, composed: true });
  }
}

export class SignedOut extends LitElement {
  static override properties = { reason: {}, isEmpty: { state: true } };
  declare reason: SignOutReason;
  /** Whether an empty input was sent. */
  declare isEmpty: boolean;

  constructor() {
    super();
    this.reason = "missing";
    this.isEmpty = false;
  }

  override render() {
    const { title, body } = words[this.reason];
    return html`<form class="card" @submit=${this.#send}>
      <span class="mark">${lockedIcon()}</span>
      <h1 tabindex="-1">${title}</h1>
      <p class="soft">${body}</p>
      <p>${words.how}</p>
      <pre tabindex="0">${words.command}</pre>
      <p class="soft">${words.orElse}</p>
      <label class="field">
        ${words.field}
        <input
          type="password"
          name="token"
          autocomplete="off"
          spellcheck="false"
          aria-describedby="kept"
          aria-invalid=${this.isEmpty}
        />
      </label>
      <p class="bad" role="alert">${this.isEmpty ? words.empty : nothing}</p>
      <button class="button primary" type="submit">${words.send}</button>
      <p id="kept" class="soft small">${words.kept}</p>
    </form>`;
  }

  #send = (event: Event): void => {
    event.preventDefault();
    const input = this.renderRoot.querySelector("input");
    this.isEmpty = !storeToken(input?.value ?? "");
    if (this.isEmpty) {
      input?.focus();
      return;
    }
    if (input) input.value = "";
    this.dispatchEvent(new SignedIn());
  };

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: grid;
        place-items: center;
        min-height: 70dvh;
        padding: var(--space-4);
      }
      form {
        display: grid;
        gap: var(--space-3);
        width: min(100%, 420px);
        padding: var(--space-6) var(--space-5);
        box-shadow: var(--shadow);
      }
      .mark {
        display: grid;
        place-items: center;
        width: 44px;
        height: 44px;
        border-radius: 50%;
        background: var(--accent-wash);
        color: var(--accent);
      }
      h1 {
        font: var(--bold) var(--text-title) / 1.3 var(--font);
      }
      h1:focus-visible {
        outline: none;
      }
      p {
        margin: 0;
      }
      p:empty {
        display: none;
      }
      pre {
        margin: 0;
        padding: var(--space-3);
        border-radius: var(--radius-small);
        background: var(--raised);
        font: 13px/1.4 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
        overflow-x: auto;
      }
      .bad {
        color: var(--bad);
      }
      .button {
        min-height: 40px;
      }
    `,
  ];
}

define("dashboard-signed-out", SignedOut);
