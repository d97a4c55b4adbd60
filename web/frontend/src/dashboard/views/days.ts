/** The statistics of each day, as the service's zone cuts them. */

import { html } from "lit";
import { count, seconds } from "../../ui/format";
import { define } from "../../ui/define";
import { dashboardText } from "../../ui/text";
import "../lists/filters";
import type { Field } from "../lists/filters";
import { date } from "../../ui/times";
import "../lists/list";
import type { Query } from "../lists/list";
import { dateBounds, ListView, narrowed } from "../lists/list-view";
import type { Params } from "../route";
import type { Column } from "../lists/table";

const words = dashboardText.days;

interface Day {
  readonly date: string;
  readonly active_users: number;
  readonly new_users: number;
  readonly total_users: number;
  readonly total_conversations: number;
  readonly total_messages: number;
  readonly total_api_calls: number;
  readonly error_count: number;
  readonly avg_response_time: number | null;
}

const COLUMNS: readonly Column<Day>[] = [
  { label: words.date, heads: true, cell: (day) => date(day.date) },
  { label: words.active, number: true, cell: ({ active_users }) => count(active_users) },
  { label: words.created, number: true, cell: ({ new_users }) => count(new_users) },
  { label: words.users, number: true, cell: ({ total_users }) => count(total_users) },
  { label: words.conversations, number: true, cell: ({ total_conversations }) => count(total_conversations) },
  { label: words.messages, number: true, cell: ({ total_messages }) => count(total_messages) },
  { label: words.responseTime, number: true, cell: ({ avg_response_time }) => seconds(avg_response_time) },
  { label: words.calls, number: true, cell: ({ total_api_calls }) => count(total_api_calls) },
  {
    label: words.errors,
    number: true,
    cell: ({ error_count }) => html`<span class=${error_count > 0 ? "bad" : ""}>${count(error_count)}</span>`,
  },
];

const USUAL = "30d";
const FIELDS: readonly Field[] = [{ kind: "range", days: true, usual: USUAL }];

export class DaysView extends ListView {
  readonly view = "days";

  protected asked(params: Params): Query {
    return dateBounds(params, this.now, USUAL, this.zone);
  }

  override render() {
    return html`<dashboard-filters .fields=${FIELDS} .params=${this.params} .zone=${this.zone} @analytics-filtered=${this.filtered}></dashboard-filters>
      <p class="soft small">${dashboardText.daysOf(this.zone)}</p>
      <dashboard-list
        .client=${this.client}
        path="daily-stats"
        .query=${this.query}
        .columns=${COLUMNS}
        .keyOf=${({ date: day }: Day) => day}
        .caption=${words.title}
        file="daily-stats"
        .filtered=${narrowed(this.query)}
      ></dashboard-list>`;
  }
}

define("dashboard-days", DaysView);
