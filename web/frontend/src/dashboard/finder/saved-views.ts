/** The saved views of the tenant: a menu that opens, saves, renames and deletes them. */

import { css, html, LitElement, nothing } from "lit";
import type { SavedView } from "../../client/catalogue";
import type { AnalyticsClient } from "../../client/client";
import { define } from "../../ui/define";
import { bookmarkIcon } from "../../ui/icons";
import { LatestRequest, problemOf } from "../latest-request";
import { Navigate, type Route, writeRoute } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { routeOf, viewOf } from "./saved-view";

const words = dashboardText.saved;

type Task = { readonly act: "new" } | { readonly act: "rename" | "delete"; readonly view: SavedView };

export class SavedViews extends LitElement {
  static override properties = {
    client: { attribute: false },
    route: { attribute: false },
    isOpen: { state: true },
    task: { state: true },
    failure: { state: true },
  };
  declare client: AnalyticsClient;
  declare route: Route;
  declare isOpen: boolean;
  /** What a person is about to do. */
  declare task: Task | null;
  declare failure: string;

  readonly #views = new LatestRequest<readonly SavedView[]>(() => this.requestUpdate());

  constructor() {
    super();
    this.isOpen = false;
    this.task = null;
    this.failure = "";
  }

  /** The views as they were loaded last. */
  get views(): readonly SavedView[] {
    return this.#views.result ?? [];
  }

  /** Load the views: another admin may have changed them. */
  load(): Promise<void> {
    return this.#views.load(async (signal) => {
      const { items } = await this.client.rest.get<{ items: readonly SavedView[] }>("views", {}, signal);
      return items;
    });
  }

  open(): void {
    this.#menu?.showPopover();
  }

  get #menu(): HTMLElement | null {
    return this.renderRoot.querySelector("#menu");
  }

  override render() {
    return html`<button class="icon-button" type="button" popovertarget="menu" aria-label=${words.title} title=${words.title} aria-expanded=${this.isOpen}>${bookmarkIcon()}</button>
      <div id="menu" popover role="dialog" aria-label=${words.title} @toggle=${this.#toggle}>
        <h2 tabindex="-1">${words.title}</h2>
        ${this.#list()} ${this.failure ? html`<p class="bad" role="alert">${this.failure}</p>` : nothing} ${this.#task()}
      </div>`;
  }

  #list() {
    const { result, problem } = this.#views;
    if (problem) return html`<p class="bad" role="alert">${words.failed(problem.detail)}</p>`;
    if (result === null) return html`<p class="soft">${dashboardText.lists.loading}</p>`;
    if (result.length === 0) return html`<p class="soft">${words.none}</p>`;
    const act = (view: SavedView, kind: "rename" | "delete", label: string, text: string) =>
      html`<button type="button" aria-label=${label} @click=${() => this.#begin({ act: kind, view })}>${text}</button>`;
    return html`<ul role="list">
      ${result.map(
        (view) => html`<li>
          <a href=${writeRoute(routeOf(view))} @click=${(event: Event) => this.#go(event, view)}><bdi>${view.name}</bdi></a>
          ${act(view, "rename", words.renameOf(view.name), words.rename)} ${act(view, "delete", words.removeOf(view.name), words.remove)}
        </li>`,
      )}
    </ul>`;
  }

  #task() {
    const { task } = this;
    const cancel = html`<button class="button" type="button" @click=${() => this.#begin(null)}>${words.cancel}</button>`;
    if (task === null)
      return html`<button class="button start" type="button" @click=${() => this.#begin({ act: "new" })}>${words.save}</button>`;
    if (task.act === "delete")
      return html`<form @submit=${this.#submit}>
        <p>${words.confirm(task.view.name)}</p>
        <div class="acts"><button class="button start" type="submit">${words.remove}</button>${cancel}</div>
      </form>`;
    return html`<form @submit=${this.#submit}>
      <label class="field">${words.name}<input class="start" name="name" maxlength="100" required autocomplete="off" .value=${task.act === "rename" ? task.view.name : ""} /></label>
      <div class="acts"><button class="button primary" type="submit">${words.done}</button>${cancel}</div>
    </form>`;
  }

  #toggle = (event: ToggleEvent): void => {
    this.isOpen = event.newState === "open";
    this.task = null;
    this.failure = "";
    if (!this.isOpen) return;
    this.renderRoot.querySelector("h2")?.focus();
    void this.load();
  };

  async #begin(task: Task | null): Promise<void> {
    this.task = task;
    this.failure = "";
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>(".start")?.focus();
  }

  #submit = (event: Event): void => {
    event.preventDefault();
    const { task } = this;
    const name = this.renderRoot.querySelector("input")?.value.trim() ?? "";
    if (task === null || (task.act !== "delete" && name === "")) return;
    void this.#change(task, name);
  };

  async #change(task: Task, name: string): Promise<void> {
    const { rest } = this.client;
    try {
      if (task.act === "new") await rest.change("POST", "views", viewOf(this.route, name));
      else if (task.act === "rename") await rest.change("PATCH", `views/${task.view.id}`, { name });
      else await rest.change("DELETE", `views/${task.view.id}`);
      await this.#begin(null);
    } catch (error) {
      this.failure = words.failed(problemOf(error).detail);
    }
    await this.load();
  }

  #go(event: Event, view: SavedView): void {
    event.preventDefault();
    this.#menu?.hidePopover();
    this.dispatchEvent(new Navigate(routeOf(view)));
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: contents;
      }
      #menu {
        position: fixed;
        inset: 60px 12px auto auto;
        width: min(380px, 100vw - 24px);
        max-height: calc(100dvh - 80px);
        margin: 0;
        padding: var(--space-4);
        overflow: auto;
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--surface);
        color: var(--ink);
        box-shadow: var(--shadow);
      }
      h2 {
        margin-bottom: var(--space-2);
      }
      h2:focus {
        outline: none;
      }
      p {
        margin: 0 0 var(--space-3);
      }
      .bad {
        color: var(--bad);
      }
      ul {
        margin: 0 0 var(--space-3);
        padding: 0;
        list-style: none;
      }
      li {
        display: flex;
        align-items: center;
        gap: var(--space-2);
        min-height: 36px;
        border-bottom: 1px solid var(--line);
      }
      li a {
        flex: 1;
        min-width: 0;
        overflow: hidden;
        text-overflow: ellipsis;
      }
      li button {
        min-height: 28px;
        padding: 0 6px;
        border: 0;
        border-radius: var(--radius-small);
        background: none;
        color: var(--soft);
        font: inherit;
        font-size: var(--text-small);
        cursor: pointer;
      }
      li button:hover {
        color: var(--ink);
      }
      .acts {
        display: flex;
        gap: var(--space-2);
        margin-top: var(--space-3);
      }
      @media print {
        :host {
          display: none;
        }
      }
    `,
  ];
}

define("dashboard-saved-views", SavedViews);
