/** The base of all views with a list: its filters and the range are in the address, and its query follows them. */

import { css } from "lit";
import { LiveElement } from "../live-element";
import { DEFAULT_RANGE, dayStart, readRange, spanOf, writeDate } from "../ranges/range";
import { Navigate, type Params, type View } from "../route";
import { baseStyles } from "../styles";
import type { FiltersChanged } from "./filters";
import type { Query } from "./list";
import type { Column, SortRequested } from "./table";

export abstract class ListView extends LiveElement {
  static override properties = { ...LiveElement.properties, params: { attribute: false }, zone: {} };
  declare params: Params;
  /** The zone of the service's days; null while it is unknown. */
  declare zone: string | null;

  abstract readonly view: View;
  protected query: Query = {};

  constructor() {
    super();
    this.params = {};
    this.zone = null;
  }

  /** The query for the parameters of the address. */
  protected abstract queryOf(params: Params): Query;

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    // Only when they change, since a range such as "24 hours" begins at another moment each time.
    if (changed.has("params") || changed.has("zone")) this.query = this.queryOf(this.params);
  }

  protected changeFilters = (event: Event): void => this.#go((event as FiltersChanged).params);

  protected changeSort = (event: Event): void => this.#go({ sort: (event as SortRequested).by });

  #go(changes: Params): void {
    this.dispatchEvent(new Navigate({ view: this.view, params: { ...this.params, ...changes } }, true));
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: grid;
        gap: var(--space-4);
        min-width: 0;
      }
      p {
        margin: 0;
      }
    `,
  ];
}

/** The named parameters for the service; an empty one is null. */
export function pick(params: Params, ...names: readonly string[]): Query {
  return Object.fromEntries(names.map((name) => [name, params[name] || null]));
}

/** The order of the address if a column has it; else `usual`. */
export function sortOf<Row>(columns: readonly Column<Row>[], wanted: string | undefined, usual: string): string {
  return columns.find(({ sort }) => sort?.by === wanted)?.sort?.by ?? usual;
}

/** Whether a text has this part, in small or capital letters, as the service finds it; every text has a part of null. */
export function hasPart(text: string, part: unknown): boolean {
  return part === null || lowered(text).includes(lowered(String(part)));
}

/** Only ASCII's letters: the service's databases know no others. */
function lowered(text: string): string {
  return text.replace(/[A-Z]+/g, (capitals) => capitals.toLowerCase());
}

export interface Bounds extends Query {
  readonly from: string | null;
  readonly to: string | null;
}

/** The bounds of the page's range for the service; a range whose end follows the clock has no end. */
export function timeBounds(params: Params, now: number, zone: string | null): Bounds {
  const range = readRange(params, DEFAULT_RANGE);
  if (typeof range === "object") return { from: isoOrNull(range.from), to: isoOrNull(range.to) };
  const { from, to, moving } = spanOf(range, now, zone ?? undefined);
  return { from: isoOrNull(from), to: moving ? null : isoOrNull(to) };
}

/** The same as dates, for lists of days: the first day of the range, and the one after its last day. */
export function dateBounds(params: Params, now: number, zone: string | null): Bounds {
  const span = spanOf(readRange(params, DEFAULT_RANGE), now, zone ?? undefined);
  const after = dayStart(span.to - 1, 1, span.zone);
  return { from: writeDate(span.from, span.zone), to: span.moving ? null : writeDate(after, span.zone) };
}

function isoOrNull(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}

/** What does not filter a list: the order, the number of rows, and the range unless a person chose it. */
const NO_FILTERS: readonly string[] = ["limit", "sort", "from", "to"];

/** Whether filters or a range were chosen, which may be why a list is empty. */
export function isFiltered(query: Query, params: Params): boolean {
  if (params.range || params.from || params.to) return true;
  return Object.entries(query).some(([name, value]) => value !== null && !NO_FILTERS.includes(name));
}
