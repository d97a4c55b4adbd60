/** The base of the short lists of the overview, which follow the range and, while it has no end, the live figures. */

import type { PropertyValues } from "lit";
import type { Params as QueryParams } from "../../client/rest";
import { ClockController } from "../../ui/clock-controller";
import { LatestRequest } from "../latest-request";
import { timeBounds } from "../lists/list-view";
import { LiveElement } from "../live-element";
import type { Params } from "../route";

/** The shortest time between two loads, in ms; and how many times as long as a load took the pause after it is. */
const PAUSE_MS = 2000;
const PAUSES = 5;

export abstract class RangeList<Row> extends LiveElement {
  static override properties = { ...LiveElement.properties, params: { attribute: false }, zone: {} };
  declare params: Params;
  /** The zone of the service's days; null while it is unknown. */
  declare zone: string | null;

  /** The path of the list, and what is asked of it beside the range. */
  protected abstract readonly path: string;
  protected abstract readonly query: QueryParams;

  readonly #request = new LatestRequest<readonly Row[]>(() => this.requestUpdate());
  #bounds: { from: string | null; to: string | null } = { from: null, to: null };
  #position: string | null = null;
  #sentAt = 0;
  #tookMs = 0;

  constructor() {
    super();
    this.params = {};
    this.zone = null;
    new ClockController(this, () => true);
  }

  /** Null while they are loading. */
  protected get rows(): readonly Row[] | null {
    return this.#request.result;
  }

  protected get problem() {
    return this.#request.problem;
  }

  /** The bounds of the range; null: none. */
  protected get bounds() {
    return this.#bounds;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.#load(false);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#request.abort();
  }

  override willUpdate(changed: PropertyValues<this>): void {
    const bounds = timeBounds(this.params, this.now, this.zone);
    if (changed.has("params") || changed.has("zone")) {
      const isOther = bounds.from?.slice(0, 16) !== this.#bounds.from?.slice(0, 16) || bounds.to !== this.#bounds.to;
      if (isOther || this.#request.result === null) {
        this.#bounds = bounds;
        this.#load(true);
      }
    } else if (this.#request.isRetryDue || this.#isBehind) {
      this.#bounds = bounds;
      this.#load(false);
    }
  }

  /** Whether the figures have changed, and the pause is over. */
  get #isBehind(): boolean {
    if (this.#bounds.to !== null || this.#request.isLoading || this.#request.problem) return false;
    if (this.client.figures.position === this.#position) return false;
    return Date.now() - this.#sentAt >= Math.max(PAUSE_MS, PAUSES * this.#tookMs);
  }

  #load(discard: boolean): void {
    this.#position = this.client.figures.position;
    this.#sentAt = Date.now();
    void this.#request.load(async (signal) => {
      const { items } = await this.client.rest.list<Row>(this.path, { ...this.query, ...this.#bounds }, signal);
      this.#tookMs = Date.now() - this.#sentAt;
      return items;
    }, discard);
  }
}
