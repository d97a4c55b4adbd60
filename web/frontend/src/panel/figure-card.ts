/** One figure of the grid: its name, its exact value, its change since yesterday, its last hour. */

import { css, html, LitElement, type PropertyValues } from "lit";
import { text } from "../ui/text";
import { bones, theme } from "../ui/theme";
import { type Comparison, compare } from "../ui/comparison";
import { define } from "../ui/define";
import type { Figure, Hour } from "../ui/figures";
import { move } from "../ui/motion";
import "../ui/elements/sparkline";

/** Sizes by the characters to show: each is the largest that fits the narrowest card. */
const SIZES = [8, 11, 13, 15, 18, 21];

export class FigureCard extends LitElement {
  static override properties = {
    figure: { attribute: false },
    value: { attribute: false },
    yesterday: { attribute: false },
    hour: { attribute: false },
    loading: { type: Boolean },
    stale: { type: Boolean, reflect: true },
  };
  declare figure: Figure;
  declare value: number | null;
  /** The value of yesterday at this time; null: not known, or none. */
  declare yesterday: number | null;
  declare hour: Hour;
  /** Nothing to show yet. */
  declare loading: boolean;
  declare stale: boolean;

  constructor() {
    super();
    this.value = null;
    this.yesterday = null;
    this.hour = [];
    this.loading = false;
    this.stale = false;
  }

  override render() {
    if (!this.figure) return null;
    const name = html`<div class="name">${text.figures[this.figure.name]}</div>`;
    if (this.loading) {
      return html`${name}
        <div class="value"><span class="bone"><span class="unseen">${text.panel.figureLoading}</span></span></div>
        <div class="change"><span class="bone"></span></div>
        <div class="hour"></div>`;
    }
    const value = this.figure.write(this.value);
    const size = SIZES.find((most) => value.length <= most) ?? "more";
    return html`${name}
      <div class="value" data-size=${size} title=${value}>${value}</div>
      ${this.#change(compare(this.value, this.yesterday, this.figure.moreIsBetter))}
      <convoai-sparkline class="hour" .kind=${this.figure.drawn} .values=${this.hour} .label=${this.#hourInWords()}></convoai-sparkline>`;
  }

  override updated(changed: PropertyValues<this>): void {
    const isKnown = !changed.has("loading") && changed.get("value") !== undefined;
    if (changed.has("value") && isKnown)
      move(this.renderRoot.querySelector(".value"), [{ color: "var(--accent)" }, {}], 900);
  }

  #change({ words, said, tone, direction }: Comparison) {
    const isMeasured = direction !== "none" && direction !== "new";
    return html`<div class="change" title=${said}>
      <span aria-hidden="true"><b class=${tone}>${words}</b>${isMeasured ? html` ${text.change.since}` : null}</span>
      <span class="unseen">${said}</span>
    </div>`;
  }

  #hourInWords(): string {
    const most = Math.max(...this.hour.map((value) => value ?? 0));
    return most > 0 ? text.panel.lastHour(this.figure.write(most)) : text.panel.lastHourEmpty;
  }

  static override styles = [
    theme,
    bones,
    css`
      :host {
        container-type: inline-size;
        display: flex;
        flex-direction: column;
        height: 100%;
        padding: var(--space-3) var(--space-3) 0;
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--surface);
        overflow: hidden;
      }
      :host([stale]) {
        --sparkline: var(--ghost);
      }
      .name {
        color: var(--soft);
        font-size: var(--text-small);
        line-height: 16px;
        white-space: nowrap;
      }
      .value {
        --fitting: var(--text-figure);
        display: flex;
        align-items: center;
        height: 34px;
        font-size: min(var(--text-figure), var(--fitting));
        font-weight: 620;
        letter-spacing: -0.02em;
        line-height: 1;
        white-space: nowrap;
      }
      /* A bold digit is at most 0.7 em wide, a separator 0.4; 100cqi is the width of the card inside. */
      .value[data-size="8"] {
        --fitting: calc(100cqi / 5.4);
      }
      .value[data-size="11"] {
        --fitting: calc(100cqi / 7.2);
      }
      .value[data-size="13"] {
        --fitting: calc(100cqi / 8.2);
      }
      .value[data-size="15"] {
        --fitting: calc(100cqi / 9.6);
      }
      .value[data-size="18"] {
        --fitting: calc(100cqi / 11.2);
      }
      .value[data-size="21"] {
        --fitting: calc(100cqi / 13.2);
      }
      .value[data-size="more"] {
        --fitting: calc(100cqi / 17);
      }
      .change {
        height: 16px;
        color: var(--soft);
        font-size: var(--text-small);
        line-height: 16px;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      b {
        font-weight: 600;
      }
      .good {
        color: var(--good);
      }
      .bad {
        color: var(--bad);
      }
      .hour {
        height: 32px;
        margin: 10px 0 var(--space-3);
      }
      .bone {
        display: block;
        width: 60%;
        height: 22px;
      }
      .change .bone {
        width: 32%;
        height: 12px;
      }
    `,
  ];
}

define("convoai-figure", FigureCard);

declare global {
  interface HTMLElementTagNameMap {
    "convoai-figure": FigureCard;
  }
}
