/** The page without a session: the reason, in the service's own words, and what signs in. */

import { css, html, LitElement, nothing } from "lit";
import { plainToken } from "../../client/auth/sign-in-link";
import type { SignOutReason } from "../../client/live";
import { RestError } from "../../client/rest";
import { readWays, type Ways } from "../../client/session";
import { define } from "../../ui/define";
import { lockedIcon } from "../../ui/icons";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { continueWithProvider, signIn } from "./session";

const words = dashboardText.signedOut;

export class SignedOut extends LitElement {
  static override properties = {
    reason: {},
    refusal: {},
    ways: { state: true },
    mistake: { state: true },
    isSending: { state: true },
  };
  declare reason: SignOutReason;
  /** Why the service refused the last token or code; null if it did not. */
  declare refusal: string | null;
  /** How to sign in; null while that is not known. */
  declare ways: Ways | null;
  /** What is wrong with what was sent. */
  declare mistake: string | null;
  declare isSending: boolean;

  constructor() {
    super();
    this.reason = "missing";
    this.refusal = null;
    this.ways = null;
    this.mistake = null;
    this.isSending = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    void this.#loadWays();
  }

  override render() {
    const { title, body } = words[this.reason];
    return html`<div class="card">
      <span class="mark">${lockedIcon()}</span>
      <h1 tabindex="-1">${title}</h1>
      <p class="soft">${body}</p>
      <p class="bad" role="alert">${this.#problem()}</p>
      ${this.ways === null ? nothing : this.ways.provider === null ? this.#form() : this.#provider(this.ways.provider)}
    </div>`;
  }

  #problem() {
    if (this.mistake !== null) return this.mistake;
    const refusal = this.refusal ?? this.ways?.reason ?? null;
    return refusal === null ? nothing : explained(refusal);
  }

  #provider(name: string) {
    return html`<button class="button primary" type="button" ?disabled=${this.isSending} @click=${this.#continue}>
        ${words.continueWith(name)}
      </button>
      <details ?open=${this.refusal !== null}>
        <summary>${words.advanced}</summary>
        ${this.#form()}
      </details>`;
  }

  #form() {
    const isSecond = this.ways?.provider != null;
    return html`<form @submit=${this.#send}>
      <p>${words.how}</p>
      <pre>${words.command}</pre>
      <p class="soft">${words.orElse}</p>
      <label class="field">
        ${words.field}
        <input
          type="password"
          name="token"
          autocomplete="off"
          spellcheck="false"
          aria-describedby="kept"
          aria-invalid=${this.mistake !== null || this.refusal !== null}
        />
      </label>
      <button class=${isSecond ? "button" : "button primary"} type="submit" ?disabled=${this.isSending}>
        ${words.send}
      </button>
      <p id="kept" class="soft small">${words.kept}</p>
    </form>`;
  }

  async #loadWays(): Promise<void> {
    this.ways = await readWays().catch(() => ({ provider: null, reason: null }));
  }

  #send = async (event: Event): Promise<void> => {
    event.preventDefault();
    const input = this.renderRoot.querySelector("input");
    const token = plainToken(input?.value ?? "");
    if (token === "") {
      this.mistake = words.empty;
    } else if (await this.#attempt(async () => signIn({ token }))) {
      if (input) input.value = "";
      return;
    }
    input?.focus();
  };

  #continue = (): void => {
    void this.#attempt(async () => {
      await continueWithProvider();
      return null;
    });
  };

  /** Do what signs in, which gives the reason of a refusal. Tells whether it was not refused. */
  async #attempt(act: () => Promise<string | null>): Promise<boolean> {
    this.mistake = null;
    this.isSending = true;
    try {
      this.refusal = await act();
    } catch (error) {
      const detail = error instanceof RestError ? error.detail : "";
      this.refusal = detail || null;
      this.mistake = detail ? null : words.unreachable;
    }
    this.isSending = false;
    return this.mistake === null && this.refusal === null;
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: grid;
        place-items: center;
        min-height: 70dvh;
        padding: var(--space-4);
      }
      .card,
      form {
        display: grid;
        grid-template-columns: minmax(0, 1fr);
        gap: var(--space-3);
      }
      .card {
        width: min(100%, 420px);
        padding: var(--space-6) var(--space-5);
        box-shadow: var(--shadow);
      }
      details form {
        padding-top: var(--space-3);
      }
      summary {
        padding: var(--space-2) 0;
        color: var(--soft);
        cursor: pointer;
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
        white-space: pre-wrap;
        overflow-wrap: anywhere;
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
