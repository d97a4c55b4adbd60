/** A card with one figure: its name, its exact value, its change since yesterday, its last hour. */

import { css, html, LitElement, nothing, type PropertyValues } from "lit";
import { type Comparison, compareFigure } from "../ui/comparison";
import { define } from "../ui/define";
import "../ui/elements/sparkline";
import type { Figure, Hour } from "../ui/figures";
import { animate } from "../ui/motion";
import { text } from "../ui/text";
import { skeleton, theme } from "../ui/theme";
import { panelText } from "./text";

/** Text sizes, by the greatest number of characters that fit the narrowest card. */
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
  /** The value of yesterday at this time; null if it is unknown or was not measured. */
  declare yesterday: number | null;
  declare hour: Hour;
  /** Whether the value is not known yet. */
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
        <div class="value"><span class="skeleton"><span class="visually-hidden">${panelText.figureLoading}</span></span></div>
        ${this.figure.isOfPeriod ? html`<div class="change"><span class="skeleton"></span></div>` : nothing}
        <div class="hour"></div>`;
    }
    const value = this.figure.write(this.value);
    const size = SIZES.find((limit) => value.length <= limit) ?? "more";
    return html`${name}
      <div class="value" data-size=${size} title=${value}>${value}</div>
      ${this.#change(compareFigure(this.figure, this.value, this.yesterday))}
      <convoai-sparkline class="hour" .kind=${this.figure.chart} .values=${this.hour} .label=${this.#hourLabel()}></convoai-sparkline>`;
  }

  override updated(changed: PropertyValues<this>): void {
    const isKnown = !changed.has("loading") && changed.get("value") !== undefined;
    if (changed.has("value") && isKnown)
      animate(this.renderRoot.querySelector(".value"), [{ color: "var(--accent)" }, {}], 900);
  }

  #change(comparison: Comparison | null) {
    if (!comparison) return nothing;
    const { text: shown, spoken, tone, direction } = comparison;
    const isMeasured = direction !== "none" && direction !== "new";
    return html`<div class="change" title=${spoken}>
      <span aria-hidden="true"><b class=${tone}>${shown}</b>${isMeasured ? html` ${text.change.since}` : null}</span>
      <span class="visually-hidden">${spoken}</span>
    </div>`;
  }

  #hourLabel(): string {
    const most = Math.max(...this.hour.map((value) => value ?? 0));
    return most > 0 ? text.hour.lastHour(this.figure.write(most)) : text.hour.lastHourEmpty;
  }

  static override styles = [
    theme,
    skeleton,
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
        --sparkline: var(--faded);
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
        margin: auto 0 var(--space-3);
        padding-top: 10px;
        box-sizing: content-box;
      }
      .skeleton {
        display: block;
        width: 60%;
        height: 22px;
      }
      .change .skeleton {
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
