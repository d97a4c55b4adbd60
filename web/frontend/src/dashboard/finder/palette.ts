/**
 * The search of the dashboard, opened by Ctrl-K or ⌘K: a dialog with an input, whose list of results is chosen from by arrow
 * keys (a combobox as in the ARIA Authoring Practices Guide).
 */

import { css, html, LitElement, nothing } from "lit";
import type { Found, SavedView, User } from "../../client/catalogue";
import type { AnalyticsClient } from "../../client/client";
import type { Page as Rows } from "../../client/rest";
import { define } from "../../ui/define";
import { LatestRequest } from "../latest-request";
import { Navigate, type Page, type Route, VIEWS } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { routeOf } from "./saved-view";

const words = dashboardText.finder;

/** The pause in typing after which the service is asked, in ms. */
const PAUSE = 120;
/** How many of each kind are shown. */
const LIMIT = 6;

type Group = keyof typeof words.groups;

interface Choice {
  readonly group: Group;
  readonly label: string;
  readonly note: string;
  readonly route: Route;
}

export class Palette extends LitElement {
  static override properties = {
    client: { attribute: false },
    saved: { attribute: false },
    typed: { state: true },
    active: { state: true },
  };
  declare client: AnalyticsClient;
  declare saved: readonly SavedView[];
  declare typed: string;
  /** The index of the choice that Enter opens. */
  declare active: number;

