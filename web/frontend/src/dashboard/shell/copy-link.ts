/** A button that copies a link to what is on screen, with the range of now as two times. */

import { css, html, LitElement } from "lit";
import { define } from "../../ui/define";
import { linkIcon } from "../../ui/icons";
import { DEFAULT_RANGE, fixed, readRange, writeRange } from "../ranges/range";
import { type Route, writeAddress } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";

const words = dashboardText.copyLink;

/** How long it is told that the link was copied, in ms. */
const TOLD_MS = 2500;

export class CopyLink extends LitElement {
  static override properties = { route: { attribute: false }, zone: {}, told: { state: true } };
  declare route: Route;
  /** The zone of the service's days; null while it is unknown. */
  declare zone: string | null;
  declare told: string;

  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.zone = null;
    this.told = "";
  }

  override render() {
    return html`<button class="icon-button" type="button" aria-label=${words.label} title=${words.label} @click=${this.#copy}>${linkIcon()}</button>
      <span class="told" role="status">${this.told}</span>`;
  }

  #copy = async (): Promise<void> => {
    this.told = (await copied(this.#link())) ? words.copied : words.failed;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.told = "";
    }, TOLD_MS);
  };

  #link(): string {
    const { view, params } = this.route;
    const range = fixed(readRange(params, DEFAULT_RANGE), Date.now(), this.zone ?? undefined);
    return location.origin + location.pathname + writeAddress({ view, params: { ...params, ...writeRange(range) } });
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        position: relative;
      }
      .told {
        position: absolute;
        top: 100%;
        right: 0;
        z-index: 1;
        padding: var(--space-1) var(--space-2);
        border-radius: var(--radius-small);
        background: var(--ink);
        color: var(--surface);
        font-size: var(--text-small);
        white-space: nowrap;
      }
      .told:empty {
        display: none;
      }
    `,
  ];
}

/** Returns whether it was copied: without TLS, browsers offer the clipboard on this machine only. */
async function copied(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false;
  }
}

define("dashboard-copy-link", CopyLink);
