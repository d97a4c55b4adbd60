/** The list of API calls. */

import { html } from "lit";
import type { ApiCall } from "../../client/catalogue";
import { define } from "../../ui/define";
import { dateTime, moment, seconds } from "../../ui/format";
import { endpointLink, userLink } from "../links";
import "../lists/filters";
import type { Field } from "../lists/filters";
import "../lists/list";
import type { Query } from "../lists/list";
import { isFiltered, ListView, pick, sortOf, timeBounds } from "../lists/list-view";
import type { Column } from "../lists/table";
import type { Params } from "../route";
import { dashboardText } from "../text";

const words = dashboardText.calls;

export const CALLS: readonly Column<ApiCall>[] = [
  {
    label: dashboardText.conversations.time,
    rowHeader: true,
    sort: { by: "timestamp", direction: "descending" },
    cell: ({ timestamp }) => html`<time datetime=${timestamp} title=${dateTime(timestamp)}>${moment(timestamp)}</time>`,
  },
  { label: words.method, cell: ({ method }) => method },
  { label: dashboardText.api.endpoint, cell: ({ endpoint }) => endpointLink(endpoint) },
  {
    label: words.status,
    sort: { by: "status_code", direction: "descending" },
    number: true,
    cell: ({ status_code: code }) => html`<span class=${code >= 500 ? "bad" : ""}>${code}</span>`,
  },
  {
    label: dashboardText.conversations.response,
    sort: { by: "response_time", direction: "descending" },
    number: true,
    cell: ({ response_time }) => seconds(response_time),
  },
  { label: dashboardText.activity.userId, cell: ({ user_id }) => userLink(user_id) },
];

const FIELDS: readonly Field[] = [
  { kind: "text", name: "user_id", label: dashboardText.activity.userId },
  { kind: "text", name: "endpoint", label: dashboardText.api.endpoint },
  {
    kind: "choice",
    name: "status",
    label: words.status,
    options: [["", dashboardText.filters.all], ...["2xx", "3xx", "4xx", "5xx"].map((codes) => [codes, codes] as const)],
  },
];

/** The status codes that a filter by status can mean here: another view has other statuses. */
export const CODE = /^[1-5](\d\d|xx)$/;

export class CallsView extends ListView {
  readonly view = "calls";

  protected queryOf(params: Params): Query {
    return {
      ...pick(params, "user_id", "endpoint"),
      status: CODE.test(params.status ?? "") ? (params.status ?? null) : null,
      ...timeBounds(params, this.now, this.zone),
      sort: sortOf(CALLS, params.sort, "timestamp"),
    };
  }

  override render() {
    return html`<dashboard-filters .fields=${FIELDS} .params=${this.params} @analytics-filtered=${this.changeFilters}></dashboard-filters>
      <dashboard-list
      .client=${this.client}
      path="api-usage"
      .query=${this.query}
      .columns=${CALLS}
      .keyOf=${({ id }: ApiCall) => id}
      .caption=${words.title}
      .sorted=${String(this.query.sort)}
      file="api-calls"
      .filtered=${isFiltered(this.query, this.params)}
      @analytics-sorted=${this.changeSort}
    ></dashboard-list>`;
  }
}

define("dashboard-calls", CallsView);
