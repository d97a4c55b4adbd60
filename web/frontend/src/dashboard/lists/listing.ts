/**
 * The rows of a list: its first page, older ones on demand, and what is new on top. Bounded, however long it is open.
 */

import type { Page, Params, Rest } from "../../client/rest";
import { Question } from "../latest-request";

/** Beyond this a table is no longer read but searched: narrow the filters, or take the CSV. */
export const MAX_ROWS = 2000;

interface Held<Row> {
  rows: readonly Row[];
  next: string | null;
}

export interface Order<Row> {
  key: (row: Row) => string | number;
  /** Below 0 if `one` stands above `other`. */
  compare: (one: Row, other: Row) => number;
}

export class Listing<Row> {
  readonly #first: Question<Held<Row>>;
  readonly #older: Question<Held<Row>>;
  #path = "";
  #params: Params = {};
  #olderPages = 0;
  #quiet = false;

  constructor(
    private readonly rest: () => Rest,
    changed: () => void,
  ) {
    this.#first = new Question(changed);
    this.#older = new Question(changed);
  }

  /** Null until the first page is there. */
  get rows(): readonly Row[] | null {
    return this.#first.answer?.rows ?? null;
  }
  get more(): boolean {
    return (this.#first.answer?.next ?? null) !== null && !this.full;
  }
  get full(): boolean {
    return (this.rows?.length ?? 0) >= MAX_ROWS;
  }
  /** Whether an answer is awaited that somebody asked for. */
  get asking(): boolean {
    return this.#first.asking && !this.#quiet;
  }
  get askingOlder(): boolean {
    return this.#older.asking;
  }
  get problem() {
    return this.#first.problem ?? this.#older.problem;
  }
  /** Older pages are shown below the first one, which alone is kept up: an event with an old timestamp is missing there. */
  get deep(): boolean {
    return this.#olderPages > 0;
  }
  get asOf(): number | null {
    return this.#first.asOf;
  }

  /** Show another list, or the same one with other filters. */
  show(path: string, params: Params): void {
    this.#path = path;
    this.#params = params;
    this.#load(true);
  }

  /** Begin again with the first page. */
  refresh(): void {
    this.#load(false);
  }

  #load(afresh: boolean): void {
    this.#quiet = false;
    this.#olderPages = 0;
    this.#older.stop();
    this.#older.problem = null;
    void this.#first.ask(async (signal) => held(await this.rest().list<Row>(this.#path, this.#params, signal)), afresh);
  }

  /** Load the page behind the last row. */
  older(): void {
    const cursor = this.#first.answer?.next;
    if (!cursor || this.full || this.#first.asking || this.askingOlder) return;
    void this.#older.ask(async (signal) => {
      const page = held(await this.rest().list<Row>(this.#path, { ...this.#params, cursor }, signal));
      this.#olderPages += 1;
      this.#first.amend(({ rows }) => ({ rows: [...rows, ...page.rows], next: page.next }));
      return page;
    });
  }

  /** Put rows of the live feed where they belong. */
  merge(news: readonly Row[], order: Order<Row>): void {
    if (!this.full) this.#first.amend(({ rows, next }) => ({ rows: merged(rows, news, order), next }));
  }

  /**
   * Lay the first page, loaded anew, over the rows that are held. Where older pages were loaded they stay below it,
   * unless the two do not meet: then more has happened than one page holds, and they would follow on a gap. Says
   * whether it is asked for, which has to wait for other questions.
   */
  freshen(order: Order<Row>): boolean {
    if (this.#first.asking || this.askingOlder || this.full) return false;
    this.#quiet = true;
    void this.#first.ask(async (signal) => {
      const page = held(await this.rest().list<Row>(this.#path, this.#params, signal));
      const before = this.#first.answer;
      if (!before || this.#olderPages === 0) return page;
      const known = new Set(before.rows.map(order.key));
      if (!page.rows.some((row) => known.has(order.key(row)))) {
        this.#olderPages = 0;
        return page;
      }
      // The page's own, where both have a row: it is the newer, and whole.
      return { rows: merged(page.rows, before.rows, order), next: before.next };
    });
    return true;
  }

  stop(): void {
    this.#first.stop();
    this.#older.stop();
  }
}

function held<Row>(page: Page<Row>): Held<Row> {
  return { rows: page.items, next: page.next };
}

function merged<Row>(rows: readonly Row[], news: readonly Row[], { key, compare }: Order<Row>): readonly Row[] {
  const known = new Set(rows.map(key));
  const added = news.filter((row) => !known.has(key(row)));
  return added.length ? [...added, ...rows].sort(compare) : rows;
}
