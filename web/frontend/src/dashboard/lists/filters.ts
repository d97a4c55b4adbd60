/** The filters of a list: `<dashboard-filters .fields=${FIELDS} .params=${params}>` fires an event for each change. */

import { css, html, LitElement, nothing } from "lit";
import { define } from "../../ui/define";
import type { Params } from "../route";
import { baseStyles } from "../styles";
import { dashboardText } from "../text";

const words = dashboardText.filters;

/** A text filter applies after a pause of so many ms in typing. */
const TYPING_PAUSE = 300;

export type Field =
  | { kind: "text"; name: string; label: string; hint?: string; suggestions?: readonly string[] }
  | { kind: "number"; name: string; label: string; min: number; max: number; usual: number }
  | { kind: "choice"; name: string; label: string; options: readonly (readonly [value: string, label: string])[] };

/** Filters were changed; an empty parameter is removed. */
export class FiltersChanged extends Event {
  static readonly kind = "analytics-filtered";
  constructor(readonly params: Params) {
    super(FiltersChanged.kind);
  }
}

export class FilterBar extends LitElement {
  static override properties = {
    fields: { attribute: false },
    params: { attribute: false },
    clearable: { type: Boolean },
  };
  declare fields: readonly Field[];
  declare params: Params;
  /** Whether they can all be removed: not choices of which one is always made. */
  declare clearable: boolean;

  #typingTimer: ReturnType<typeof setTimeout> | undefined;
  /** The filters that were typed since the last pause. */
  #typed: Params = {};

  constructor() {
    super();
    this.fields = [];
    this.params = {};
    this.clearable = true;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#typingTimer);
  }

  override render() {
    const names = this.fields.map((field) => field.name);
    const any = names.some((name) => (this.params[name] ?? "") !== "");
    return html`<form role="search" aria-label=${words.title} @submit=${this.#submit}>
      ${this.fields.map((field) => this.#field(field))}
      ${any && this.clearable ? html`<button type="button" class="button" @click=${() => this.#change(emptyParams(names))}>${words.clear}</button>` : nothing}
    </form>`;
  }

  #field(field: Field) {
    switch (field.kind) {
      case "text":
        return html`<label class="field">
          ${field.label}
          <input
            type="search"
            name=${field.name}
            autocomplete="off"
            spellcheck="false"
            list=${field.suggestions ? "suggestions" : nothing}
            placeholder=${field.hint ?? nothing}
            .value=${this.params[field.name] ?? ""}
            @input=${this.#type}
          />
          ${field.suggestions ? html`<datalist id="suggestions">${field.suggestions.map((value) => html`<option value=${value}></option>`)}</datalist>` : nothing}
        </label>`;
      case "number":
        return html`<label class="field">
          ${field.label}
          <input
            type="number"
            name=${field.name}
            min=${field.min}
            max=${field.max}
            .value=${this.params[field.name] || String(field.usual)}
            @change=${(event: Event) => this.#changeNumber(event, field)}
          />
        </label>`;
      case "choice":
        return html`<label class="field">
          ${field.label}
          <select name=${field.name} @change=${this.#changeChoice}>
            ${field.options.map(
              ([value, label]) =>
                html`<option value=${value} .selected=${value === (this.params[field.name] ?? "")}>${label}</option>`,
            )}
          </select>
        </label>`;
    }
  }

  #submit = (event: Event): void => {
    event.preventDefault();
  };

  #type = (event: Event): void => {
    const { name, value } = event.target as HTMLInputElement;
    this.#typed = { ...this.#typed, [name]: value.trim() };
    clearTimeout(this.#typingTimer);
    this.#typingTimer = setTimeout(() => {
      this.#change(this.#typed);
      this.#typed = {};
    }, TYPING_PAUSE);
  };

  #changeChoice = (event: Event): void => {
    const { name, value } = event.target as HTMLSelectElement;
    this.#change({ [name]: value });
  };

  #changeNumber(event: Event, { min, max, usual }: { min: number; max: number; usual: number }): void {
    const input = event.target as HTMLInputElement;
    const number = Math.min(max, Math.max(min, Math.round(Number(input.value)) || usual));
    input.value = String(number);
    this.#change({ [input.name]: number === usual ? "" : String(number) });
  }

  #change(params: Params): void {
    this.dispatchEvent(new FiltersChanged(params));
  }

  static override styles = [
    ...baseStyles,
    css`
      :host {
        display: block;
      }
      form {
        display: flex;
        flex-wrap: wrap;
        align-items: end;
        gap: var(--space-3);
      }
      input[type="number"] {
        width: 9ch;
      }
      input[type="search"] {
        width: 200px;
      }
      @media (width < 480px) {
        .field {
          flex: 1 1 130px;
        }
        input[type="search"],
        input[type="number"],
        select {
          width: 100%;
        }
      }
    `,
  ];
}

function emptyParams(names: readonly string[]): Params {
  return Object.fromEntries(names.map((name) => [name, ""]));
}

define("dashboard-filters", FilterBar);
