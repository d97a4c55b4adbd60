/** The most active users of the range. */

import { css, html } from "lit";
import { TOP_USERS, type TopUser } from "../../client/catalogue";
import { define } from "../../ui/define";
import "../../ui/elements/ranking";
import { emptyLists } from "../../ui/empty-lists";
import { pageAddress } from "../links";
import { writeRoute } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { RangeList } from "./range-list";

const words = dashboardText.top;

export class TopUsers extends RangeList<TopUser> {
  protected readonly path = "users/top";
  protected readonly query = { limit: TOP_USERS };

  override render() {
    const empty = emptyLists(this.client.figures.summary).topUsers;
    return html`<h2>${words.title}</h2>
      <convoai-ranking .addressOf=${(id: string) => pageAddress("user", id)} .users=${this.rows ?? []} .empty=${this.problem?.detail ?? empty} ?loading=${this.rows === null && !this.problem}></convoai-ranking>
      <a class="small" href=${writeRoute({ view: "users", params: { sort: "activity_count" } })}>${words.all}</a>`;
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

define("dashboard-top-users", TopUsers);
