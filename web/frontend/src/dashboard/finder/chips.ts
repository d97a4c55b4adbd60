/** The filters that stay while one moves through the views, each as a button that removes it. */

import { css, html, LitElement, nothing } from "lit";
import { define } from "../../ui/define";
import { closeIcon } from "../../ui/icons";
import { type FilterName, Navigate, type Params, type Route } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";
import { filtersOf, isApplied, writeFilter } from "./filters";

const words = dashboardText.chips;

export class Chips extends LitElement {
  static override properties = { route: { attribute: false } };
  declare route: Route;

  override render() {
    const filters = filtersOf(this.route.params);
    if (filters.length === 0) return nothing;
    const none = Object.fromEntries(filters.map(([name]) => [name, ""]));
    return html`<ul role="list" aria-label=${words.label}>
      ${filters.map(([name, value]) => this.#chip(name, value))}
      ${filters.length > 1 ? html`<li><button type="button" class="clear" @click=${() => this.#set(none)}>${words.clear}</button></li>` : nothing}
    </ul>`;
  }

  #chip(name: FilterName, value: string) {
    const isUsed = isApplied(this.route.view, name, value);
    const written = writeFilter(name, value);
    const label = words.remove(`${words.names[name]} ${written}`);
    return html`<li>
      <button type="button" class="chip ${isUsed ? "" : "unused"}" aria-label=${isUsed ? label : `${label} ${words.unused}`} title=${label} @click=${() => this.#set({ [name]: "" })}>
        <span class="name">${words.names[name]}</span> <bdi>${written}</bdi> ${isUsed ? nothing : html`<span class="note">${words.unused}</span>`}${closeIcon()}
      </button>
    </li>`;
  }

  #set(params: Params): void {
    const { view } = this.route;
    this.dispatchEvent(new Navigate({ view, params: { ...this.route.params, ...params } }));
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
        min-width: 0;
      }
      ul {
        display: flex;
        flex-wrap: wrap;
        gap: var(--space-2);
        margin: 0;
        padding: 0;
        list-style: none;
      }
      li {
        min-width: 0;
        max-width: 100%;
      }
      button {
        font: inherit;
        cursor: pointer;
      }
      .chip {
        display: inline-flex;
        align-items: center;
        gap: 6px;
        max-width: 100%;
        min-height: 30px;
        padding: 0 6px 0 12px;
        border: 1px solid color-mix(in srgb, var(--accent) 45%, var(--line));
        border-radius: 15px;
        background: var(--accent-wash);
        color: var(--ink);
      }
      .chip:hover {
        border-color: var(--accent);
      }
      .chip bdi {
        min-width: 0;
        overflow: hidden;
        font-weight: var(--bold);
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      .name,
      .note {
        color: var(--soft);
        font-size: var(--text-small);
        white-space: nowrap;
      }
      .unused {
        border-style: dashed;
        border-color: var(--faded);
        background: var(--surface);
      }
      .chip .icon {
        flex: none;
        width: 16px;
        height: 16px;
      }
      .clear {
        min-height: 30px;
        padding: 0 8px;
        border: 0;
        background: none;
        color: var(--accent);
      }
    `,
  ];
}

define("dashboard-chips", Chips);
