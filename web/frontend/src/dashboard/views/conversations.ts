/** The list of conversations. */

import { html } from "lit";
import type { Conversation } from "../../client/catalogue";
import { define } from "../../ui/define";
import { count, dateTime, moment, seconds } from "../../ui/format";
import { conversationLink, userLink } from "../links";
import "../lists/filters";
import type { Field } from "../lists/filters";
import "../lists/list";
import type { Query } from "../lists/list";
import { isFiltered, ListView, pick, sortOf, timeBounds } from "../lists/list-view";
import type { Column } from "../lists/table";
import type { Params } from "../route";
import { dashboardText } from "../text";

const words = dashboardText.conversations;

export const CONVERSATIONS: readonly Column<Conversation>[] = [
  {
    label: words.id,
    rowHeader: true,
    cell: ({ conversation_id }) => conversationLink(conversation_id),
  },
  { label: words.user, cell: ({ user_id }) => userLink(user_id) },
  {
    label: words.status,
    cell: ({ status }) =>
      html`<span class="badge ${status === "active" ? "good" : ""}">${words.statuses[status] ?? status}</span>`,
  },
  {
    label: words.messages,
    sort: { by: "message_count", direction: "descending" },
    number: true,
    cell: ({ message_count }) => count(message_count),
  },
  {
    label: words.tokens,
    sort: { by: "total_tokens", direction: "descending" },
    number: true,
    cell: ({ total_tokens }) => count(total_tokens),
    bar: ({ total_tokens }) => total_tokens,
  },
  {
    label: words.responseTime,
    sort: { by: "avg_response_time", direction: "descending" },
    number: true,
    cell: ({ avg_response_time }) => seconds(avg_response_time),
  },
  {
    label: words.created,
    sort: { by: "created_at", direction: "descending" },
    cell: ({ created_at }) =>
      html`<time datetime=${created_at} title=${dateTime(created_at)}>${moment(created_at)}</time>`,
  },
  {
    label: words.updated,
    sort: { by: "updated_at", direction: "descending" },
    cell: ({ updated_at }) =>
      html`<time datetime=${updated_at} title=${dateTime(updated_at)}>${moment(updated_at)}</time>`,
  },
];

const FIELDS: readonly Field[] = [
  { kind: "text", name: "user_id", label: words.user },
  {
    kind: "choice",
    name: "status",
    label: words.status,
    options: [["", dashboardText.filters.all], ...Object.entries(words.statuses)],
  },
];

/** The statuses that a filter by status can mean here: API calls have others. */
export function isStatus(status: string | undefined): boolean {
  return Object.hasOwn(words.statuses, status ?? "");
}

export class ConversationsView extends ListView {
  readonly view = "conversations";

  protected queryOf(params: Params): Query {
    return {
      ...pick(params, "user_id", "model_used"),
      status: isStatus(params.status) ? (params.status ?? null) : null,
      ...timeBounds(params, this.now, this.zone),
      sort: sortOf(CONVERSATIONS, params.sort, "created_at"),
    };
  }

  override render() {
    return html`<dashboard-filters .fields=${FIELDS} .params=${this.params} @analytics-filtered=${this.changeFilters}></dashboard-filters>
      <dashboard-list
        .client=${this.client}
        path="conversations"
        .query=${this.query}
        .columns=${CONVERSATIONS}
        .keyOf=${({ id }: Conversation) => id}
        .caption=${words.title}
        .empty=${words.empty}
        .sorted=${String(this.query.sort)}
        file="conversations"
        .filtered=${isFiltered(this.query, this.params)}
        @analytics-sorted=${this.changeSort}
      ></dashboard-list>`;
  }
}

define("dashboard-conversations", ConversationsView);
