/** Asks whether a link may sign in another person than the current one, or says why it could not. */

import { css, html, LitElement } from "lit";
import type { Person } from "../../client/session";
import { define } from "../../ui/define";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import type { PendingLink } from "./session";

const words = dashboardText.link;

/** The person's answer: whether to use the link. */
export class LinkAnswered extends Event {
  static readonly kind = "analytics-link-answered";
  constructor(readonly accepted: boolean) {
    super(LinkAnswered.kind, { bubbles: true, composed: true });
  }
}

export class LinkBar extends LitElement {
  static override properties = { pending: {}, refusal: {} };
  declare pending: PendingLink | null;
  /** Why the link could not sign in, if none is pending. */
  declare refusal: string | null;

  override render() {
    if (this.pending === null) {
      return html`<section class="notice" role="alert">
        <p>${words.refused(this.refusal ?? "")}</p>
        <button class="button" type="button" @click=${() => this.#answer(false)}>${words.close}</button>
      </section>`;
    }
    const { link, current } = this.pending;
    const question = words.asks(name(link, current), name(current, link));
    return html`<section class="notice" role="alert">
      <p>${question}</p>
      <button class="button" type="button" @click=${() => this.#answer(true)}>${words.use}</button>
      <button class="button primary" type="button" @click=${() => this.#answer(false)}>${words.stay}</button>
    </section>`;
  }

  #answer(accepted: boolean): void {
    this.dispatchEvent(new LinkAnswered(accepted));
  }

  static override styles = [
    ...baseStyles,
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

/** The name of a person, with the tenant if it differs from the other's. */
function name(person: Person, other: Person): string {
  if (person.subject === null) return words.nobody;
  const subject = shorten(person.subject);
  return person.tenant === other.tenant ? subject : words.of(subject, shorten(person.tenant));
}

/** Shorten text of the link, and remove control characters, which could change the direction of the text around it. */
function shorten(text: string): string {
  const shown = [...text.replace(/[\p{Cc}\p{Cf}]/gu, "")];
  return shown.length > MAX_CHARACTERS ? `${shown.slice(0, MAX_CHARACTERS).join("")}…` : shown.join("");
}

/** The most characters of a name that are shown. */
const MAX_CHARACTERS = 60;

define("dashboard-link-bar", LinkBar);
