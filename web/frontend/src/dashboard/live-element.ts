/** The base of all elements that show live figures. */

import { LitElement } from "lit";
import type { AnalyticsClient } from "../client/client";

export class LiveElement extends LitElement {
  static override properties: Record<string, object> = { client: { attribute: false } };
  declare client: AnalyticsClient;

  #unsubscribe: (() => void) | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#unsubscribe = this.client.subscribe(() => this.onClientChange());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#unsubscribe?.();
  }

  /** Called after figures or status changed, at most once per animation frame. */
  protected onClientChange(): void {
    this.requestUpdate();
  }

  /** The service's time, in ms since 1970. */
  protected get now(): number {
    return Date.now() + this.client.clockOffset;
  }
}
