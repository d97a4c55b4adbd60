/** The route: the view and its parameters, kept in the fragment of the address. Pure. */

export const VIEWS = ["overview", "activity", "users", "conversations", "api", "days"] as const;
export type View = (typeof VIEWS)[number];

export type Params = Readonly<Record<string, string>>;

export interface Route {
  view: View;
  params: Params;
}

/** Read a fragment such as `#users?sort=last_seen`; an unknown one is the overview. */
export function parseRoute(hash: string): Route {
  const [name = "", query = ""] = splitOnce(hash.replace(/^#/, ""), "?");
  const view = VIEWS.find((known) => known === name);
  return view ? { view, params: Object.fromEntries(new URLSearchParams(query)) } : { view: "overview", params: {} };
}

/** Write the fragment of a route. Empty parameters are left out, so that each state has one address. */
export function writeRoute(route: Route): string {
  const query = new URLSearchParams(Object.entries(route.params).filter(([, value]) => value !== ""));
  return query.size ? `#${route.view}?${query}` : `#${route.view}`;
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
