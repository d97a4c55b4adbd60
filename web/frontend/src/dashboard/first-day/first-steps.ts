/** What a dashboard without events shows: three steps to the first one. It says so the moment that event arrives. */

import { css, html } from "lit";
import { readClaims } from "../../client/auth/claims";
import { storedToken } from "../../client/auth/token-storage";
import { define } from "../../ui/define";
import { isEmpty } from "../../ui/empty-lists";
import { checkIcon } from "../../ui/icons";
import { LiveElement } from "../live-element";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import "./copyable";
import { keyCommand, LANGUAGES, type SnippetLanguage, snippets } from "./snippets";

const words = dashboardText.firstDay;
const NAMES: Record<SnippetLanguage, string> = { python: "Python", node: "Node", curl: "curl" };

export class FirstSteps extends LiveElement {
  static override properties = { ...LiveElement.properties, language: { state: true } };
  /** The language of the program that is shown. */
  declare language: SnippetLanguage;

  constructor() {
    super();
    this.language = "python";
  }

  override render() {
    const hasArrived = !isEmpty(this.client.figures.summary);
    return html`<section class="card" aria-labelledby="title">
      <h2 id="title">${words.title}</h2>
      <p class="soft">${words.body}</p>
      <ol role="list">
        <li>
          <h3>${words.key}</h3>
          <p class="soft">${words.keyBody}</p>
          <dashboard-copyable .code=${keyCommand(tenant())} .label=${words.key}></dashboard-copyable>
        </li>
        <li>
          <h3>${words.post}</h3>
          ${this.#languages()}
          <p class="soft">${words.run[this.language]}</p>
          <dashboard-copyable .code=${snippets(location.origin)[this.language]} .label=${NAMES[this.language]}></dashboard-copyable>
        </li>
        <li class=${hasArrived ? "done" : "waiting"}>
          <div role="status">
            <h3>${hasArrived ? checkIcon() : html`<i></i>`}${hasArrived ? words.arrived : words.waiting}</h3>
            <p class="soft">${hasArrived ? words.arrivedBody : words.waitingBody}</p>
          </div>
        </li>
      </ol>
    </section>`;
  }

  #languages() {
    return html`<div class="segments" role="group" aria-label=${words.language}>
      ${LANGUAGES.map(
        (language) =>
          html`<button type="button" aria-pressed=${language === this.language} @click=${() => this.#choose(language)}>${NAMES[language]}</button>`,
      )}
    </div>`;
  }

  #choose(language: SnippetLanguage): void {
    this.language = language;
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        min-width: 0;
      }
      .card {
        max-width: 860px;
        padding: var(--space-5);
      }
      p {
        margin: 0;
      }
      ol {
        display: grid;
        gap: var(--space-5);
        margin: var(--space-5) 0 0;
        padding: 0;
        list-style: none;
        counter-reset: step;
      }
      li {
        position: relative;
        display: grid;
        gap: var(--space-2);
        min-width: 0;
        padding-left: 40px;
        counter-increment: step;
      }
      li::before {
        content: counter(step);
        position: absolute;
        left: 0;
        top: -2px;
        display: grid;
        place-items: center;
        width: 26px;
        height: 26px;
        border-radius: 50%;
        background: var(--accent-wash);
        color: var(--accent);
        font-size: 13px;
        font-weight: 620;
      }
      .done::before {
        background: color-mix(in srgb, var(--good) 12%, var(--surface));
        color: var(--good);
      }
      h3 {
        display: flex;
        align-items: center;
        gap: var(--space-2);
      }
      [role="status"] {
        display: grid;
        gap: var(--space-2);
      }
      .done h3 {
        color: var(--good);
      }
      h3 i {
        flex: none;
        width: 9px;
        height: 9px;
        border-radius: 50%;
        background: var(--warn);
        animation: wait 1.6s ease-in-out infinite;
      }
      @keyframes wait {
        50% {
          opacity: 0.3;
        }
      }
      .segments {
        display: flex;
        gap: 2px;
        justify-self: start;
        padding: 3px;
        border: 1px solid var(--line);
        border-radius: var(--radius-small);
        background: var(--raised);
      }
      .segments button {
        min-height: 28px;
        padding: 0 12px;
        border: 0;
        border-radius: 4px;
        background: none;
        color: var(--soft);
        font: 500 13px / 1 var(--font);
        cursor: pointer;
      }
      .segments button:hover {
        color: var(--ink);
      }
      .segments button[aria-pressed="true"] {
        background: var(--surface);
        color: var(--ink);
        box-shadow: 0 1px 2px #0003;
      }
      @media (width < 600px) {
        .card {
          padding: var(--space-4);
        }
        li {
          padding-left: 0;
        }
        li::before {
          display: none;
        }
      }
    `,
  ];
}

/** The tenant whose figures are shown, as far as the token says. */
function tenant(): string {
  return readClaims(storedToken() ?? "")?.tenant ?? "default";
}

define("dashboard-first-steps", FirstSteps);
