/** The base of the short lists of the overview, which follow the range and, while it has no end, the live figures. */

import type { PropertyValues } from "lit";
import type { Params as QueryParams } from "../../client/rest";
import { ClockController } from "../../ui/clock-controller";
import { LatestRequest } from "../latest-request";
import { timeBounds } from "../lists/list-view";
import { LiveElement } from "../live-element";
import { Pace } from "../pace";
import type { Params } from "../route";

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
  readonly #pace = new Pace();

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

  /** Whether the figures have changed since the list was loaded, and the range has no end. */
  get #isBehind(): boolean {
    if (this.#bounds.to !== null || this.#request.isLoading || this.#request.problem) return false;
    return this.#pace.isDue(this.client.figures.position);
  }

  #load(discard: boolean): void {
    const query = { ...this.query, ...this.#bounds };
    const read = (signal: AbortSignal) => this.client.rest.list<Row>(this.path, query, signal);
    void this.#request.load(
      async (signal) => (await this.#pace.load(this.client.figures.position, () => read(signal))).items,
      discard,
    );
  }
}
