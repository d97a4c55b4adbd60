/** Keyboard shortcuts: what a key means. Pure. */

import { VIEWS, type View } from "../route";

/** The key after "g" that goes to a view. */
export const GO: Record<(typeof VIEWS)[number], string> = {
  overview: "o",
  costs: "k",
  explore: "x",
  activity: "a",
  users: "u",
  conversations: "c",
  messages: "m",
  api: "e",
  calls: "l",
  days: "d",
  alerts: "w",
};

/** How long after "g" the next key still belongs to it, in ms. */
const SEQUENCE = 1500;

export type Act = "search" | "help" | "save" | "refresh" | { readonly go: View };

const ACTS: Readonly<Record<string, Act>> = { "/": "search", "?": "help", s: "save", r: "refresh" };

type Pressed = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">;

export class Keys {
  #wentAt = Number.NEGATIVE_INFINITY;

  /** Say what a key means, null: nothing. One that is typed into an input means only what it does with Ctrl or ⌘. */
  read({ key, ctrlKey, metaKey, altKey, shiftKey }: Pressed, isTyping: boolean, now: number): Act | null {
    const isSecond = now - this.#wentAt < SEQUENCE;
    this.#wentAt = Number.NEGATIVE_INFINITY;
    if (ctrlKey || metaKey) return key.toLowerCase() === "k" && !altKey && !shiftKey ? "search" : null;
    if (altKey || isTyping) return null;
    if (isSecond) {
      const view = VIEWS.find((one) => GO[one] === key);
      return view ? { go: view } : null;
    }
    if (key === "g") this.#wentAt = now;
    return Object.hasOwn(ACTS, key) ? (ACTS[key] ?? null) : null;
  }
}
