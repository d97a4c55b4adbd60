/** The newest activities of the range; while it has no end, live ones on top. */

import { css, html } from "lit";
import type { RecentActivity } from "../../client/catalogue";
import { define } from "../../ui/define";
import "../../ui/elements/activity-list";
import { emptyLists } from "../../ui/empty-lists";
import { pageAddress } from "../links";
import { writeRoute } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { RangeList } from "./range-list";

const words = dashboardText.recent;

/** As many as make the card as high as those beside it. */
const SHOWN = 6;

export class Recent extends RangeList<RecentActivity> {
  protected readonly path = "users/activities";
  protected readonly query = { limit: SHOWN };

  override render() {
    const { summary } = this.client.figures;
    return html`<h2>${words.title}</h2>
      <convoai-activities
        .items=${this.#items()}
        .empty=${this.problem?.detail ?? emptyLists(summary).activities}
        .now=${this.now}
        .addressOf=${(id: string) => pageAddress("user", id)}
        ?loading=${this.rows === null && !this.problem}
      ></convoai-activities>
      <a class="small" href=${writeRoute({ view: "activity", params: {} })}>${words.all}</a>`;
  }

  /** The loaded activities, and the live ones of the range, in the service's order. */
  #items(): readonly RecentActivity[] {
    const { rows, bounds } = this;
    if (rows === null || bounds.to !== null) return rows ?? [];
    const live = this.client.figures.activities.filter(({ timestamp }) => timestamp >= (bounds.from ?? ""));
    const byId = new Map([...rows, ...live].map((row) => [row.id, row]));
    return [...byId.values()].sort(newestFirst).slice(0, SHOWN);
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        padding: var(--space-4);
      }
      h2 {
        margin-bottom: var(--space-1);
      }
      @media print {
        a {
          display: none;
        }
      }
    `,
  ];
}

/** Times sort as text; activities of one moment by descending id. */
function newestFirst(one: RecentActivity, other: RecentActivity): number {
  return one.timestamp === other.timestamp ? other.id - one.id : one.timestamp < other.timestamp ? 1 : -1;
}

define("dashboard-recent", Recent);
