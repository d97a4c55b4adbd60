/** The conversations, and the messages of one: `#conversations?id=...`. */

import { css, html } from "lit";
import type { Conversation, Message } from "../../client/catalogue";
import { define } from "../../ui/define";
import { count, dateTime, moment, seconds } from "../../ui/format";
import { leftIcon } from "../../ui/icons";
import "../lists/filters";
import type { Field } from "../lists/filters";
import "../lists/list";
import type { Query } from "../lists/list";
import { isFiltered, ListView, pick, sortOf, timeBounds } from "../lists/list-view";
import type { Column } from "../lists/table";
import { type Params, writeRoute } from "../route";
import { dashboardText } from "../text";

const words = dashboardText.conversations;

const COLUMNS: readonly Column<Conversation>[] = [
  {
    label: words.id,
    rowHeader: true,
    cell: ({ conversation_id: id }) =>
      html`<a href=${writeRoute({ view: "conversations", params: { id } })}><bdi>${id}</bdi></a>`,
  },
  { label: words.user, cell: ({ user_id }) => html`<bdi>${user_id}</bdi>` },
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

const MESSAGES: readonly Column<Message>[] = [
  {
    label: words.time,
    cell: ({ created_at }) =>
      html`<time datetime=${created_at} title=${dateTime(created_at)}>${moment(created_at)}</time>`,
  },
  { label: words.role, cell: ({ role }) => html`<span class="badge">${role}</span>` },
  { label: words.author, cell: ({ user_id }) => html`<bdi>${user_id}</bdi>` },
  { label: words.model, cell: ({ model_used }) => model_used ?? "" },
  { label: words.tokens, number: true, cell: ({ token_count }) => count(token_count) },
  { label: words.response, number: true, cell: ({ response_time }) => seconds(response_time) },
  { label: words.message, rowHeader: true, cell: ({ message_id }) => html`<bdi>${message_id}</bdi>` },
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

const keyOf = ({ id }: { id: number }) => id;

export class ConversationsView extends ListView {
  readonly view = "conversations";

  protected queryOf(params: Params): Query {
    if (params.id) return { conversation_id: params.id };
    return {
      ...pick(params, "user_id", "status"),
      ...timeBounds(params, this.now, this.zone),
      sort: sortOf(COLUMNS, params.sort, "created_at"),
    };
  }

  override render() {
    return this.params.id ? this.#one(this.params.id) : this.#all();
  }

  static override styles = [
    ...ListView.styles,
    css`
      .one {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: var(--space-2) var(--space-4);
        min-width: 0;
      }
      h2 {
        min-width: 0;
        overflow-wrap: anywhere;
      }
    `,
  ];

  #all() {
    return html`<dashboard-filters .fields=${FIELDS} .params=${this.params} @analytics-filtered=${this.changeFilters}></dashboard-filters>
      <dashboard-list
        .client=${this.client}
        path="conversations"
        .query=${this.query}
        .columns=${COLUMNS}
        .keyOf=${keyOf}
        .caption=${words.title}
        .empty=${words.empty}
        .sorted=${String(this.query.sort)}
        file="conversations"
        .filtered=${isFiltered(this.query, this.params)}
        @analytics-sorted=${this.changeSort}
      ></dashboard-list>`;
  }

  #one(id: string) {
    return html`<div class="one">
        <a class="button" href=${writeRoute({ view: "conversations", params: {} })}>${leftIcon()}${words.back}</a>
        <h2><bdi>${words.one(id)}</bdi></h2>
      </div>
      <dashboard-list
        .client=${this.client}
        path="messages"
        .query=${this.query}
        .columns=${MESSAGES}
        .keyOf=${keyOf}
        .caption=${words.messagesOf}
        file="messages"
        .empty=${words.unknown(id)}
      ></dashboard-list>`;
  }
}

define("dashboard-conversations", ConversationsView);