  /** Two requests: names of users are searched for in all of them, which may take longer than what a key leads to. */
  readonly #found = new LatestRequest<Found>(() => this.requestUpdate());
  readonly #users = new LatestRequest<Rows<User>>(() => this.requestUpdate());
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    super();
    this.saved = [];
    this.typed = "";
    this.active = 0;
  }

  get #dialog(): HTMLDialogElement | null {
    return this.renderRoot.querySelector("dialog");
  }

  open(): void {
    if (this.#dialog?.open) return;
    this.#clear();
    this.#dialog?.showModal();
    this.renderRoot.querySelector("input")?.focus();
  }

  #clear(): void {
    clearTimeout(this.#timer);
    this.typed = "";
    this.active = 0;
    for (const request of [this.#found, this.#users]) {
      request.abort();
      request.result = null;
    }
  }

  override render() {
    const choices = this.#choices();
    return html`<dialog aria-label=${words.title} @click=${this.#clickOutside} @close=${() => this.#clear()}>
      <div class="box">
        <input
          type="text"
          role="combobox"
          aria-label=${words.title}
          aria-expanded=${choices.length > 0}
          aria-controls="results"
          aria-autocomplete="list"
          aria-activedescendant=${choices.length > 0 ? `choice-${this.active}` : nothing}
          autocomplete="off"
          spellcheck="false"
          maxlength="255"
          placeholder=${words.placeholder}
          .value=${this.typed}
          @input=${this.#type}
          @keydown=${(event: KeyboardEvent) => this.#key(event, choices)}
        />
        ${this.#results(choices)}
        <p class="visually-hidden" role="status">${this.typed === "" ? nothing : words.found(String(choices.length))}</p>
        <p class="soft small">${words.hint}</p>
      </div>
    </dialog>`;
  }

  #results(choices: readonly Choice[]) {
    const groups = [...new Set(choices.map(({ group }) => group))];
    return html`<div id="results" role="listbox" aria-label=${words.results}>
        ${groups.map(
          (group) => html`<div role="group" aria-label=${words.groups[group]}>
            <p class="group soft small" aria-hidden="true">${words.groups[group]}</p>
            ${choices.map((choice, index) => (choice.group === group ? this.#choice(choice, index) : nothing))}
          </div>`,
        )}
      </div>
      ${choices.length === 0 ? html`<p class="soft">${this.#found.isLoading ? dashboardText.lists.loading : words.none}</p>` : nothing}`;
  }

  #choice(choice: Choice, index: number) {
    const { label, note } = choice;
    return html`<div id="choice-${index}" role="option" aria-selected=${index === this.active} @click=${() => this.#go(choice)}>
      <bdi>${label}</bdi>${note ? html`<bdi class="note soft small">${note}</bdi>` : nothing}
    </div>`;
  }

  /** What can be chosen: what the service found, and views and saved views whose name has what was typed. */
  #choices(): readonly Choice[] {
    const part = this.typed.trim().toLowerCase();
    const has = (name: string) => name.toLowerCase().includes(part);
    const views = VIEWS.filter((view) => has(dashboardText.views[view])).map(
      (view): Choice => ({ group: "views", label: dashboardText.views[view], note: "", route: { view, params: {} } }),
    );
    const saved = this.saved
      .filter(({ name }) => has(name))
      .map((view): Choice => ({ group: "saved", label: view.name, note: "", route: routeOf(view) }));
    return part === "" ? [...views, ...saved] : [...this.#things(), ...views, ...saved];
  }

  #things(): readonly Choice[] {
    const found = this.#found.result;
    const named = [...(found?.users ?? []), ...(this.#users.result?.items ?? [])];
    const users = new Map(named.map(({ user_id, username }) => [user_id, username]));
    const to = (group: Group, page: Page, id: string, label = id, note = ""): Choice => {
      return { group, label, note, route: { view: page, params: { id } } };
    };
    return [
      ...[...users].slice(0, LIMIT).map(([id, name]) => to("users", "user", id, name ?? id, name === null ? "" : id)),
      ...(found?.conversations ?? []).map(({ conversation_id: id, user_id }) =>
        to("conversations", "conversation", id, id, user_id),
      ),
      ...(found?.endpoints ?? []).map(({ endpoint }) => to("endpoints", "endpoint", endpoint)),
      ...(found?.models ?? []).map(({ model_used }) => to("models", "model", model_used)),
    ];
  }

  #type = (event: Event): void => {
    const { value } = event.target as HTMLInputElement;
    const part = value.trim();
    if (part === "") {
      this.#clear();
      return;
    }
    this.typed = value;
    this.active = 0;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const { rest } = this.client;
      void this.#found.load((signal) => rest.get<Found>("search", { part, limit: LIMIT }, signal));
      void this.#users.load((signal) => rest.list<User>("users/list", { search: part, limit: LIMIT }, signal));
    }, PAUSE);
  };

  #key(event: KeyboardEvent, choices: readonly Choice[]): void {
    if (event.isComposing) return;
    const count = choices.length;
    if (event.key === "Enter") this.#go(choices[this.active]);
    else if (event.key === "ArrowDown" && count > 0) this.#choose((this.active + 1) % count);
    else if (event.key === "ArrowUp" && count > 0) this.#choose((this.active + count - 1) % count);
    else return;
    event.preventDefault();
  }

  #choose(index: number): void {
    this.active = index;
    void this.updateComplete.then(() =>
      this.renderRoot.querySelector(`#choice-${index}`)?.scrollIntoView({ block: "nearest" }),
    );
  }

  #go(choice: Choice | undefined): void {
    if (!choice) return;
    this.#dialog?.close();
    this.dispatchEvent(new Navigate(choice.route));
  }

  #clickOutside = (event: Event): void => {
    if (event.target === this.#dialog) this.#dialog?.close();
  };

  static override styles = [
    ...baseStyles,
    css`
      dialog {
        width: min(620px, 100vw - 24px);
        margin: 10vh auto auto;
        padding: 0;
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--surface);
        color: var(--ink);
        box-shadow: var(--shadow);
      }
      dialog::backdrop {
        background: #0007;
      }
      .box {
        padding: var(--space-3);
      }
      input {
        width: 100%;
        height: 44px;
        font-size: var(--text-large);
      }
      #results {
        max-height: min(420px, 60vh);
        margin-top: var(--space-2);
        overflow: auto;
      }
      [role="option"] {
        display: flex;
        align-items: baseline;
        justify-content: space-between;
        gap: var(--space-3);
        padding: 7px 10px;
        border-radius: var(--radius-small);
        cursor: pointer;
      }
      [role="option"] bdi {
        min-width: 0;
        overflow-wrap: anywhere;
      }
      [role="option"]:hover {
        background: var(--raised);
      }
      [role="option"][aria-selected="true"] {
        background: var(--accent-wash);
        box-shadow: inset 2px 0 var(--accent);
      }
      p {
        margin: var(--space-2) 10px 2px;
      }
      .group {
        font-weight: var(--bold);
      }
      @media (forced-colors: active) {
        [role="option"][aria-selected="true"] {
          forced-color-adjust: none;
          background: Highlight;
          color: HighlightText;
        }
        [role="option"][aria-selected="true"] .note {
          color: inherit;
        }
      }
    `,
  ];
}

define("dashboard-palette", Palette);
