/** The models of the range by their messages: share, course and change; and the messages without a model, as a part of all. */

import { css, html, LitElement, nothing } from "lit";
import { define } from "../../ui/define";
import "../../ui/elements/sparkline";
import { count, rate, seconds } from "../../ui/format";
import { skeleton } from "../../ui/theme";
import { modelLink } from "../links";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { changeOf } from "./change";
import { type Points, rankModels } from "./points";
import type { ResponseTimes } from "./response-times";

const words = dashboardText.models;

export class Models extends LitElement {
  static override properties = {
    points: { attribute: false },
    earlier: { attribute: false },
    ended: {},
    times: { attribute: false },
  };
  /** Null while they are loading; the last ones stay until then. */
  declare points: Points | null;
  declare earlier: Points | null;

  /** How many of the points have ended. */
  declare ended: number;

  /** Their response times; null while they are loading, or where there are no percentiles. */
  declare times: ResponseTimes | null;

  #shown: Points | null = null;

  constructor() {
    super();
    this.points = null;
    this.earlier = null;
    this.ended = 0;
    this.times = null;
  }

  override render() {
    this.#shown = this.points ?? this.#shown;
    return html`<h2>${words.title}</h2>
      ${this.#shown ? this.#table(this.#shown) : html`<div class="skeleton"></div>`}`;
  }

  #table(points: Points) {
    const { rows, all } = rankModels(points, this.earlier, this.ended);
    if (all === 0) return html`<p class="soft">${words.empty}</p>`;
    const most = Math.max(...rows.map(({ total }) => total));
    return html`<table>
      <thead>
        <tr>
          <th scope="col">${words.model}</th>
          <th scope="col" class="number">${words.messages}</th>
          <th scope="col" class="number">${words.share}</th>
          <th scope="col" class="number time" title=${words.p95Of}>${words.p95}</th>
          <th scope="col" class="trend">${words.trend}</th>
          <th scope="col" class="number change">${words.change}</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(({ name, kind, total, compared, amounts }) => {
          const change = compared && changeOf(...compared);
          const label = kind === "model" ? modelLink(name) : words[kind];
          return html`<tr>
            <th scope="row" class=${kind === "model" ? "" : "soft"} title=${kind === "model" ? name : nothing}>
              <svg class="bar" aria-hidden="true"><rect width="${(total / most) * 100}%" height="100%" rx="3" /></svg>
              <span>${label}</span>
            </th>
            <td class="number">${count(total)}</td>
            <td class="number">${rate(total, all) ?? ""}</td>
            <td class="number time">${kind === "model" ? seconds(this.#p95(name)) : ""}</td>
            <td class="trend"><convoai-sparkline kind="line" .values=${amounts}></convoai-sparkline></td>
            <td class="number change soft" title=${change?.spoken ?? nothing}>${change?.text ?? ""}</td>
          </tr>`;
        })}
      </tbody>
    </table>`;
  }

  /** The 95th percentile of a model's response times in the range, in seconds; null if it is not known. */
  #p95(model: string): number | null {
    return this.times?.items.find(({ label }) => label === model)?.total.p95_response_time ?? null;
  }

  static override styles = [
    ...baseStyles,
    skeleton,
    css`
      :host {
        container-type: inline-size;
        display: block;
        padding: var(--space-4);
      }
      table {
        width: 100%;
        margin-top: var(--space-2);
        border-collapse: collapse;
        table-layout: fixed;
      }
      th,
      td {
        height: 34px;
        padding: 0 var(--space-2);
        overflow: hidden;
        font-weight: 400;
        text-align: start;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      thead th {
        height: 26px;
        color: var(--soft);
        font-size: var(--text-small);
      }
      .number {
        width: 72px;
        text-align: end;
      }
      .change {
        width: 88px;
      }
      .trend {
        width: 88px;
      }
      tbody th {
        position: relative;
      }
      .bar {
        position: absolute;
        inset: 3px 0;
        width: 100%;
        height: calc(100% - 6px);
      }
      .bar rect {
        fill: var(--accent-wash);
      }
      tbody th span {
        position: relative;
      }
      convoai-sparkline {
        height: 20px;
        border: 0;
      }
      .skeleton {
        height: 160px;
        margin-top: var(--space-2);
      }
      p {
        margin: var(--space-1) 0 0;
      }
      @container (width < 520px) {
        .trend,
        .change {
          display: none;
        }
        .number {
          width: 74px;
        }
      }
    `,
  ];
}

define("dashboard-models", Models);
