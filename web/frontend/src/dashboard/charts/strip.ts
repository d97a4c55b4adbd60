/** The key figures of the range, each with its change and its course; the chosen one is the chart below. */

import { css, html, LitElement, nothing } from "lit";
import { define } from "../../ui/define";
import "../../ui/elements/sparkline";
import { count, dollars, rate, seconds, short } from "../../ui/format";
import { skeleton } from "../../ui/theme";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { changeOf } from "./change";
import { type ChartData, type ChartName, KEY_FIGURES } from "./chart-data";

const words = dashboardText.charts;

/** How many characters of a figure have room in the narrowest cell. */
const ROOM = 9;

/** Another key figure was chosen for the chart. */
export class FigureChosen extends Event {
  static readonly kind = "analytics-figure";
  constructor(readonly name: ChartName) {
    super(FigureChosen.kind);
  }
}

export class Strip extends LitElement {
  static override properties = { charts: { attribute: false }, chosen: {} };
  /** Null until they are loaded. */
  declare charts: readonly ChartData[] | null;
  declare chosen: ChartName;

  constructor() {
    super();
    this.charts = null;
    this.chosen = KEY_FIGURES[0];
  }

  override render() {
    return html`<div class="strip" role="group" aria-label=${words.keyFigures}>
      ${KEY_FIGURES.map((name) => this.#figure(name, this.charts?.find((chart) => chart.name === name) ?? null))}
    </div>`;
  }

  #figure(name: ChartName, data: ChartData | null) {
    const title = words.names[name];
    if (data === null) {
      return html`<div class="figure"><span class="name">${title}</span><span class="skeleton value"></span></div>`;
    }
    const full = writeValue(data, data.total);
    const [now, before] = data.compared ?? [null, null];
    const change = changeOf(now, before, data.moreIs);
    const share = data.whole === null ? data.qualifier : rate(data.total ?? 0, data.whole);
    return html`<button
      type="button"
      class="figure ${name}"
      aria-pressed=${name === this.chosen}
      @click=${() => this.dispatchEvent(new FigureChosen(name))}
    >
      <span class="name">${title}</span>
      <span class="value ${data.needsAttention ? "attention" : ""}" title=${full}>${full.length > ROOM ? short(data.total) : full}${share ? html`<small> ${share}</small>` : nothing}</span>
      <span class="change ${change?.tone ?? ""}">
        <span aria-hidden="true">${change?.text ?? ""}</span><span class="visually-hidden">${change?.spoken ?? ""}</span>
      </span>
      <convoai-sparkline kind="line" .values=${data.main}></convoai-sparkline>
    </button>`;
  }

  static override styles = [
    ...baseStyles,
    skeleton,
    css`
      :host {
        container-type: inline-size;
        display: block;
        min-width: 0;
      }
      .strip {
        display: grid;
        grid-template-columns: repeat(2, minmax(0, 1fr));
        gap: 1px;
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--line);
        overflow: hidden;
      }
      @container (width >= 560px) {
        .strip {
          grid-template-columns: repeat(4, minmax(0, 1fr));
        }
      }
      @container (width >= 1020px) {
        .strip {
          grid-template-columns: repeat(8, minmax(0, 1fr));
        }
      }
      .figure {
        position: relative;
        display: grid;
        grid-template: 18px 26px 1fr / auto minmax(0, 1fr);
        column-gap: var(--space-2);
        min-width: 0;
        height: 90px;
        margin: 0;
        padding: 9px 12px 8px;
        border: 0;
        background: var(--surface);
        color: var(--ink);
        font: inherit;
        text-align: start;
      }
      button {
        cursor: pointer;
      }
      button:hover {
        background: color-mix(in srgb, var(--raised) 50%, var(--surface));
      }
      button:focus-visible {
        z-index: 1;
        outline-offset: -2px;
      }
      button[aria-pressed="true"] {
        box-shadow: inset 0 -2px var(--accent);
      }
      .name {
        grid-column: 1 / -1;
        overflow: hidden;
        color: var(--soft);
        font-size: var(--text-small);
        line-height: 18px;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      [aria-pressed="true"] .name {
        color: var(--accent);
      }
      .value {
        grid-column: 1 / -1;
        font-size: var(--text-title);
        font-weight: var(--bold);
        line-height: 26px;
        letter-spacing: -0.015em;
        white-space: nowrap;
      }
      .value small {
        color: var(--soft);
        font-size: var(--text-small);
        font-weight: 400;
        letter-spacing: 0;
      }
      .value.attention {
        color: var(--bad);
      }
      .value.skeleton {
        width: 60%;
        height: 20px;
        margin-top: 3px;
      }
      .change {
        align-self: end;
        color: var(--soft);
        font-size: var(--text-small);
        line-height: 18px;
        white-space: nowrap;
      }
      .change.good {
        color: var(--good);
      }
      .change.bad {
        color: var(--bad);
      }
      convoai-sparkline {
        align-self: end;
        grid-column: 2;
        height: 22px;
        border: 0;
      }
      @media (forced-colors: active) {
        button[aria-pressed="true"] * {
          color: inherit !important;
        }
      }
      @media print {
        .strip {
          grid-template-columns: repeat(4, minmax(0, 1fr));
          break-inside: avoid;
        }
        button[aria-pressed="true"] {
          box-shadow: none;
        }
      }
    `,
  ];
}

/** A value of a chart with all its digits. */
export function writeValue({ unit }: Pick<ChartData, "unit">, value: number | null): string {
  if (unit === "dollars") return dollars(value);
  return unit === "seconds" ? seconds(value) : count(value);
}

define("dashboard-strip", Strip);
