/** The pill that tells how fresh the figures are. On its own: `<convoai-status .client=${client}>`. */

import { css, html, LitElement, type PropertyValues } from "lit";
import type { AnalyticsClient } from "../../client/client";
import { theme } from "../theme";
import { define } from "../define";
import { type Freshness, freshness, type Kind } from "../freshness";
import { Seconds } from "../clock-controller";

/** `kind` is reflected, so that pages and tests can tell it by an attribute. Without a client it rests. */
export class StatusPill extends LitElement {
  static override properties = { client: { attribute: false }, kind: { reflect: true } };
  declare client: AnalyticsClient | null;
  declare kind: Kind | null;

  #told: Freshness | null = null;
  #said = "";
  #unsubscribe: (() => void) | undefined;

  constructor() {
    super();
    this.client = null;
    this.kind = null;
    new Seconds(this, () => this.client !== null);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#follow();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unsubscribe?.();
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("client")) this.#follow();
    if (!this.client) return;
    const { status, figures, clockOffset } = this.client;
    this.#told = freshness(status, figures, Date.now(), clockOffset);
    if (this.kind !== this.#told.kind) this.#said = this.#told.said;
    this.kind = this.#told.kind;
  }

  override render() {
    if (!this.#told) return null;
    return html`<span class="pill ${this.#told.tone}"><i class="dot"></i>${this.#told.words}</span>
      <span class="unseen" role="status">${this.#said}</span>`;
  }

  #follow(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = this.isConnected ? this.client?.subscribe(() => this.requestUpdate()) : undefined;
  }

  static override styles = [
    theme,
    css`
      :host {
        display: inline-block;
        position: relative;
        max-width: 100%;
        min-height: 24px;
      }
      .pill {
        --tone: var(--soft);
        display: inline-flex;
        align-items: center;
        gap: 7px;
        min-height: 24px;
        padding: 2px 10px 2px 9px;
        border-radius: 12px;
        background: color-mix(in srgb, var(--tone) 11%, var(--surface));
        color: var(--tone);
        font-size: var(--text-small);
        font-weight: 550;
        line-height: 1.35;
      }
      .good {
        --tone: var(--good);
      }
      .warn {
        --tone: var(--warn);
      }
      .bad {
        --tone: var(--bad);
      }
      .dot {
        flex: none;
        width: 7px;
        height: 7px;
        border-radius: 50%;
        background: currentColor;
      }
      .warn .dot,
      .calm .dot {
        animation: pulse 1.4s ease-in-out infinite;
      }
      /* A square: another shape where the colour cannot be told. */
      .bad .dot {
        border-radius: 1px;
      }
      @keyframes pulse {
        50% {
          opacity: 0.3;
        }
      }
    `,
  ];
}

define("convoai-status", StatusPill);

declare global {
  interface HTMLElementTagNameMap {
    "convoai-status": StatusPill;
  }
}
