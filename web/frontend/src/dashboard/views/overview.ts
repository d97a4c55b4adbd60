/** The overview: the figures, recent activity, the most active users, and the charts, which are loaded after them. */

import { css, html, nothing } from "lit";
import { ClockController } from "../../ui/clock-controller";
import { define } from "../../ui/define";
import "../../ui/elements/activity-list";
import "../../ui/elements/ranking";
import { emptyLists } from "../../ui/empty-lists";
import { LiveElement } from "../live-element";
import { type Params, writeRoute } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import "./cards";

export class Overview extends LiveElement {
  static override properties = {
    ...LiveElement.properties,
    params: { attribute: false },
    scheme: {},
    zone: {},
    stale: { type: Boolean },
    areChartsLoaded: { state: true },
  };
  declare params: Params;
  declare scheme: string;
  declare zone: string | null;
  declare stale: boolean;
  declare areChartsLoaded: boolean;

  #isLoadingCharts = false;

  constructor() {
    super();
    this.params = {};
    this.scheme = "light";
    this.zone = null;
    this.stale = false;
    this.areChartsLoaded = false;
    new ClockController(this, () => true);
  }

  /** Load the charts after the first figures, which they would delay, or when it is known that there are none. */
  override updated(): void {
    const { kind } = this.client.status;
    if (
      this.#isLoadingCharts ||
      kind === "connecting" ||
      (kind === "catching-up" && this.client.figures.summary === null)
    )
      return;
    this.#isLoadingCharts = true;
    void import("../charts/charts").then(() => {
      this.areChartsLoaded = true;
    });
  }

  override render() {
    const { figures } = this.client;
    const loading = figures.summary === null;
    const empty = emptyLists(figures.summary);
    return html`<section class="figures" aria-labelledby="figures">
        <h2 id="figures" class="visually-hidden">${dashboardText.cards.title}</h2>
        <dashboard-cards .client=${this.client} .stale=${this.stale}></dashboard-cards>
      </section>
      <div class="side">
        <section class="card" aria-labelledby="top">
          <h2 id="top">${dashboardText.top.title}</h2>
          <convoai-ranking .users=${figures.topUsers} .empty=${empty.topUsers} ?loading=${loading}></convoai-ranking>
          <a class="small" href=${writeRoute({ view: "users", params: { sort: "activity_count" } })}>${dashboardText.top.all}</a>
        </section>
        <section class="card" aria-labelledby="recent">
          <h2 id="recent">${dashboardText.recent.title}</h2>
          <convoai-activities .items=${figures.activities} .empty=${empty.activities} .now=${this.now} ?loading=${loading}></convoai-activities>
          <a class="small" href=${writeRoute({ view: "activity", params: {} })}>${dashboardText.recent.all}</a>
        </section>
      </div>
      <section aria-labelledby="charts">
        <h2 id="charts">${dashboardText.charts.title}</h2>
        ${
          this.areChartsLoaded
            ? html`<dashboard-charts .client=${this.client} .params=${this.params} .scheme=${this.scheme} .zone=${this.zone}></dashboard-charts>`
            : nothing
        }
      </section>`;
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        container-type: inline-size;
        display: grid;
        gap: var(--space-5) var(--space-4);
        min-width: 0;
      }
      :host > *,
      section {
        min-width: 0;
      }
      .side {
        display: grid;
        align-content: start;
        align-items: start;
        gap: var(--space-4);
      }
      .side > section {
        min-width: 0;
        padding: var(--space-4);
      }
      #charts {
        margin-bottom: var(--space-3);
      }
      @container (width >= 640px) {
        .side {
          grid-template-columns: repeat(2, minmax(0, 1fr));
        }
      }
    `,
    // On a wide screen the lists stay visible beside the charts.
    css`
      @media (width >= 1400px) {
        :host {
          grid-template: auto 1fr / minmax(0, 1fr) 332px;
          align-items: start;
          container-type: normal;
        }
        .side {
          position: sticky;
          grid-area: 1 / 2 / span 2;
          top: calc(56px + var(--space-5));
          grid-template-columns: minmax(0, 1fr);
          max-height: calc(100dvh - 56px - 2 * var(--space-5));
          overflow-y: auto;
          scrollbar-width: thin;
        }
      }
      @media print {
        :host {
          display: block;
        }
        :host > * {
          margin-bottom: var(--space-4);
        }
        .side {
          position: static;
          grid-template-columns: repeat(2, minmax(0, 1fr));
          max-height: none;
          overflow: visible;
        }
        .side a {
          display: none;
        }
      }
    `,
  ];
}

define("dashboard-overview", Overview);
