/** Where the focus is, and whether it is ours to move. */

/** The element with the focus, inside whatever shadow roots; null if there is none. */
export function focused(): HTMLElement | null {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element instanceof HTMLElement && element !== document.body ? element : null;
}

/** Whether a person did something just now; what a page does by itself leaves the focus where it is. */
export function byPerson(): boolean {
  return navigator.userActivation?.isActive ?? true;
}

/** Whether a modal dialog or a full screen is in front of the page: then a key is meant for that. */
export function isBehindModal(): boolean {
  return document.querySelector(":modal") !== null;
}
