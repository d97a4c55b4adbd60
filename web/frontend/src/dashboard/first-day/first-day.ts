/** What stands above the overview on the first day: the steps to the first event, which are loaded only then. */

import { html, nothing } from "lit";
import { define } from "../../ui/define";
import { isEmpty } from "../../ui/empty-lists";
import { theme } from "../../ui/theme";
import { LiveElement } from "../live-element";
import { loadLater } from "../load-later";

/** Shows nothing if there were events already when it was connected. The steps stay when the first one arrives. */
export class FirstDay extends LiveElement {
  static override properties = { ...LiveElement.properties, areStepsLoaded: { state: true } };
  declare areStepsLoaded: boolean;

  #isFirstDay = false;

  constructor() {
    super();
    this.areStepsLoaded = false;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#isFirstDay = false;
  }

  override willUpdate(): void {
    if (!this.#isFirstDay && isEmpty(this.client.figures.summary)) {
      this.#isFirstDay = true;
      void loadLater(() => import("./first-steps")).then(() => {
        this.areStepsLoaded = true;
      });
    }
    this.hidden = !this.#isFirstDay;
  }

  override render() {
    if (!this.#isFirstDay || !this.areStepsLoaded) return nothing;
    return html`<dashboard-first-steps .client=${this.client}></dashboard-first-steps>`;
  }

  static override styles = theme;
}

define("dashboard-first-day", FirstDay);
