/** The list of users. */

import { html } from "lit";
import type { User } from "../../client/catalogue";
import { define } from "../../ui/define";
import { count, dateTime, moment } from "../../ui/format";
import { userLink } from "../links";
import "../lists/filters";
import type { Field } from "../lists/filters";
import "../lists/list";
import type { Query } from "../lists/list";
import { isFiltered, ListView, pick, sortOf, timeBounds } from "../lists/list-view";
import type { Column } from "../lists/table";
import { type Params, writeRoute } from "../route";
import { dashboardText } from "../text";

const words = dashboardText.users;

const COLUMNS: readonly Column<User>[] = [
  {
    label: words.id,
    rowHeader: true,
    sort: { by: "user_id", direction: "ascending" },
    cell: ({ user_id }) => userLink(user_id),
  },
  {
    label: words.name,
    sort: { by: "username", direction: "ascending" },
    cell: ({ username }) =>
      username === null ? html`<span class="soft">${words.noName}</span>` : html`<bdi>${username}</bdi>`,
  },
  {
    label: words.activities,
    number: true,
    sort: { by: "activity_count", direction: "descending" },
    cell: ({ activity_count }) => count(activity_count),
    bar: ({ activity_count }) => activity_count,
  },
  {
    label: words.firstSeen,
    sort: { by: "first_seen", direction: "descending" },
    cell: ({ first_seen }) =>
      html`<time datetime=${first_seen} title=${dateTime(first_seen)}>${moment(first_seen)}</time>`,
  },
  {
    label: words.lastSeen,
    sort: { by: "last_seen", direction: "descending" },
    cell: ({ last_seen }) => html`<time datetime=${last_seen} title=${dateTime(last_seen)}>${moment(last_seen)}</time>`,
  },
  {
    label: words.conversations,
    cell: ({ user_id }) =>
      html`<a href=${writeRoute({ view: "conversations", params: { user_id } })}>${words.show}<span class="visually-hidden"> ${words.conversationsOf(user_id)}</span></a>`,
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
];

/** Other than the service's default order, since people look here for users who are active now. */
const DEFAULT_SORT = "last_seen";

export class UsersView extends ListView {
  readonly view = "users";

  protected queryOf(params: Params): Query {
    return {
      ...pick(params, "search", "active_only"),
      ...timeBounds(params, this.now, this.zone),
      sort: sortOf(COLUMNS, params.sort, DEFAULT_SORT),
    };
  }

  override render() {
    return html`<dashboard-filters .fields=${FIELDS} .params=${this.params} @analytics-filtered=${this.changeFilters}></dashboard-filters>
      <dashboard-list
        .client=${this.client}
        path="users/list"
        .query=${this.query}
        .columns=${COLUMNS}
        .keyOf=${({ user_id }: User) => user_id}
        .caption=${words.title}
        .empty=${words.empty}
        .sorted=${String(this.query.sort)}
        file="users"
        .filtered=${isFiltered(this.query, this.params)}
        @analytics-sorted=${this.changeSort}
      ></dashboard-list>`;
  }
}

define("dashboard-users", UsersView);
