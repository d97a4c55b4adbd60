/** A label with the status of the figures: `<convoai-status .client=${client}>`. */

import { css, html, LitElement, type PropertyValues } from "lit";
import type { AnalyticsClient } from "../../client/client";
import { ClockController } from "../clock-controller";
import { define } from "../define";
import { currentFreshness, type Freshness, type Kind } from "../freshness";
import { theme } from "../theme";

/** `kind` is an attribute too, for pages and tests. Without a client it does not update. */
export class StatusPill extends LitElement {
  static override properties = { client: { attribute: false }, kind: { reflect: true } };
  declare client: AnalyticsClient | null;
  declare kind: Kind | null;

  #freshness: Freshness | null = null;
  #spoken = "";
  #unsubscribe: (() => void) | undefined;

  constructor() {
    super();
    this.client = null;
    this.kind = null;
    new ClockController(this, () => this.client !== null);
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
    this.#freshness = currentFreshness(this.client);
    if (this.kind !== this.#freshness.kind) this.#spoken = this.#freshness.spoken;
    this.kind = this.#freshness.kind;
  }

  override render() {
    if (!this.#freshness) return null;
    return html`<span class="pill ${this.#freshness.tone}"><i class="dot"></i>${this.#freshness.text}</span>
      <span class="visually-hidden" role="status">${this.#spoken}</span>`;
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
        justify-content: center;
        gap: 7px;
        /* Of one width, whatever the age says. */
        min-width: 112px;
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
      .neutral .dot {
        animation: pulse 1.4s ease-in-out infinite;
      }
      /* A square, for people who cannot tell the colours apart. */
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
