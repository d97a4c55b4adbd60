/** The filter bar of a list: `<dashboard-filters .fields=${FIELDS} .params=${params}>` tells of changes by an event. */

import { css, html, LitElement, nothing } from "lit";
import { define } from "../../ui/define";
import { dashboardText } from "../../ui/text";
import { type Preset, readRange, writeRange } from "../ranges/range";
import { RangeChosen } from "../ranges/range-picker";
import type { Params } from "../route";
import { sheet } from "../styles";

const words = dashboardText.filters;

/** How long a person may pause within a word. */
const PAUSE = 300;

export type Field =
  | { kind: "text"; name: string; label: string; hint?: string; suggestions?: readonly string[] }
  | { kind: "number"; name: string; label: string; least: number; most: number; usual: number }
  | { kind: "choice"; name: string; label: string; options: readonly (readonly [value: string, label: string])[] }
  | { kind: "range"; days?: true; usual?: Preset };

export class Filtered extends Event {
  static readonly kind = "analytics-filtered";
  constructor(readonly params: Params) {
    super(Filtered.kind);
  }
}

export class FilterBar extends LitElement {
  static override properties = { fields: { attribute: false }, params: { attribute: false }, zone: {} };
  declare fields: readonly Field[];
  declare params: Params;
  /** The zone of whole days; null: not known yet, or of no matter. */
  declare zone: string | null;

  #pause: ReturnType<typeof setTimeout> | undefined;
  /** What was typed since the last pause. */
  #typing: Params = {};

  constructor() {
    super();
    this.fields = [];
    this.params = {};
    this.zone = null;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.#pause);
  }

  override render() {
    const names = this.fields.flatMap((field) => (field.kind === "range" ? ["range", "from", "to"] : [field.name]));
    const any = names.some((name) => (this.params[name] ?? "") !== "");
    return html`<form role="search" aria-label=${words.title} @submit=${this.#submit}>
      ${this.fields.map((field) => this.#field(field))}
      ${any ? html`<button type="button" class="button" @click=${() => this.#tell(blank(names))}>${words.clear}</button>` : nothing}
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
            @input=${this.#typed}
          />
          ${field.suggestions ? html`<datalist id="suggestions">${field.suggestions.map((value) => html`<option value=${value}></option>`)}</datalist>` : nothing}
        </label>`;
      case "number":
        return html`<label class="field">
          ${field.label}
          <input
            type="number"
            name=${field.name}
            min=${field.least}
            max=${field.most}
            .value=${this.params[field.name] || String(field.usual)}
            @change=${(event: Event) => this.#counted(event, field)}
          />
        </label>`;
      case "choice":
        return html`<label class="field">
          ${field.label}
          <select name=${field.name} @change=${this.#chosen}>
            ${field.options.map(
              ([value, label]) =>
                html`<option value=${value} ?selected=${value === (this.params[field.name] ?? "")}>${label}</option>`,
            )}
          </select>
        </label>`;
      case "range":
        return html`<dashboard-range
          list
          ?optional=${field.usual === undefined}
          ?days=${field.days ?? false}
          .zone=${this.zone}
          .range=${readRange(this.params, null) ?? field.usual ?? null}
          @analytics-range=${this.#ranged}
        ></dashboard-range>`;
    }
  }

  #submit = (event: Event): void => {
    event.preventDefault();
  };

  #typed = (event: Event): void => {
    const { name, value } = event.target as HTMLInputElement;
    this.#typing = { ...this.#typing, [name]: value.trim() };
    clearTimeout(this.#pause);
    this.#pause = setTimeout(() => {
      this.#tell(this.#typing);
      this.#typing = {};
    }, PAUSE);
  };

  #chosen = (event: Event): void => {
    const { name, value } = event.target as HTMLSelectElement;
    this.#tell({ [name]: value });
  };

  #counted(event: Event, { least, most, usual }: { least: number; most: number; usual: number }): void {
    const input = event.target as HTMLInputElement;
    const number = Math.min(most, Math.max(least, Math.round(Number(input.value)) || usual));
    input.value = String(number);
    this.#tell({ [input.name]: number === usual ? "" : String(number) });
  }

  #ranged = (event: Event): void => {
    if (event instanceof RangeChosen) this.#tell(writeRange(event.range));
  };

  #tell(params: Params): void {
    this.dispatchEvent(new Filtered(params));
  }

  static override styles = [
    ...sheet,
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
        .field,
        dashboard-range {
          flex: 1 1 130px;
        }
        dashboard-range[custom] {
          flex-basis: 100%;
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

function blank(names: readonly string[]): Params {
  return Object.fromEntries(names.map((name) => [name, ""]));
}

define("dashboard-filters", FilterBar);
