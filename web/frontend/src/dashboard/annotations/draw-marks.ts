/** Draws marks on a plot: a line and a dot each, a band while one goes on, and how many annotations it has. */

import type uPlot from "uplot";
import { COLOURS, type Kind } from "./annotation";
import { kindOf, type Mark } from "./marks";

/** In px. */
const DOT = 4;
const FONT_SIZE = 10;
/** How much of what lies under a band it covers: it is seen with forced colours too, where all colours are one. */
const BAND = 0.12;

export interface MarkStyle {
  readonly colours: Readonly<Record<Kind, string>>;
  readonly ink: string;
  readonly font: string;
}

/** The style of an element; `colour` computes a colour for it. */
export function markStyle(colour: (written: string) => string, font: string): MarkStyle {
  const of = (kind: Kind) => colour(`var(${COLOURS[kind]})`);
  return {
    colours: { incident: of("incident"), deploy: of("deploy"), note: of("note") },
    ink: colour("var(--ink)"),
    font,
  };
}

export function drawMarks(made: uPlot, marks: readonly Mark[], style: MarkStyle): void {
  const { ctx, bbox } = made;
  const scale = ctx.canvas.width / made.width;
  const place = (index: number) => Math.round(made.valToPos(made.data[0][index] ?? 0, "x", true));
  ctx.save();
  for (const mark of marks) {
    const [x, end] = [place(mark.index), place(mark.last)];
    ctx.fillStyle = style.colours[kindOf(mark)];
    ctx.globalAlpha = BAND;
    ctx.fillRect(x, bbox.top, end - x, bbox.height);
    ctx.globalAlpha = 1;
    ctx.fillRect(x - scale / 2, bbox.top, scale, bbox.height);
    ctx.beginPath();
    ctx.arc(x, bbox.top, DOT * scale, 0, 2 * Math.PI);
    ctx.fill();
    if (mark.annotations.length > 1) {
      ctx.fillStyle = style.ink;
      ctx.font = `${FONT_SIZE * scale}px ${style.font}`;
      ctx.textAlign = "left";
      ctx.textBaseline = "middle";
      ctx.fillText(String(mark.annotations.length), x + (DOT + 2) * scale, bbox.top);
    }
  }
  ctx.restore();
}
