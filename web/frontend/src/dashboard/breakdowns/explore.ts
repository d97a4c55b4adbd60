/** The view that breaks any metric down by any dimension by which it is kept. */

import { css, html } from "lit";
import { BREAKDOWNS } from "../../client/catalogue";
import { define } from "../../ui/define";
import "../lists/filters";
import type { Field, FiltersChanged } from "../lists/filters";
import { LiveElement } from "../live-element";
import { Navigate, type Params } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { byLabel, METRICS, readChoice } from "./breakdown";
import "./breakdown-view";

const words = dashboardText.breakdowns;

export class ExploreView extends LiveElement {
  static override properties = { ...LiveElement.properties, params: { attribute: false }, zone: {}, scheme: {} };
  declare params: Params;
  /** The zone of the service's days; null while it is unknown. */
  declare zone: string | null;
  declare scheme: string;

  constructor() {
    super();
    this.params = {};
    this.zone = null;
    this.scheme = "light";
  }

  override render() {
    const choice = readChoice(this.params);
    const caption = words.title(words.metrics[choice.metric], byLabel(choice.by));
    return html`<dashboard-filters
        .fields=${this.#fields}
        .params=${{ ...choice }}
        .clearable=${false}
        @analytics-filtered=${this.#choose}
      ></dashboard-filters>
      <p class="soft small">${dashboardText.daysOf(this.zone)}</p>
      <dashboard-breakdown
        .client=${this.client}
        .choice=${choice}
        .params=${this.params}
        view="explore"
        .zone=${this.zone}
        .scheme=${this.scheme}
        .caption=${caption}
      ></dashboard-breakdown>`;
  }

  get #fields(): readonly Field[] {
    const { metric } = readChoice(this.params);
    return [
      {
        kind: "choice",
        name: "metric",
        label: words.metric,
        options: METRICS.map((name) => [name, words.metrics[name]]),
      },
      { kind: "choice", name: "by", label: words.by, options: BREAKDOWNS[metric].day.map((by) => [by, byLabel(by)]) },
    ];
  }

  #choose = (event: Event): void => {
    const params = { ...this.params, ...readChoice(this.params), ...(event as FiltersChanged).params };
    // What the new metric is not kept by becomes what it is kept by.
    this.dispatchEvent(new Navigate({ view: "explore", params: { ...params, ...readChoice(params) } }, true));
  };

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: grid;
        gap: var(--space-4);
        min-width: 0;
      }
      p {
        margin: 0;
      }
    `,
  ];
}

define("dashboard-explore", ExploreView);
