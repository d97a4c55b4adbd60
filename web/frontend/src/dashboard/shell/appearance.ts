/** Light or dark: the system's wish, or the admin's, which this browser remembers. */

export const WISHES = ["system", "light", "dark"] as const;
export type Wish = (typeof WISHES)[number];

const KEY = "convoai-analytics.theme";

export class Appearance {
  wish: Wish = remembered();
  readonly #dark = matchMedia("(prefers-color-scheme: dark)");

  constructor(changed: () => void) {
    this.#dark.addEventListener("change", changed);
    this.#apply();
  }

  get scheme(): "light" | "dark" {
    if (this.wish !== "system") return this.wish;
    return this.#dark.matches ? "dark" : "light";
  }

  /** What the toggle leads to. */
  get next(): Wish {
    return WISHES[(WISHES.indexOf(this.wish) + 1) % WISHES.length] ?? "system";
  }

  toggle(): void {
    this.wish = this.next;
    try {
      localStorage.setItem(KEY, this.wish);
    } catch {
      // Without storage it lasts as long as the page.
    }
    this.#apply();
  }

  /** The page around the elements: its background, its scroll bars. */
  #apply(): void {
    document.documentElement.style.colorScheme = this.wish === "system" ? "" : this.wish;
  }
}

function remembered(): Wish {
  try {
    return WISHES.find((wish) => wish === localStorage.getItem(KEY)) ?? "system";
  } catch {
    return "system";
  }
}
