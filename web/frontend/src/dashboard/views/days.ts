/** The list of daily statistics, of days in the service's zone. */

import { html } from "lit";
import type { DailyStatistics } from "../../client/catalogue";
import { define } from "../../ui/define";
import { count, date, seconds } from "../../ui/format";
import "../lists/list";
import type { Query } from "../lists/list";
import { dateBounds, isFiltered, ListView, sortOf } from "../lists/list-view";
import type { Column } from "../lists/table";
import { dayStart, readDate, writeRange } from "../ranges/range";
import { type Params, writeRoute } from "../route";
import { dashboardText } from "../text";

const words = dashboardText.days;

/** A day leads to its own overview; its bounds are those of the service's zone. */
function dayLink(day: string, zone: string | null) {
  const from = readDate(day, zone ?? undefined) ?? 0;
  const params = writeRange({ from, to: dayStart(from, 1, zone ?? undefined) });
  return html`<a href=${writeRoute({ view: "overview", params })}>${date(day)}</a>`;
}

const columnsIn = (zone: string | null): readonly Column<DailyStatistics>[] => [
  {
    label: words.date,
    sort: { by: "date", direction: "descending" },
    rowHeader: true,
    cell: (day) => dayLink(day.date, zone),
  },
  {
    label: words.active,
    sort: { by: "active_users", direction: "descending" },
    number: true,
    cell: ({ active_users }) => count(active_users),
  },
  {
    label: words.created,
    sort: { by: "new_users", direction: "descending" },
    number: true,
    cell: ({ new_users }) => count(new_users),
  },
  {
    label: words.users,
    sort: { by: "total_users", direction: "descending" },
    number: true,
    cell: ({ total_users }) => count(total_users),
  },
  {
    label: words.conversations,
    sort: { by: "total_conversations", direction: "descending" },
    number: true,
    cell: ({ total_conversations }) => count(total_conversations),
  },
  {
    label: words.messages,
    sort: { by: "total_messages", direction: "descending" },
    number: true,
    cell: ({ total_messages }) => count(total_messages),
  },
  {
    label: words.tokens,
    sort: { by: "total_tokens", direction: "descending" },
    number: true,
    cell: ({ total_tokens }) => count(total_tokens),
  },
  {
    label: words.responseTime,
    sort: { by: "avg_response_time", direction: "descending" },
    number: true,
    cell: ({ avg_response_time }) => seconds(avg_response_time),
  },
  {
    label: words.calls,
    sort: { by: "total_api_calls", direction: "descending" },
    number: true,
    cell: ({ total_api_calls }) => count(total_api_calls),
  },
  {
    label: words.errors,
    sort: { by: "error_count", direction: "descending" },
    number: true,
    cell: ({ error_count }) => count(error_count),
  },
];

export class DaysView extends ListView {
  readonly view = "days";
  #columns = columnsIn(null);

  protected queryOf(params: Params): Query {
    return {
      ...dateBounds(params, this.now, this.zone),
      sort: sortOf(this.#columns, params.sort, "date"),
    };
  }

  override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (changed.has("zone")) this.#columns = columnsIn(this.zone);
    super.willUpdate(changed);
  }

  override render() {
    return html`<p class="soft small">${dashboardText.daysOf(this.zone)}</p>
      <dashboard-list
        .client=${this.client}
        path="daily-stats"
        .query=${this.query}
        .columns=${this.#columns}
        .keyOf=${({ date: day }: DailyStatistics) => day}
        .caption=${words.title}
        .empty=${words.empty}
        .sorted=${String(this.query.sort)}
        file="daily-stats"
        .filtered=${isFiltered(this.query, this.params)}
        @analytics-sorted=${this.changeSort}
      ></dashboard-list>`;
  }
}

define("dashboard-days", DaysView);
