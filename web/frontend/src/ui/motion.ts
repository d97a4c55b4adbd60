/** Small movements, for those who did not ask for less of it. */

const less = matchMedia("(prefers-reduced-motion: reduce)");
const asked = new WeakMap<Element, number>();

/** Move *element* once, unless it was to move just before: what changes all the time is calm, and costs no painting. */
export function move(element: Element | null | undefined, frames: Keyframe[], duration: number): void {
  if (!element || less.matches) return;
  const now = performance.now();
  const before = asked.get(element) ?? Number.NEGATIVE_INFINITY;
  asked.set(element, now);
  if (now - before > 2 * duration) element.animate(frames, { duration, easing: "ease-out" });
}
