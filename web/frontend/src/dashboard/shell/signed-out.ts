/** The page without a session: the reason, in the service's own words, and what signs in. */

import { css, html, LitElement, nothing } from "lit";
import { plainToken } from "../../client/auth/sign-in-link";
import type { SignOutReason } from "../../client/live";
import { define } from "../../ui/define";
import { lockedIcon } from "../../ui/icons";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { signIn } from "./session";

const words = dashboardText.signedOut;

export class SignedOut extends LitElement {
  static override properties = { reason: {}, refusal: {}, mistake: { state: true }, isSending: { state: true } };
  declare reason: SignOutReason;
  /** Why the service refused the last token or code; null if it did not. */
  declare refusal: string | null;
  /** What is wrong with what was sent. */
  declare mistake: string | null;
  declare isSending: boolean;

  constructor() {
    super();
    this.reason = "missing";
    this.refusal = null;
    this.mistake = null;
    this.isSending = false;
  }

  override render() {
    const { title, body } = words[this.reason];
    const refusal = this.mistake === null ? this.refusal : null;
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
          aria-invalid=${this.mistake !== null || refusal !== null}
        />
      </label>
      <p class="bad" role="alert">${refusal === null ? (this.mistake ?? nothing) : explained(refusal)}</p>
      <button class="button primary" type="submit" ?disabled=${this.isSending}>${words.send}</button>
      <p id="kept" class="soft small">${words.kept}</p>
    </form>`;
  }

  #send = async (event: Event): Promise<void> => {
    event.preventDefault();
    const input = this.renderRoot.querySelector("input");
    const token = plainToken(input?.value ?? "");
    this.mistake = token === "" ? words.empty : null;
    if (token !== "") {
      this.isSending = true;
      this.refusal = await signIn({ token }).catch(() => {
        this.mistake = words.unreachable;
        return null;
      });
      this.isSending = false;
    }
    if (this.mistake !== null || this.refusal !== null) input?.focus();
    else if (input) input.value = "";
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
        overflow-wrap: anywhere;
      }
      .button {
        min-height: 40px;
      }
    `,
  ];
}

/** The service's reason; the settings that it names are set off as code. */
function explained(reason: string) {
  const parts = reason.split(/(ANALYTICS_[A-Z_]+)/);
  return html`${words.refused} ${parts.map((part, index) => (index % 2 ? html`<code>${part}</code>` : part))}`;
}

define("dashboard-signed-out", SignedOut);
