/** The annotations of a range: they are loaded again when the figures change, as an annotation moves their position too. */

import type { AnalyticsClient } from "../../client/client";
import type { Page } from "../../client/rest";
import { LatestRequest, type Problem } from "../latest-request";
import { Pace } from "../pace";
import type { Annotation } from "./annotation";

/** How many are read, the latest ones. */
const LIMIT = 200;

const NONE: readonly Annotation[] = [];

export class RangeAnnotations {
  readonly #request: LatestRequest<Page<Annotation>>;
  readonly #pace = new Pace();
  #wanted = "";

  constructor(
    private readonly client: () => AnalyticsClient,
    onChange: () => void,
  ) {
    this.#request = new LatestRequest(onChange);
  }

  /** Latest first; empty until they are loaded. */
  get all(): readonly Annotation[] {
    return this.#request.result?.items ?? NONE;
  }

  /** Whether the range has more than were read. */
  get hasMore(): boolean {
    return (this.#request.result?.next ?? null) !== null;
  }

  get problem(): Problem | null {
    return this.#request.problem;
  }

  /** Load those between two times if that is due; to be called at each change, and each second. */
  update(from: number, to: number): void {
    const { rest, figures } = this.client();
    const wanted = `${from} ${to}`;
    const isBehind = this.#request.problem ? this.#request.isRetryDue : this.#pace.isDue(figures.position);
    if (wanted === this.#wanted && (this.#request.isLoading || !isBehind)) return;
    this.#wanted = wanted;
    const params = { from: new Date(from).toISOString(), to: new Date(to).toISOString(), limit: LIMIT };
    void this.#request.load((signal) =>
      this.#pace.load(figures.position, () => rest.list<Annotation>("annotations", params, signal)),
    );
  }

  stop(): void {
    this.#request.abort();
    this.#wanted = "";
  }
}
