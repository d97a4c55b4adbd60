/** The page of an endpoint: `#endpoint?id=...`. */

import { html } from "lit";
import type { CallerSums, EndpointDetail, MethodSums, StatusSums } from "../../client/catalogue";
import { define } from "../../ui/define";
import { count, rate, seconds } from "../../ui/format";
import { userLink } from "../links";
import "../lists/list";
import type { Query } from "../lists/list";
import { timeBounds } from "../lists/list-view";
import type { Column } from "../lists/table";
import { writeRoute } from "../route";
import { dashboardText } from "../text";
import { CALLS } from "../views/calls";
import "./breakdown";
import { bar } from "./breakdown";
import { DetailPage } from "./detail-page";
import type { Figure } from "./trend";
import { unsorted } from "./user-page";

const words = dashboardText.details;

export class EndpointPage extends DetailPage<EndpointDetail> {
  protected readonly path = "api-usage/endpoints/detail";

  protected query(): Query {
    return { endpoint: this.thing, ...this.range() };
  }

  protected override timesQuery(): Query {
    return { of: "api_calls", endpoint: this.thing };
  }

  protected missing(): string {
    return dashboardText.finder.none;
  }

  protected page(found: EndpointDetail) {
    const { endpoint } = found;
    const query = { endpoint, status: "5xx", ...timeBounds(this.params, this.now, this.zone), limit: 20 };
    return html`<header class="who"><h2><bdi>${endpoint}</bdi></h2></header>
      ${this.ways(["calls"], { endpoint })} ${this.kept(found.kept_from)} ${this.trend(found, figuresOf(found), "endpoint", { endpoint })}
      <div class="parts">
        <detail-breakdown .caption=${words.statuses} .columns=${statusColumns(endpoint)} .rows=${found.status_codes}></detail-breakdown>
        <detail-breakdown .caption=${words.methods} .columns=${METHOD_COLUMNS} .rows=${found.methods}></detail-breakdown>
        <detail-breakdown .caption=${words.usersMost} .columns=${USER_COLUMNS} .rows=${found.users}></detail-breakdown>
      </div>
      <section>
        <h3>${dashboardText.calls.failed}</h3>
        <dashboard-list
          .client=${this.client}
          path="api-usage"
          .query=${this.remember("calls", query)}
          .columns=${CALLS.filter(({ label }) => label !== dashboardText.api.endpoint).map(unsorted)}
          .keyOf=${({ id }: { id: number }) => id}
          .caption=${dashboardText.calls.failed}
          file="failed-calls"
          .filtered=${true}
        ></dashboard-list>
      </section>`;
  }
}

function figuresOf({ figures }: EndpointDetail): readonly Figure[] {
  const { count: calls, error_count, avg_response_time } = figures;
  return [
    { name: "api_calls", label: words.calls, value: calls, metric: "api_calls", colour: "--series-2" },
    {
      name: "api_errors",
      label: words.errors,
      value: error_count,
      metric: "api_errors",
      whole: calls,
      colour: "--bad",
    },
    {
      name: "call_time",
      label: words.callTime,
      value: avg_response_time,
      metric: "api_response_time",
      unit: "seconds",
    },
  ];
}

function statusColumns(endpoint: string): readonly Column<StatusSums>[] {
  const link = (code: number) => writeRoute({ view: "calls", params: { endpoint, status: String(code) } });
  return [
    {
      label: dashboardText.calls.status,
      rowHeader: true,
      cell: ({ status_code: code }: StatusSums) =>
        html`<a class=${code >= 500 ? "bad" : ""} href=${link(code)}>${code}</a>`,
    },
    bar(words.calls, (row: StatusSums) => row.count),
    { label: dashboardText.api.mean, number: true, cell: (row: StatusSums) => seconds(row.avg_response_time) },
  ];
}

const METHOD_COLUMNS: readonly Column<MethodSums>[] = [
  { label: dashboardText.calls.method, rowHeader: true, cell: ({ method }: MethodSums) => method },
  bar(words.calls, (row: MethodSums) => row.count),
  { label: words.errors, number: true, cell: (row: MethodSums) => count(row.error_count) },
  { label: dashboardText.api.mean, number: true, cell: (row: MethodSums) => seconds(row.avg_response_time) },
];

const USER_COLUMNS: readonly Column<CallerSums>[] = [
  {
    label: dashboardText.activity.user,
    rowHeader: true,
    cell: ({ user_id, username }: CallerSums) => userLink(user_id, username),
  },
  bar(words.calls, (row: CallerSums) => row.count),
  { label: words.errors, number: true, cell: (row: CallerSums) => count(row.error_count) },
  {
    label: dashboardText.api.errorRate,
    number: true,
    cell: (row: CallerSums) => rate(row.error_count, row.count) ?? "",
  },
];

define("detail-endpoint", EndpointPage);
