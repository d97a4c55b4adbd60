/** What the views of lists have in common: filters in the address, and a list that follows them. */

import { css } from "lit";
import type { Filtered } from "./filters";
import type { Query } from "./list";
import { LiveElement } from "../live-element";
import { type Preset, readRange, spanOf, writeDate } from "../ranges/range";
import { Navigate, type Params, type View } from "../route";
import { sheet } from "../styles";
import type { Sorted } from "./table";

export abstract class ListView extends LiveElement {
  static override properties = { ...LiveElement.properties, params: { attribute: false }, zone: {} };
  declare params: Params;
  /** The zone in which the service cuts days; null: not known yet. */
  declare zone: string | null;

  abstract readonly view: View;
  protected query: Query = {};

  constructor() {
    super();
    this.params = {};
    this.zone = null;
  }

  /** What the parameters of the address ask the service for. */
  protected abstract asked(params: Params): Query;

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    // Only now, since a range such as "24 hours" begins at another moment each time.
    if (changed.has("params") || changed.has("zone")) this.query = this.asked(this.params);
  }

  protected filtered = (event: Event): void => this.#go((event as Filtered).params);

  protected sorted = (event: Event): void => this.#go({ sort: (event as Sorted).by });

  #go(changes: Params): void {
    this.dispatchEvent(new Navigate({ view: this.view, params: { ...this.params, ...changes } }, true));
  }

  static override styles = [
    ...sheet,
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

/** The parameters that are set, for the service: an empty one is none. */
export function set(params: Params, ...names: readonly string[]): Query {
  return Object.fromEntries(names.map((name) => [name, params[name] || null]));
}

/** From and to for the service; a range that follows the clock has no end. */
export function bounds(params: Params, now: number): { from: string | null; to: string | null } {
  const range = readRange(params, null);
  if (range === null) return { from: null, to: null };
  if (typeof range === "object") return { from: written(range.from), to: written(range.to) };
  const { from, to, moving } = spanOf(range, now);
  return { from: written(from), to: moving ? null : written(to) };
}

/** The same as dates, for what is kept by whole days of the service's zone: presets count from its today. */
export function dateBounds(
  params: Params,
  now: number,
  usual: Preset | null,
  zone: string | null,
): { from: string | null; to: string | null } {
  const range = readRange(params, null) ?? usual;
  if (range === null) return { from: null, to: null };
  if (typeof range === "object") return { from: writeDate(range.from) || null, to: writeDate(range.to) || null };
  const { from, to, moving } = spanOf(range, now, zone ?? undefined);
  return { from: writeDate(from, zone ?? undefined), to: moving ? null : writeDate(to, zone ?? undefined) };
}

function written(time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString();
}

/** Whether any parameter narrows the list. */
export function narrowed(query: Query, ...besides: readonly string[]): boolean {
  return Object.entries(query).some(([name, value]) => value !== null && name !== "limit" && !besides.includes(name));
}
