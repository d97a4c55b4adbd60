/** A small chart without axes: `<convoai-sparkline .values=${[1, null, 3]} kind="line" label="...">`. */

import { css, html, LitElement, nothing } from "lit";
import { define } from "../define";
import { theme } from "../theme";
import { bars, line, type Values } from "./curve";

const WIDTH = 180;
const HEIGHT = 32;

/** Fills its box; an array with the same values is not drawn again. */
export class Sparkline extends LitElement {
  static override properties = { values: { attribute: false, hasChanged: differ }, kind: {}, label: {} };
  declare values: Values;
  /** Bars for counts, a line for means. */
  declare kind: "bars" | "line";
  /** The text for screen readers, which skip it without one. */
  declare label: string;

  constructor() {
    super();
    this.values = [];
    this.kind = "bars";
    this.label = "";
  }

  override render() {
    const { past, last } = (this.kind === "line" ? line : bars)(this.values, WIDTH, HEIGHT);
    return html`<svg
      class=${this.kind}
      viewBox="0 0 ${WIDTH} ${HEIGHT}"
      preserveAspectRatio="none"
      role=${this.label ? "img" : nothing}
      aria-label=${this.label || nothing}
      aria-hidden=${this.label ? nothing : "true"}
    >
      <path class="past" d=${past} />
      <path class="last" d=${last} />
    </svg>`;
  }

  static override styles = [
    theme,
    css`
      :host {
        --colour: var(--sparkline, var(--series-1));
        display: block;
        height: 32px;
        border-bottom: 1px solid var(--line);
      }
      svg {
        display: block;
        width: 100%;
        height: 100%;
        overflow: visible;
      }
      .bars path {
        fill: var(--colour);
      }
      .bars .past {
        opacity: 0.5;
      }
      .line path {
        vector-effect: non-scaling-stroke;
        fill: none;
        stroke: var(--colour);
        stroke-linecap: round;
        stroke-linejoin: round;
        stroke-width: 1.5;
      }
      .line .last {
        stroke-width: 5;
      }
    `,
  ];
}

function differ(now: Values, before: Values | undefined): boolean {
  return now.length !== before?.length || now.some((value, index) => value !== before[index]);
}

define("convoai-sparkline", Sparkline);

declare global {
  interface HTMLElementTagNameMap {
    "convoai-sparkline": Sparkline;
  }
}
