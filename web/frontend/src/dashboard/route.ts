/**
 * The route: the view and its parameters, kept in the address. Pure.
 *
 * The parameters of one view are in the fragment. Those that stay while one moves through the views, such as the range, are in
 * the query, so that a link to a view (`#users?sort=last_seen`) keeps them, also in a new tab. A fragment can set them, too:
 * `#activity?from=...&to=...` opens the view with another range.
 */

/** The views of the navigation. */
export const VIEWS = [
  "overview",
  "costs",
  "explore",
  "activity",
  "users",
  "conversations",
  "messages",
  "api",
  "calls",
  "days",
  "alerts",
] as const;
/** The pages about one thing, whose id is the parameter `id`, each with the view that lists such things. */
export const PAGES = { user: "users", conversation: "conversations", endpoint: "api", model: "messages" } as const;
export type Page = keyof typeof PAGES;
export type View = (typeof VIEWS)[number] | Page;

export type Params = Readonly<Record<string, string>>;

export interface Route {
  view: View;
  params: Params;
}

/** The filters that stay while one moves through the views, under the service's names of them. */
export const FILTERS = ["user_id", "model_used", "endpoint", "activity_type", "status"] as const;
export type FilterName = (typeof FILTERS)[number];

/** The parameters that stay; to set one of a group replaces the whole group. */
const KEPT: readonly (readonly string[])[] = [["range", "from", "to"], ["compare"], ...FILTERS.map((name) => [name])];

/** Read an address, such as `#users?sort=last_seen` and `?range=7d`; an unknown view is the overview. */
export function parseRoute(hash: string, search = ""): Route {
  const kept = onlyKept(Object.fromEntries(new URLSearchParams(search)), true);
  const [name = "", query = ""] = splitOnce(hash.replace(/^#/, ""), "?");
  const params = keepParams(kept, Object.fromEntries(new URLSearchParams(query)));
  // Links of earlier versions.
  if (name === "conversations" && params.id) return { view: "conversation", params };
  const view = isPage(name) ? (params.id ? name : PAGES[name]) : VIEWS.find((known) => known === name);
  return view ? { view, params } : { view: "overview", params: kept };
}

/** Whether a view is a page about one thing. */
export function isPage(view: string): view is Page {
  return Object.hasOwn(PAGES, view);
}

/** Write a link to a route. Empty parameters are left out, so that each state has one address. */
export function writeRoute({ view, params }: Route): string {
  return `#${view}${writeQuery(params)}`;
}

/** Write the whole address of a route, after the path. */
export function writeAddress({ view, params }: Route): string {
  return writeQuery(onlyKept(params, true)) + writeRoute({ view, params: onlyKept(params, false) });
}

/** Add those of the current parameters that stay, unless the wanted ones replace them. */
export function keepParams(current: Params, wanted: Params): Params {
  const replaced = KEPT.filter((group) => group.some((name) => name in wanted)).flat();
  const kept = Object.entries(onlyKept(current, true)).filter(([name]) => !replaced.includes(name));
  return { ...Object.fromEntries(kept), ...wanted };
}

function onlyKept(params: Params, isKept: boolean): Params {
  const names = KEPT.flat();
  if (!isKept) return Object.fromEntries(Object.entries(params).filter(([name]) => !names.includes(name)));
  // In one order, so that each state has one address.
  return Object.fromEntries(names.flatMap((name) => (params[name] === undefined ? [] : [[name, params[name]]])));
}

function writeQuery(params: Params): string {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== ""));
  return query.size ? `?${query}` : "";
}

function splitOnce(value: string, separator: string): string[] {
  const at = value.indexOf(separator);
  return at < 0 ? [value] : [value.slice(0, at), value.slice(at + 1)];
}

/** Requests another address; `replace` adds no entry to the history. */
export class Navigate extends Event {
  static readonly kind = "analytics-navigate";
  constructor(
    readonly route: Route,
    readonly replace = false,
  ) {
    super(Navigate.kind, { bubbles: true, composed: true });
  }
}
