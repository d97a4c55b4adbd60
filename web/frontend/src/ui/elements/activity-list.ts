/** The list of recent activities: who did what, and how long ago. */

import { css, html, LitElement, type PropertyValues } from "lit";
import { RECENT_ACTIVITIES, type RecentActivity } from "../../client/catalogue";
import { define } from "../define";
import { activityType, ago, dateTime } from "../format";
import { activityIcon, knownActivity } from "../icons";
import { animate } from "../motion";
import { text } from "../text";
import { listRows, oneLine, skeleton, theme } from "../theme";

export class ActivityList extends LitElement {
  static override properties = {
    items: { attribute: false },
    now: { attribute: false },
    loading: { type: Boolean },
    empty: {},
    addressOf: { attribute: false },
  };
  /** Newest first. */
  declare items: readonly RecentActivity[];
  /** The service's time in ms. */
  declare now: number;
  declare loading: boolean;
  /** What is said if there are none. */
  declare empty: string;
  /** The address of a user's page; null if names are no links. */
  declare addressOf: ((userId: string) => string) | null;

  constructor() {
    super();
    this.items = [];
    this.now = 0;
    this.loading = false;
    this.addressOf = null;
    this.empty = text.lists.noActivities;
  }

  override render() {
    if (this.loading)
      return html`<ul aria-hidden="true">${Array.from({ length: RECENT_ACTIVITIES }, placeholder)}</ul>`;
    if (this.items.length === 0) return html`<p>${this.empty}</p>`;
    return html`<ul role="list">
      ${this.items.map((item) => this.#row(item))}
    </ul>`;
  }

  // Rows are reused in place, without `repeat`: Lit 3.3 leaves a comment behind for each row that it removes (lit/lit#5298).
  override updated(changed: PropertyValues<this>): void {
    const before = changed.get("items");
    if (this.loading || changed.has("loading") || !before) return;
    const known = new Set(before.map((item) => item.id));
    const rows = this.renderRoot.querySelectorAll("li");
    this.items.forEach((item, index) => {
      if (!known.has(item.id)) animate(rows[index], [{ opacity: 0, translate: "0 -6px" }, {}], 240);
    });
  }

  #row({ username, user_id, activity_type, timestamp }: RecentActivity) {
    const name = username || user_id;
    const type = activityType(activity_type);
    return html`<li>
      <span class="mark ${knownActivity(activity_type) ?? ""}">${activityIcon(activity_type)}</span>
      <span class="who one-line" title=${name}>${this.addressOf ? html`<a href=${this.addressOf(user_id)}>${name}</a>` : name}</span>
      <time datetime=${timestamp} title=${dateTime(timestamp)}>${ago(timestamp, this.now)}</time>
      <span class="what one-line" title=${type}>${type}</span>
    </li>`;
  }

  static override styles = [
    theme,
    oneLine,
    listRows,
    skeleton,
    css`
      li + li {
        border-top: 1px solid var(--line);
      }
      .mark {
        --tone: var(--soft);
        grid-row: span 2;
        align-self: center;
        display: grid;
        place-items: center;
        width: 32px;
        height: 32px;
        border-radius: 50%;
        background: color-mix(in srgb, var(--tone) 10%, var(--surface));
        color: var(--tone);
      }
      .mark svg {
        width: 18px;
        height: 18px;
      }
      .login,
      .logout,
      .registration {
        --tone: var(--series-2);
      }
      .message_sent,
      .conversation_started,
      .conversation_ended {
        --tone: var(--series-1);
      }
      .api_call {
        --tone: var(--series-4);
      }
      .who {
        font-weight: 550;
      }
      .what,
      time {
        color: var(--soft);
        font-size: var(--text-small);
      }
      .what {
        grid-column: 2 / -1;
      }
      time {
        white-space: nowrap;
      }
      .skeleton {
        align-self: center;
        width: 50%;
        height: 12px;
        margin: 3px 0;
      }
      .skeleton.mark {
        width: 32px;
        height: 32px;
        margin: 0;
        border-radius: 50%;
        background: var(--raised);
      }
      .skeleton.who {
        grid-column: 2 / -1;
        width: 46%;
      }
      .skeleton.what {
        width: 30%;
      }
    `,
  ];
}

function placeholder() {
  return html`<li><span class="skeleton mark"></span><span class="skeleton who"></span><span class="skeleton what"></span></li>`;
}

define("convoai-activities", ActivityList);

declare global {
  interface HTMLElementTagNameMap {
    "convoai-activities": ActivityList;
  }
}
