/** API usage by endpoint: how often, how fast, how often in vain. */

import { html } from "lit";
import { count, seconds } from "../../ui/format";
import { define } from "../../ui/define";
import { dashboardText } from "../../ui/text";
import "../lists/filters";
import type { Field } from "../lists/filters";
import { rate } from "../../ui/times";
import "../lists/list";
import type { Query } from "../lists/list";
import { dateBounds, ListView, narrowed } from "../lists/list-view";
import type { Params } from "../route";
import type { Column } from "../lists/table";

const words = dashboardText.api;

interface Endpoint {
  /** Null: all beyond the bound of a day. */
  readonly endpoint: string | null;
  readonly count: number;
  readonly error_count: number;
  readonly avg_response_time: number | null;
  readonly p95_response_time: number | null;
}

const COLUMNS: readonly Column<Endpoint>[] = [
  {
    label: words.endpoint,
    heads: true,
    cell: ({ endpoint }) =>
      endpoint === null ? html`<span class="soft">${words.others}</span>` : html`<bdi>${endpoint}</bdi>`,
  },
  { label: words.calls, number: true, cell: (row) => count(row.count) },
  { label: words.errors, number: true, cell: ({ error_count }) => count(error_count) },
  {
    label: words.errorRate,
    number: true,
    cell: (row) =>
      html`<span class=${row.error_count > 0 ? "bad" : ""}>${rate(row.error_count, row.count) ?? ""}</span>`,
  },
  { label: words.mean, number: true, cell: ({ avg_response_time }) => seconds(avg_response_time) },
  { label: words.p95, number: true, cell: ({ p95_response_time }) => seconds(p95_response_time) },
];

const FIELDS: readonly Field[] = [{ kind: "range", days: true }];

export class EndpointsView extends ListView {
  readonly view = "api";

  protected asked(params: Params): Query {
    return dateBounds(params, this.now, null, this.zone);
  }

  override render() {
    return html`<dashboard-filters .fields=${FIELDS} .params=${this.params} .zone=${this.zone} @analytics-filtered=${this.filtered}></dashboard-filters>
      <p class="soft small">${dashboardText.daysOf(this.zone)} ${words.note}</p>
      <dashboard-list
        .client=${this.client}
        path="api-usage/endpoints"
        .query=${this.query}
        .columns=${COLUMNS}
        .keyOf=${({ endpoint }: Endpoint) => endpoint}
        .caption=${words.title}
        file="endpoints"
        .filtered=${narrowed(this.query)}
      ></dashboard-list>`;
  }
}

define("dashboard-endpoints", EndpointsView);
