/** A finger on a chart: a tap reads a point, a drag to the side selects a range; up and down the page scrolls. */

import type uPlot from "uplot";

/** A movement below so many px is a tap. */
const TAP = 8;

/** uPlot itself follows only the mouse. `read` is told of each touch. */
export function followTouch(made: uPlot, read: () => void): void {
  const { over } = made;
  let from: number | null = null;
  const at = (event: PointerEvent) => {
    const { left, width } = over.getBoundingClientRect();
    return Math.min(width, Math.max(0, event.clientX - left));
  };
  const select = (left: number, width: number, isDone: boolean) =>
    made.setSelect({ left, width, top: 0, height: width > 0 ? over.clientHeight : 0 }, isDone);

  over.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "touch" || !event.isPrimary) return;
    from = at(event);
    read();
    made.setCursor({ left: from, top: 10 });
  });
  over.addEventListener("pointermove", (event) => {
    if (from === null || event.pointerType !== "touch") return;
    const to = at(event);
    made.setCursor({ left: to, top: 10 });
    if (Math.abs(to - from) >= TAP) select(Math.min(from, to), Math.abs(to - from), false);
  });
  over.addEventListener("pointerup", (event) => {
    if (from === null || event.pointerType !== "touch") return;
    const width = Math.abs(at(event) - from);
    if (width >= TAP) select(Math.min(from, at(event)), width, true);
    from = null;
  });
  over.addEventListener("pointercancel", () => {
    if (from !== null) select(0, 0, false);
    from = null;
  });
}
