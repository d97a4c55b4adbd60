/** Asks whether a link may sign in somebody else than who is signed in. */

import { css, html, LitElement } from "lit";
import type { Offer } from "../../client/auth/sign-in-link";
import { define } from "../../ui/define";
import { dashboardText } from "../../ui/text";
import type { Claims } from "../../client/auth/token";
import { sheet } from "../styles";

const words = dashboardText.link;

/** The person's word: whether the link is used. */
export class LinkAnswered extends Event {
  static readonly kind = "analytics-link-answered";
  constructor(readonly used: boolean) {
    super(LinkAnswered.kind, { bubbles: true, composed: true });
  }
}

export class LinkBar extends LitElement {
  static override properties = { offer: {} };
  declare offer: Offer;

  override render() {
    const { link, held } = this.offer;
    const sentences = words.asks(name(link, held), name(held, link));
    return html`<section class="notice" role="alert">
      <p>${sentences}</p>
      <button class="button" type="button" @click=${() => this.#answer(true)}>${words.use}</button>
      <button class="button primary" type="button" @click=${() => this.#answer(false)}>${words.stay}</button>
    </section>`;
  }

  #answer(used: boolean): void {
    this.dispatchEvent(new LinkAnswered(used));
  }

  static override styles = [
    ...sheet,
    css`
      .notice {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: var(--space-2);
        margin: var(--space-3);
      }
      p {
        flex: 1 1 320px;
        min-width: 0;
        margin: 0;
        overflow-wrap: anywhere;
      }
    `,
  ];
}

/** How somebody is named beside the other: by the tenant too where that differs. */
function name(who: Claims | null, other: Claims | null): string {
  if (who === null || who.subject === null) return words.nobody;
  const subject = shortened(who.subject);
  return who.tenant === other?.tenant ? subject : words.of(subject, shortened(who.tenant));
}

/** The link's own text: it must not fill the bar, nor turn the words around it about. */
function shortened(written: string): string {
  const shown = [...written.replace(/[\p{Cc}\p{Cf}]/gu, "")];
  return shown.length > LONGEST ? `${shown.slice(0, LONGEST).join("")}…` : shown.join("");
}

/** Characters of a name. */
const LONGEST = 60;

define("dashboard-link-bar", LinkBar);
