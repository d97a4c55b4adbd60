/** The most active users: rank, name, count, and a bar in proportion to the first. */

import { css, html, LitElement } from "lit";
import { TOP_USERS, type TopUser } from "../../client/catalogue";
import { define } from "../define";
import { count, counted } from "../format";
import { text } from "../text";
import { listRows, oneLine, skeleton, theme } from "../theme";

export class Ranking extends LitElement {
  static override properties = {
    users: { attribute: false },
    loading: { type: Boolean },
    empty: {},
    addressOf: { attribute: false },
  };
  /** The most active user first. */
  declare users: readonly TopUser[];
  declare loading: boolean;
  /** What is said if there are none. */
  declare empty: string;
  /** The address of a user's page; null if names are no links. */
  declare addressOf: ((userId: string) => string) | null;

  constructor() {
    super();
    this.users = [];
    this.loading = false;
    this.addressOf = null;
    this.empty = text.lists.noTopUsers;
  }

  override render() {
    if (this.loading) return html`<ol aria-hidden="true">${Array.from({ length: TOP_USERS }, placeholder)}</ol>`;
    if (this.users.length === 0) return html`<p>${this.empty}</p>`;
    const most = this.users[0]?.activity_count || 1;
    return html`<ol role="list">
      ${this.users.slice(0, TOP_USERS).map((user, index) => row(user, index + 1, most, this.addressOf))}
    </ol>`;
  }

  static override styles = [
    theme,
    oneLine,
    listRows,
    skeleton,
    css`
      li {
        row-gap: 5px;
      }
      .rank {
        grid-row: span 2;
        align-self: center;
        justify-self: center;
        display: grid;
        place-items: center;
        width: 24px;
        height: 24px;
        border-radius: 50%;
        background: var(--raised);
        color: var(--soft);
        font-size: var(--text-small);
        font-weight: 620;
      }
      li:first-child .rank:not(.skeleton) {
        background: var(--accent);
        color: var(--on-accent);
      }
      li:nth-child(n + 2):nth-child(-n + 3) .rank:not(.skeleton) {
        background: var(--accent-wash);
        color: var(--accent);
      }
      .name {
        font-weight: 550;
      }
      .count {
        color: var(--soft);
      }
      .bar {
        grid-column: 2 / -1;
        display: block;
        width: 100%;
        height: 4px;
        border-radius: 2px;
        background: var(--raised);
      }
      .bar rect {
        fill: var(--series-1);
        transition: width 240ms;
      }
      .skeleton.name {
        grid-column: 2 / -1;
        width: 42%;
        height: 12px;
        margin: 3px 0;
      }
      .skeleton.bar {
        width: 100%;
      }
    `,
  ];
}

function row(
  { username, user_id, activity_count }: TopUser,
  rank: number,
  most: number,
  addressOf: ((userId: string) => string) | null,
) {
  const name = username || user_id;
  const share = `${(activity_count / most) * 100}%`;
  return html`<li>
    <span class="rank"><span aria-hidden="true">${rank}</span><span class="visually-hidden">${text.lists.rank(count(rank))}</span></span>
    <span class="name one-line" title=${name}>${addressOf ? html`<a href=${addressOf(user_id)}>${name}</a>` : name}</span>
    <span class="count" title=${counted(activity_count, text.lists.activityCount)}>${count(activity_count)}</span>
    <svg class="bar" aria-hidden="true"><rect width=${share} height="4" rx="2" /></svg>
  </li>`;
}

function placeholder() {
  return html`<li><span class="skeleton rank"></span><span class="skeleton name"></span><span class="skeleton bar"></span></li>`;
}

define("convoai-ranking", Ranking);

declare global {
  interface HTMLElementTagNameMap {
    "convoai-ranking": Ranking;
  }
}
