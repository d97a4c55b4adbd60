/**
 * The rows of a list: its first page, older pages on demand, and live rows on top. Their number is bounded.
 */

import type { Page, Params, Rest } from "../../client/rest";
import { LatestRequest } from "../latest-request";

/** The most rows that are shown. For others, people narrow the filters or export the CSV. */
export const MAX_ROWS = 2000;

interface Loaded<Row> {
  rows: readonly Row[];
  next: string | null;
}

export interface Order<Row> {
  key: (row: Row) => string | number;
  /** Below 0 if `one` comes before `other`. */
  compare: (one: Row, other: Row) => number;
}

export class Listing<Row> {
  readonly #first: LatestRequest<Loaded<Row>>;
  readonly #older: LatestRequest<Loaded<Row>>;
  #path = "";
  #params: Params = {};
  #olderPages = 0;
  /** Whether the request under way was not made by a person. */
  #isBackground = false;

  constructor(
    private readonly rest: () => Rest,
    onChange: () => void,
  ) {
    this.#first = new LatestRequest(onChange);
    this.#older = new LatestRequest(onChange);
  }

  /** Null until the first page is loaded. */
  get rows(): readonly Row[] | null {
    return this.#first.result?.rows ?? null;
  }
  get hasMore(): boolean {
    return (this.#first.result?.next ?? null) !== null && !this.isFull;
  }
  get isFull(): boolean {
    return (this.rows?.length ?? 0) >= MAX_ROWS;
  }
  /** Whether a request that a person made is under way. */
  get isLoading(): boolean {
    return this.#first.isLoading && !this.#isBackground;
  }
  get isLoadingOlder(): boolean {
    return this.#older.isLoading;
  }
  get problem() {
    return this.#first.problem ?? this.#older.problem;
  }
  /** Whether older pages follow the first one. They are not updated: an event with an old timestamp is missing there. */
  get hasOlderPages(): boolean {
    return this.#olderPages > 0;
  }
  get loadedAt(): number | null {
    return this.#first.loadedAt;
  }

  /** Show a list, or the same list with other filters. */
  show(path: string, params: Params): void {
    this.#path = path;
    this.#params = params;
    this.#load(true);
  }

  /** Load the first page again, and drop all others. */
  refresh(): void {
    this.#load(false);
  }

  #load(discard: boolean): void {
    this.#isBackground = false;
    this.#olderPages = 0;
    this.#older.abort();
    this.#older.problem = null;
    void this.#first.load(
      async (signal) => loaded(await this.rest().list<Row>(this.#path, this.#params, signal)),
      discard,
    );
  }

  /** Load the page after the last row. */
  loadOlder(): void {
    const cursor = this.#first.result?.next;
    if (!cursor || this.isFull || this.#first.isLoading || this.isLoadingOlder) return;
    void this.#older.load(async (signal) => {
      const page = loaded(await this.rest().list<Row>(this.#path, { ...this.#params, cursor }, signal));
      this.#olderPages += 1;
      this.#first.update(({ rows }) => ({ rows: [...rows, ...page.rows], next: page.next }));
      return page;
    });
  }

  /** Add live rows in their order. */
  merge(live: readonly Row[], order: Order<Row>): void {
    if (!this.isFull) this.#first.update(({ rows, next }) => ({ rows: mergeRows(rows, live, order), next }));
  }

  /**
   * Load the first page again. Older pages stay below it, unless there is a gap between them because more rows were added than
   * a page holds. Returns false if another request is under way, so that this one has to wait.
   */
  reloadFirstPage(order: Order<Row>): boolean {
    if (this.#first.isLoading || this.isLoadingOlder || this.isFull) return false;
    this.#isBackground = true;
    void this.#first.load(async (signal) => {
      const page = loaded(await this.rest().list<Row>(this.#path, this.#params, signal));
      const before = this.#first.result;
      if (!before || this.#olderPages === 0) return page;
      const known = new Set(before.rows.map(order.key));
      if (!page.rows.some((row) => known.has(order.key(row)))) {
        this.#olderPages = 0;
        return page;
      }
      // The rows of the page replace those before, since they are newer and complete.
      return { rows: mergeRows(page.rows, before.rows, order), next: before.next };
    });
    return true;
  }

  abort(): void {
    this.#first.abort();
    this.#older.abort();
  }
}

function loaded<Row>(page: Page<Row>): Loaded<Row> {
  return { rows: page.items, next: page.next };
}

function mergeRows<Row>(rows: readonly Row[], others: readonly Row[], { key, compare }: Order<Row>): readonly Row[] {
  const known = new Set(rows.map(key));
  const added = others.filter((row) => !known.has(key(row)));
  return added.length ? [...added, ...rows].sort(compare) : rows;
}
