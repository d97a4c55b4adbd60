/** The theme: the system's, or the one that a person chose, which this browser remembers. */

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "convoai-analytics.theme";

export class Appearance {
  theme: Theme = storedTheme();
  readonly #dark = matchMedia("(prefers-color-scheme: dark)");
  readonly #print = matchMedia("print");

  constructor(onChange: () => void) {
    this.#dark.addEventListener("change", onChange);
    this.#print.addEventListener("change", onChange);
    this.#apply();
  }

  get scheme(): "light" | "dark" {
    // Paper is white.
    if (this.#print.matches) return "light";
    if (this.theme !== "system") return this.theme;
    return this.#dark.matches ? "dark" : "light";
  }

  /** The theme that the button switches to. */
  get next(): Theme {
    return THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length] ?? "system";
  }

  toggle(): void {
    this.theme = this.next;
    try {
      localStorage.setItem(KEY, this.theme);
    } catch {
      // Without storage the theme lasts as long as the page.
    }
    this.#apply();
  }

  /** Set the colour scheme of the page, for its background and scroll bars. */
  #apply(): void {
    document.documentElement.style.colorScheme = this.theme === "system" ? "" : this.theme;
  }
}

function storedTheme(): Theme {
  try {
    return THEMES.find((theme) => theme === localStorage.getItem(KEY)) ?? "system";
  } catch {
    return "system";
  }
}
