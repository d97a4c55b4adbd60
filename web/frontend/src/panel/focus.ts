/** Where the focus is, and whether the panel may move it. */

/** The element with the focus, also inside shadow roots; null if there is none. */
export function focusedElement(): HTMLElement | null {
  let element = document.activeElement;
  while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
  return element instanceof HTMLElement && element !== document.body ? element : null;
}

/** Whether a person did something just now. The panel leaves the focus alone if the page opened it by itself. */
export function isUserActive(): boolean {
  return navigator.userActivation?.isActive ?? true;
}

/** Whether a modal dialog or a full-screen element is in front of the page: then keys are meant for it. */
export function isBehindModal(): boolean {
  return document.querySelector(":modal") !== null;
}
