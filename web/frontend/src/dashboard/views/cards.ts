/** The cards of the figures, each with its values of today, yesterday, 7 and 30 days. */

import { css, html, nothing } from "lit";
import { ClockController } from "../../ui/clock-controller";
import { compareFigure } from "../../ui/comparison";
import { define } from "../../ui/define";
import "../../ui/elements/sparkline";
import { FIGURES, type Figure, fitting, lastHour } from "../../ui/figures";
import { currentFreshness } from "../../ui/freshness";
import { text } from "../../ui/text";
import { skeleton } from "../../ui/theme";
import { DAY } from "../../ui/time";
import { Yesterday } from "../../ui/yesterday";
import { LiveSeries } from "../charts/live-series";
import { LiveElement } from "../live-element";
import { spanOf } from "../ranges/range";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { DAY_METRICS, isMean, ofPeriod, PERIODS, type Period } from "./periods";

const words = dashboardText.cards;

/** How many characters have room in the narrowest card: of its figure in the large size and in the small one, of a period. */
const ROOM_LARGE = 10;
const ROOM_SMALL = 15;
const ROOM_PERIOD = 9;

export class Cards extends LiveElement {
  static override properties = { ...LiveElement.properties, stale: { type: Boolean, reflect: true } };
  /** Whether the figures are out of date. */
  declare stale: boolean;

  readonly #days = new LiveSeries(
    () => this.client,
    () => this.requestUpdate(),
  );
  #yesterday: Yesterday | undefined;

  constructor() {
    super();
    this.stale = false;
    new ClockController(this, () => true);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.#days.points) {
      // The view is shown again: the days stay while newer ones are loaded.
      this.#days.reload(this.now);
      return;
    }
    this.#yesterday ??= new Yesterday(this.client.rest, () => this.requestUpdate());
    // A day more than is shown, since the browser's zone may be ahead of the service's.
    const span = (at: number) => {
      const { from, to } = spanOf("30d", at);
      return { from: from - DAY, to, moving: true };
    };
    this.#days.show({ metrics: DAY_METRICS, interval: "day", span }, this.now);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#days.stop();
  }

  override willUpdate(): void {
    const { kind } = currentFreshness(this.client);
    if (kind === "live" || kind === "polling") void this.#yesterday?.update(this.now);
    this.#days.update(this.now);
  }

  override render() {
    const { points, problem } = this.#days;
    return html`<div class="grid">${FIGURES.map((figure) => this.#card(figure))}</div>
      <p class="soft small">${words.note}</p>
      ${
        problem
          ? html`<p class="soft small" role="status">${points ? words.periodsBehind : words.periodsMissing} ${problem.detail}</p>`
          : nothing
      }`;
  }

  #card(figure: Figure) {
    const { summary, minutes } = this.client.figures;
    const value = summary?.[figure.name] ?? null;
    const written = fitting(figure, value, ROOM_SMALL);
    const change = compareFigure(figure, value, this.#yesterday?.of(figure.name, this.now) ?? null);
    const hour = lastHour(figure, minutes, this.now);
    const max = Math.max(...hour.map((amount) => amount ?? 0));
    const hourLabel = max > 0 ? text.hour.lastHour(figure.write(max)) : text.hour.lastHourEmpty;
    return html`<section class="card" aria-label=${text.figures[figure.name]}>
      <div class="head">
        <h3>${text.figures[figure.name]}</h3>
        ${
          change
            ? html`<span class="change ${change.tone}" title=${change.spoken}><span aria-hidden="true">${change.text}</span><span class="visually-hidden">${change.spoken}</span></span>`
            : nothing
        }
      </div>
      <div class="now">
        ${summary ? html`<span class="value ${written.length > ROOM_LARGE ? "long" : ""}" title=${figure.write(value)}>${written}</span>` : html`<span class="skeleton value"></span>`}
      </div>
      <convoai-sparkline .kind=${figure.chart} .values=${hour} .label=${hourLabel}></convoai-sparkline>
      <p class="what">${words.what[figure.name]}</p>
      <dl>
        ${PERIODS.map((period) => this.#period(figure, period))}
      </dl>
    </section>`;
  }

  #period(figure: Figure, period: Period) {
    const { points } = this.#days;
    return html`<div>
      <dt>${isMean(figure.name, period) ? words.meanOf[period] : words[period]}</dt>
      ${points ? this.#periodValue(figure, ofPeriod(points, figure, period)) : html`<dd><span class="skeleton"></span></dd>`}
    </div>`;
  }

  #periodValue(figure: Figure, value: number | null) {
    return html`<dd title=${figure.write(value)}>${fitting(figure, value, ROOM_PERIOD)}</dd>`;
  }

  static override styles = [
    ...baseStyles,
    skeleton,
    css`
      :host {
        container-type: inline-size;
        display: block;
      }
      .grid {
        display: grid;
        gap: var(--space-4);
      }
      @container (width >= 560px) {
        .grid {
          grid-template-columns: repeat(2, minmax(0, 1fr));
        }
      }
      @container (width >= 780px) {
        .grid {
          grid-template-columns: repeat(3, minmax(0, 1fr));
        }
      }
      .grid + p {
        margin: var(--space-2) 0 0;
      }
      .card {
        display: flex;
        flex-direction: column;
        min-width: 0;
        padding: var(--space-4);
      }
      h3 {
        min-width: 0;
        overflow: hidden;
        color: var(--soft);
        font-size: 13px;
        font-weight: 500;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .head {
        display: flex;
        align-items: baseline;
        justify-content: space-between;
        gap: var(--space-2);
      }
      .now {
        display: flex;
        height: 44px;
        overflow: hidden;
      }
      .value {
        font-size: 32px;
        font-weight: 640;
        letter-spacing: -0.025em;
        line-height: 44px;
        white-space: nowrap;
      }
      .value.long {
        font-size: 22px;
      }
      .value.skeleton {
        align-self: center;
        width: 45%;
        height: 26px;
      }
      .change {
        color: var(--soft);
        font-size: 13px;
        font-weight: 550;
        white-space: nowrap;
      }
      .change.good {
        color: var(--good);
      }
      .change.bad {
        color: var(--bad);
      }
      convoai-sparkline {
        height: 44px;
        margin: var(--space-2) 3px var(--space-3) 0;
      }
      .what {
        margin: 0 0 var(--space-1);
        padding-top: var(--space-3);
        border-top: 1px solid var(--line);
        font-size: var(--text-small);
        font-weight: 550;
      }
      dl {
        display: grid;
        grid-template-columns: 1fr 1fr;
        gap: 2px var(--space-5);
        margin: 0;
      }
      /* Three narrow cards in a row, or two: one period a line, where numbers in millions have room. */
      @container (780px <= width < 1020px) or (560px <= width < 660px) {
        dl {
          grid-template-columns: 1fr;
        }
      }
      dl div {
        display: flex;
        align-items: baseline;
        justify-content: space-between;
        gap: var(--space-2);
        min-width: 0;
      }
      dt {
        color: var(--soft);
        font-size: var(--text-small);
        white-space: nowrap;
      }
      dd {
        margin: 0;
        font-weight: 550;
        white-space: nowrap;
      }
      dd .skeleton {
        display: inline-block;
        width: 44px;
        height: 12px;
      }
      :host([stale]) {
        --sparkline: var(--faded);
      }
    `,
  ];
}

define("dashboard-cards", Cards);
