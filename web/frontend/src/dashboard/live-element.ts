/** What every part of the page is: an element that hears of new figures. */

import { LitElement } from "lit";
import type { AnalyticsClient } from "../client/client";

export class LiveElement extends LitElement {
  static override properties: Record<string, object> = { client: { attribute: false } };
  declare client: AnalyticsClient;

  #unsubscribe: (() => void) | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unsubscribe = this.client.subscribe(() => this.heard());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unsubscribe?.();
  }

  /** New figures, or another status; at most once a frame. */
  protected heard(): void {
    this.requestUpdate();
  }

  /** The service's clock, in ms since 1970. */
  protected get now(): number {
    return Date.now() + this.client.clockOffset;
  }
}
