/** The list of API usage by endpoint. */

import { html } from "lit";
import type { EndpointUsage } from "../../client/catalogue";
import { define } from "../../ui/define";
import { count, rate, seconds } from "../../ui/format";
import { endpointLink } from "../links";
import "../lists/list";
import type { Query } from "../lists/list";
import { dateBounds, isFiltered, ListView, sortOf } from "../lists/list-view";
import type { Column } from "../lists/table";
import type { Params } from "../route";
import { dashboardText } from "../text";

const words = dashboardText.api;

/** The share of calls that failed from which on it needs attention. */
const TOO_MANY = 0.05;

const COLUMNS: readonly Column<EndpointUsage>[] = [
  {
    label: words.endpoint,
    sort: { by: "endpoint", direction: "ascending" },
    rowHeader: true,
    cell: ({ endpoint }) => endpointLink(endpoint),
  },
  {
    label: words.calls,
    sort: { by: "count", direction: "descending" },
    number: true,
    cell: (row) => count(row.count),
    bar: (row) => row.count,
  },
  {
    label: words.errors,
    sort: { by: "error_count", direction: "descending" },
    number: true,
    cell: ({ error_count }) => count(error_count),
  },
  {
    label: words.errorRate,
    sort: { by: "error_rate", direction: "descending" },
    number: true,
    cell: (row) =>
      html`<span class=${row.error_count >= TOO_MANY * row.count ? "bad" : ""}>${rate(row.error_count, row.count) ?? ""}</span>`,
  },
  {
    label: words.mean,
    sort: { by: "avg_response_time", direction: "descending" },
    number: true,
    cell: ({ avg_response_time }) => seconds(avg_response_time),
  },
  {
    label: words.p95,
    sort: { by: "p95_response_time", direction: "descending" },
    number: true,
    cell: ({ p95_response_time }) => seconds(p95_response_time),
  },
];

export class EndpointsView extends ListView {
  readonly view = "api";

  protected queryOf(params: Params): Query {
    return { ...dateBounds(params, this.now, this.zone), sort: sortOf(COLUMNS, params.sort, "count") };
  }

  override render() {
    return html`<p class="soft small">${dashboardText.daysOf(this.zone)} ${words.note}</p>
      <dashboard-list
        .client=${this.client}
        path="api-usage/endpoints"
        .query=${this.query}
        .columns=${COLUMNS}
        .keyOf=${({ endpoint }: EndpointUsage) => endpoint}
        .caption=${words.title}
        .empty=${words.empty}
        .sorted=${String(this.query.sort)}
        file="endpoints"
        .filtered=${isFiltered(this.query, this.params)}
        @analytics-sorted=${this.changeSort}
      ></dashboard-list>`;
  }
}

define("dashboard-endpoints", EndpointsView);
