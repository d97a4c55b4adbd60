/** Saved views and routes: which route a view shows, and what of a route is saved. Pure. */

import type { SavedView } from "../../client/catalogue";
import { FILTERS, isPage, PAGES, type Params, type Route, VIEWS, type View } from "../route";
import { filtersOf } from "./filters";

/** What is sent to save a view. */
export interface NewView {
  readonly name: string;
  readonly page: string;
  readonly filters: Readonly<Record<string, string>>;
  readonly range: string | null;
}

/** The filter that holds the id of the thing of a page. */
const IDS = { user: "user_id", conversation: "conversation_id", endpoint: "endpoint", model: "model_used" } as const;

/** Make what is saved of a route: of a page, its thing is the filter. */
export function viewOf({ view, params }: Route, name: string): NewView {
  const thing = isPage(view) && params.id ? { [IDS[view]]: params.id } : {};
  const range = params.from || params.to ? `${params.from ?? ""}/${params.to ?? ""}` : params.range || null;
  return { name, page: view, filters: { ...Object.fromEntries(filtersOf(params)), ...thing }, range };
}

/** The route of a saved view; one that names a page of a later version is the overview. */
export function routeOf({ page, filters, range }: SavedView): Route {
  const view = ([...VIEWS, ...Object.keys(PAGES)] as View[]).find((known) => known === page) ?? "overview";
  const params: Params = {
    ...Object.fromEntries(FILTERS.map((name) => [name, filters[name] ?? ""])),
    ...rangeOf(range),
  };
  if (!isPage(view)) return { view, params };
  const id = filters[IDS[view]] ?? "";
  return { view: id === "" ? PAGES[view] : view, params: { ...params, [IDS[view]]: "", id } };
}

function rangeOf(range: string | null): Params {
  const [from = "", to] = (range ?? "").split("/");
  return to === undefined ? { range: from, from: "", to: "" } : { range: "", from, to };
}
