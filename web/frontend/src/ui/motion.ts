/** Short animations, except for people who prefer reduced motion. */

const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
const requestedAt = new WeakMap<Element, number>();

/** Animate *element* once, unless it was requested just before: an element that changes all the time is not animated. */
export function animate(element: Element | null | undefined, frames: Keyframe[], duration: number): void {
  if (!element || reducedMotion.matches) return;
  const now = performance.now();
  const before = requestedAt.get(element) ?? Number.NEGATIVE_INFINITY;
  requestedAt.set(element, now);
  if (now - before > 2 * duration) element.animate(frames, { duration, easing: "ease-out" });
}
