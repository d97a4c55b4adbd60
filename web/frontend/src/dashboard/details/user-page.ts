/** The page of a user: `#user?id=...`. */

import { html } from "lit";
import type { EndpointSums, ModelSums, TypeCount, UserDetail } from "../../client/catalogue";
import { define } from "../../ui/define";
import { count, dateTime, seconds } from "../../ui/format";
import { endpointLink, modelLink, typeLink } from "../links";
import "../lists/list";
import type { Query } from "../lists/list";
import { timeBounds } from "../lists/list-view";
import type { Column } from "../lists/table";
import { dashboardText } from "../text";
import { CALLS } from "../views/calls";
import { CONVERSATIONS } from "../views/conversations";
import "./breakdown";
import { bar } from "./breakdown";
import { DetailPage } from "./detail-page";
import type { Figure } from "./trend";

const words = dashboardText.details;
const keyOf = ({ id }: { id: number }) => id;

export class UserPage extends DetailPage<UserDetail> {
  protected readonly path = "users/detail";

  protected query(): Query {
    return { user_id: this.thing, ...this.range() };
  }

  protected missing(id: string): string {
    return words.noUser(id);
  }

  protected page(user: UserDetail) {
    const id = user.user_id;
    const bounds = timeBounds(this.params, this.now, this.zone);
    return html`<header class="who">
        <h2><bdi>${user.username ?? id}</bdi></h2>
        <dl class="facts">
          ${user.username === null ? "" : this.fact(dashboardText.activity.userId, html`<bdi>${id}</bdi>`)}
          ${this.fact(words.firstSeen, html`<time datetime=${user.first_seen}>${dateTime(user.first_seen)}</time>`)}
          ${this.fact(words.lastSeen, html`<time datetime=${user.last_seen}>${dateTime(user.last_seen)}</time>`)}
        </dl>
      </header>
      ${this.ways(["activity", "conversations", "messages", "calls"], { user_id: id })} ${this.kept(user.kept_from)}
      ${this.trend(user, figuresOf(user), "user", { user_id: id })}
      <div class="parts">
        <detail-breakdown .caption=${words.types} .columns=${TYPE_COLUMNS} .rows=${user.activity_types}></detail-breakdown>
        <detail-breakdown .caption=${words.models} .columns=${MODEL_COLUMNS} .rows=${user.models}></detail-breakdown>
        <detail-breakdown .caption=${words.endpoints} .columns=${ENDPOINT_COLUMNS} .rows=${user.endpoints}></detail-breakdown>
      </div>
      <section>
        <h3>${words.conversations}</h3>
        <dashboard-list
          .client=${this.client}
          path="conversations"
          .query=${this.remember("conversations", { user_id: id, ...bounds, limit: 20 })}
          .columns=${CONVERSATIONS.filter(({ label }) => label !== dashboardText.conversations.user).map(unsorted)}
          .keyOf=${keyOf}
          .caption=${words.conversations}
          file="conversations"
          .filtered=${true}
        ></dashboard-list>
      </section>
      <section>
        <h3>${dashboardText.calls.failed}</h3>
        <dashboard-list
          .client=${this.client}
          path="api-usage"
          .query=${this.remember("calls", { user_id: id, status: "5xx", ...bounds, limit: 20 })}
          .columns=${CALLS.filter(({ label }) => label !== dashboardText.activity.userId).map(unsorted)}
          .keyOf=${keyOf}
          .caption=${dashboardText.calls.failed}
          file="failed-calls"
          .filtered=${true}
        ></dashboard-list>
      </section>`;
  }
}

function figuresOf({ figures }: UserDetail): readonly Figure[] {
  return [
    { name: "messages", label: words.messages, value: figures.messages, metric: "messages" },
    { name: "tokens", label: words.tokens, value: figures.tokens, metric: "tokens", colour: "--series-4" },
    { name: "conversations", label: words.conversations, value: figures.conversations, metric: "conversations" },
    { name: "activities", label: words.activities, value: figures.activities, metric: "activities" },
    { name: "api_calls", label: words.calls, value: figures.api_calls, metric: "api_calls", colour: "--series-2" },
    {
      name: "api_errors",
      label: words.errors,
      value: figures.api_errors,
      metric: "api_errors",
      whole: figures.api_calls,
      colour: "--bad",
    },
    { name: "response_time", label: words.responseTime, value: figures.avg_response_time, unit: "seconds" },
    { name: "call_time", label: words.callTime, value: figures.avg_api_response_time, unit: "seconds" },
  ];
}

/** A column without its order: lists inside of a page have one order. */
export function unsorted<C extends object>(column: C): Omit<C, "sort"> {
  const { sort: _, ...rest } = column as C & { sort?: unknown };
  return rest;
}

const TYPE_COLUMNS: readonly Column<TypeCount>[] = [
  { label: dashboardText.activity.type, rowHeader: true, cell: (row: TypeCount) => typeLink(row.activity_type) },
  bar(words.activities, (row: TypeCount) => row.count),
];

const MODEL_COLUMNS: readonly Column<ModelSums>[] = [
  { label: dashboardText.models.model, rowHeader: true, cell: (row: ModelSums) => modelLink(row.model_used) },
  bar(words.messages, (row: ModelSums) => row.message_count),
  { label: words.tokens, number: true, cell: (row: ModelSums) => count(row.total_tokens) },
  { label: dashboardText.api.mean, number: true, cell: (row: ModelSums) => seconds(row.avg_response_time) },
];

const ENDPOINT_COLUMNS: readonly Column<EndpointSums>[] = [
  { label: dashboardText.api.endpoint, rowHeader: true, cell: (row: EndpointSums) => endpointLink(row.endpoint) },
  bar(words.calls, (row: EndpointSums) => row.count),
  { label: words.errors, number: true, cell: (row: EndpointSums) => count(row.error_count) },
  { label: dashboardText.api.mean, number: true, cell: (row: EndpointSums) => seconds(row.avg_response_time) },
];

define("detail-user", UserPage);
