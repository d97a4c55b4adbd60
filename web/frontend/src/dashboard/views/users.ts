/** The users: who there is, who is active today, who does most. */

import { html } from "lit";
import { count } from "../../ui/format";
import { define } from "../../ui/define";
import { dashboardText } from "../../ui/text";
import "../lists/filters";
import type { Field } from "../lists/filters";
import { tableTime } from "../../ui/times";
import "../lists/list";
import type { Query } from "../lists/list";
import { bounds, ListView, narrowed, set } from "../lists/list-view";
import { type Params, writeRoute } from "../route";
import type { Column } from "../lists/table";

const words = dashboardText.users;

interface User {
  readonly user_id: string;
  readonly username: string | null;
  readonly first_seen: string;
  readonly last_seen: string;
  readonly activity_count: number;
}

const COLUMNS: readonly Column<User>[] = [
  {
    label: words.id,
    heads: true,
    sort: { by: "user_id", way: "ascending" },
    cell: ({ user_id }) =>
      html`<a href=${writeRoute({ view: "activity", params: { user_id } })}><bdi>${user_id}</bdi></a>`,
  },
  {
    label: words.name,
    sort: { by: "username", way: "ascending" },
    cell: ({ username }) =>
      username === null ? html`<span class="soft">${words.noName}</span>` : html`<bdi>${username}</bdi>`,
  },
  {
    label: words.activities,
    number: true,
    sort: { by: "activity_count", way: "descending" },
    cell: ({ activity_count }) => count(activity_count),
  },
  {
    label: words.firstSeen,
    sort: { by: "first_seen", way: "descending" },
    cell: ({ first_seen }) => html`<time datetime=${first_seen}>${tableTime(first_seen)}</time>`,
  },
  {
    label: words.lastSeen,
    sort: { by: "last_seen", way: "descending" },
    cell: ({ last_seen }) => html`<time datetime=${last_seen}>${tableTime(last_seen)}</time>`,
  },
  {
    label: words.conversations,
    cell: ({ user_id }) =>
      html`<a href=${writeRoute({ view: "conversations", params: { user_id } })}>${words.show}<span class="unseen"> ${words.conversationsOf(user_id)}</span></a>`,
  },
];

const FIELDS: readonly Field[] = [
  { kind: "text", name: "search", label: words.search, hint: words.searchHint },
  {
    kind: "choice",
    name: "active_only",
    label: words.which,
    options: [
      ["", words.everyone],
      ["true", words.active],
    ],
  },
  { kind: "range" },
];

/** Unlike the service's own, since one looks here for who is there now. */
const FIRST = "last_seen";

export class UsersView extends ListView {
  readonly view = "users";

  protected asked(params: Params): Query {
    return {
      ...set(params, "search", "active_only"),
      ...bounds(params, this.now),
      sort: COLUMNS.find(({ sort }) => sort?.by === params.sort)?.sort?.by ?? FIRST,
    };
  }

  override render() {
    return html`<dashboard-filters .fields=${FIELDS} .params=${this.params} @analytics-filtered=${this.filtered}></dashboard-filters>
      <dashboard-list
        .client=${this.client}
        path="users/list"
        .query=${this.query}
        .columns=${COLUMNS}
        .keyOf=${({ user_id }: User) => user_id}
        .caption=${words.title}
        .sorted=${String(this.query.sort)}
        file="users"
        .filtered=${narrowed(this.query, "sort")}
        @analytics-sorted=${this.sorted}
      ></dashboard-list>`;
  }
}

define("dashboard-users", UsersView);
