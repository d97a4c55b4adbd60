/** The list of messages. */

import { html } from "lit";
import type { Message } from "../../client/catalogue";
import { define } from "../../ui/define";
import { count, dateTime, moment, seconds } from "../../ui/format";
import { conversationLink, modelLink, userLink } from "../links";
import "../lists/filters";
import type { Field } from "../lists/filters";
import "../lists/list";
import type { Query } from "../lists/list";
import { isFiltered, ListView, pick, timeBounds } from "../lists/list-view";
import type { Column } from "../lists/table";
import type { Params } from "../route";
import { dashboardText } from "../text";

const words = dashboardText.conversations;

export const MESSAGES: readonly Column<Message>[] = [
  {
    label: words.time,
    cell: ({ created_at }) =>
      html`<time datetime=${created_at} title=${dateTime(created_at)}>${moment(created_at)}</time>`,
  },
  { label: words.role, cell: ({ role }) => html`<span class="badge">${role}</span>` },
  { label: words.author, cell: ({ user_id }) => userLink(user_id) },
  { label: words.id, cell: ({ conversation_id }) => conversationLink(conversation_id) },
  { label: words.model, cell: ({ model_used }) => (model_used === null ? "" : modelLink(model_used)) },
  { label: words.tokens, number: true, cell: ({ token_count }) => count(token_count) },
  { label: words.response, number: true, cell: ({ response_time }) => seconds(response_time) },
  { label: words.message, rowHeader: true, cell: ({ message_id }) => html`<bdi>${message_id}</bdi>` },
];

const FIELDS: readonly Field[] = [
  { kind: "text", name: "user_id", label: dashboardText.activity.userId },
  { kind: "text", name: "model_used", label: words.model },
];

export class MessagesView extends ListView {
  readonly view = "messages";

  protected queryOf(params: Params): Query {
    return { ...pick(params, "user_id", "model_used"), ...timeBounds(params, this.now, this.zone) };
  }

  override render() {
    return html`<dashboard-filters .fields=${FIELDS} .params=${this.params} @analytics-filtered=${this.changeFilters}></dashboard-filters>
      <dashboard-list
      .client=${this.client}
      path="messages"
      .query=${this.query}
      .columns=${MESSAGES}
      .keyOf=${({ id }: Message) => id}
      .caption=${dashboardText.messages.title}
      file="messages"
      .filtered=${isFiltered(this.query, this.params)}
    ></dashboard-list>`;
  }
}

define("dashboard-messages", MessagesView);
