/** The activity log: who did what and when, live on top. */

import { html } from "lit";
import { activityType } from "../../ui/format";
import { activityIcon, icon } from "../../ui/icons";
import { define } from "../../ui/define";
import type { Activity as LiveActivity } from "../../client/store";
import { dashboardText, text } from "../../ui/text";
import "../lists/filters";
import type { Field } from "../lists/filters";
import { tableTime } from "../../ui/times";
import "../lists/list";
import type { News, Query } from "../lists/list";
import { bounds, ListView, narrowed, set } from "../lists/list-view";
import type { Order } from "../lists/listing";
import { type Params, writeRoute } from "../route";
import type { Column } from "../lists/table";

const words = dashboardText.activity;

/** One of the live feed lacks the last three until its page is loaded. */
interface Activity extends LiveActivity {
  readonly ip_address?: string | null;
  readonly user_agent?: string | null;
  readonly extra_data?: Readonly<Record<string, unknown>> | null;
}

const COLUMNS: readonly Column<Activity>[] = [
  { label: words.time, cell: ({ timestamp }) => html`<time datetime=${timestamp}>${tableTime(timestamp)}</time>` },
  { label: words.user, heads: true, cell: ({ username }) => html`<bdi>${username}</bdi>` },
  {
    label: words.userId,
    cell: ({ user_id }) =>
      html`<a href=${writeRoute({ view: "activity", params: { user_id } })}><bdi>${user_id}</bdi></a>`,
  },
  {
    label: words.type,
    cell: ({ activity_type: type }) => html`<span class="kind">${icon(activityIcon(type))}${activityType(type)}</span>`,
  },
  { label: words.address, cell: ({ ip_address }) => ip_address ?? "" },
  { label: words.agent, cell: ({ user_agent }) => user_agent ?? "" },
  { label: words.extra, cell: ({ extra_data }) => (extra_data ? JSON.stringify(extra_data) : "") },
];

const FIELDS: readonly Field[] = [
  { kind: "range" },
  { kind: "text", name: "user_id", label: words.userId },
  { kind: "text", name: "activity_type", label: words.type, suggestions: Object.keys(text.activityTypes) },
  { kind: "number", name: "limit", label: words.limit, least: 1, most: 1000, usual: 50 },
];

/** As the service orders them: newest first, of one moment the higher id first. Times are text that sorts. */
const ORDER: Order<Activity> = {
  key: ({ id }) => id,
  compare: (one, other) =>
    one.timestamp === other.timestamp ? other.id - one.id : one.timestamp < other.timestamp ? 1 : -1,
};

export class ActivityView extends ListView {
  readonly view = "activity";

  protected asked(params: Params): Query {
    return { ...set(params, "user_id", "activity_type", "limit"), ...bounds(params, this.now) };
  }

  override render() {
    return html`<dashboard-filters .fields=${FIELDS} .params=${this.params} @analytics-filtered=${this.filtered}></dashboard-filters>
      <dashboard-list
        .client=${this.client}
        path="users/activities"
        .query=${this.query}
        .columns=${COLUMNS}
        .keyOf=${ORDER.key}
        .caption=${words.title}
        file="activities"
        .filtered=${narrowed(this.query)}
        .news=${this.#news()}
      ></dashboard-list>`;
  }

  /** The live feed's, as far as the filters let them through; a range with an end has none. */
  #news(): News<Activity> | null {
    const { from, to, user_id, activity_type } = this.query;
    if (to !== null) return null;
    const rows = this.client.figures.activities.filter(
      (activity) =>
        (user_id === null || activity.user_id === user_id) &&
        (activity_type === null || activity.activity_type === activity_type) &&
        (from === null || activity.timestamp >= String(from)),
    );
    return { rows, order: ORDER };
  }
}

define("dashboard-activity", ActivityView);
