/** The activity log, with live rows on top. */

import { html } from "lit";
import { type Activity, DEFAULT_LIMIT, MAX_LIMIT, type RecentActivity } from "../../client/catalogue";
import { define } from "../../ui/define";
import { dateTime, timeOfDay } from "../../ui/format";
import { text } from "../../ui/text";
import { typeLink, userLink } from "../links";
import "../lists/filters";
import type { Field } from "../lists/filters";
import "../lists/list";
import type { LiveRows, Query } from "../lists/list";
import { hasPart, isFiltered, ListView, pick, timeBounds } from "../lists/list-view";
import type { Order } from "../lists/listing";
import type { Column } from "../lists/table";
import type { Params } from "../route";
import { dashboardText } from "../text";

const words = dashboardText.activity;

/** A live row has only the fields of a recent activity until its page is loaded. */
type Row = RecentActivity & Partial<Activity>;

const COLUMNS: readonly Column<Row>[] = [
  {
    label: words.time,
    cell: ({ timestamp }) =>
      html`<time datetime=${timestamp} title=${dateTime(timestamp)}>${timeOfDay(timestamp)}</time>`,
  },
  { label: words.user, rowHeader: true, cell: ({ username, user_id }) => userLink(user_id, username) },
  { label: words.userId, cell: ({ user_id }) => html`<bdi>${user_id}</bdi>` },
  { label: words.type, cell: ({ activity_type }) => typeLink(activity_type) },
  { label: words.address, cell: ({ ip_address }) => ip_address ?? "" },
  { label: words.agent, cell: ({ user_agent }) => user_agent ?? "" },
  { label: words.extra, cell: ({ extra_data }) => (extra_data ? JSON.stringify(extra_data) : "") },
];

const FIELDS: readonly Field[] = [
  { kind: "text", name: "user_id", label: words.userId },
  { kind: "text", name: "type_contains", label: words.type, suggestions: Object.keys(text.activityTypes) },
  { kind: "number", name: "limit", label: words.limit, min: 1, max: MAX_LIMIT, usual: DEFAULT_LIMIT },
];

/** The service's order: newest first, then by descending id. Times sort as text. */
const ORDER: Order<Row> = {
  key: ({ id }) => id,
  compare: (one, other) =>
    one.timestamp === other.timestamp ? other.id - one.id : one.timestamp < other.timestamp ? 1 : -1,
};

export class ActivityView extends ListView {
  readonly view = "activity";

  protected queryOf(params: Params): Query {
    return {
      ...pick(params, "user_id", "activity_type", "type_contains", "limit"),
      ...timeBounds(params, this.now, this.zone),
    };
  }

  override render() {
    return html`<dashboard-filters .fields=${FIELDS} .params=${this.params} @analytics-filtered=${this.changeFilters}></dashboard-filters>
      <dashboard-list
        .client=${this.client}
        path="users/activities"
        .query=${this.query}
        .columns=${COLUMNS}
        .keyOf=${ORDER.key}
        .timeOf=${({ timestamp }: Row) => timestamp}
        .caption=${words.title}
        .empty=${words.empty}
        file="activities"
        .filtered=${isFiltered(this.query, this.params)}
        .liveRows=${this.#liveRows()}
      ></dashboard-list>`;
  }

  /** The live rows that match the filters; null if the range has an end. */
  #liveRows(): LiveRows<Row> | null {
    const { from, to, user_id, activity_type, type_contains } = this.query;
    if (to !== null) return null;
    const rows = this.client.figures.activities.filter(
      (activity) =>
        (user_id === null || activity.user_id === user_id) &&
        (activity_type === null || activity.activity_type === activity_type) &&
        hasPart(activity.activity_type, type_contains) &&
        (from === null || activity.timestamp >= String(from)),
    );
    return { rows, order: ORDER };
  }
}

define("dashboard-activity", ActivityView);
