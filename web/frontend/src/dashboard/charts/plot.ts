/** Draws the data of a chart with uPlot. */

import uPlot from "uplot";
import { seconds, short, shortDollars, tickLabel, zoneOf } from "../../ui/format";
import { DAY } from "../../ui/time";
import { drawMarks, markStyle } from "../annotations/draw-marks";
import type { Mark } from "../annotations/marks";
import { INTERVAL_MS } from "../ranges/interval";
import { type ChartData, stackLines } from "./chart-data";
import type { Values } from "./points";
import { followTouch } from "./touch";

/** The steps of an axis of counts: whole numbers only. */
const COUNT_STEPS = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat();

export interface Listeners {
  /** The cursor moved to a point, at a position in the target; null: to none. */
  cursor: (index: number | null, left: number, top: number) => void;
  /** A range was selected, in ms since 1970. */
  select: (from: number, to: number) => void;
  reset: () => void;
  /** A finger touched the chart. */
  touch: () => void;
}

type Colour = (name: string) => string;

/** Draw the data, and the marks that `marks` gives at that time; `redraw` draws them again. */
export function plot(target: HTMLElement, data: ChartData, marks: () => readonly Mark[], listeners: Listeners): uPlot {
  const colour = colours(target);
  const { fontFamily } = getComputedStyle(target);
  const small = `12px ${fontFamily}`;
  const style = markStyle(colour, fontFamily);
  const options: uPlot.Options = {
    width: Math.max(target.clientWidth, 100),
    height: Math.max(target.clientHeight, 100),
    legend: { show: false },
    padding: [10, 20, 0, 0],
    tzDate: (time) => uPlot.tzDate(new Date(time * 1000), zoneOf(data.interval, data.zone)),
    scales: {
      x: { range: (_, min, max) => [min, max > min ? max : min + INTERVAL_MS[data.interval] / 1000] },
      y: { range: (_, __, max) => [0, max > 0 ? max * 1.06 : 1] },
    },
    axes: [timeAxis(data, colour, small), valueAxis(data, colour, small)],
    series: [{}, ...lines(data, colour), ...growingLines(data, colour), previousLine(colour)],
    cursor: {
      y: false,
      move: snap,
      points: { size: 7, width: 2 },
      drag: { x: true, y: false, setScale: false, dist: 6 },
      bind: {
        dblclick: () => () => {
          listeners.reset();
          return null;
        },
      },
    },
    hooks: {
      draw: [(made) => drawMarks(made, marks(), style)],
      setCursor: [
        ({ cursor: { idx, left = 0, top = 0 }, over }) =>
          listeners.cursor(idx ?? null, over.offsetLeft + left, over.offsetTop + top),
      ],
      setSelect: [
        (made) => {
          const { left, width } = made.select;
          if (width < 6) return;
          listeners.select(made.posToVal(left, "x") * 1000, made.posToVal(left + width, "x") * 1000);
          made.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        },
      ],
    },
  };
  const made = new uPlot(options, columns(data), target);
  followTouch(made, listeners.touch);
  return made;
}

/** Move the cursor to the nearest point, so that it stands where the value is that is told. */
function snap(made: uPlot, left: number, top: number): [left: number, top: number] {
  const time = made.data[0][made.posToIdx(left)];
  return left < 0 || time === undefined ? [left, top] : [made.valToPos(time, "x"), top];
}

/** The data as uPlot takes it, in the order of its series: time, lines, their growing ends, the period before. */
export function columns(data: ChartData): uPlot.AlignedData {
  const start = data.start.map((time) => time / 1000);
  const before = data.previous ?? start.map(() => null);
  // The highest line of a stack is drawn first, and lower ones over it.
  const drawn = data.stacked
    ? stackLines(data.lines).reverse()
    : data.lines.map(({ values }) => part(values, 0, data.ended));
  const growing = data.stacked ? [] : data.lines.map(({ values }) => part(values, data.ended - 1, data.count));
  return [
    start,
    ...[...drawn, ...growing].map((column) => start.map((_, index) => column[index] ?? null)),
    [...before],
  ];
}

/** The values from one index to another; null before and after. */
function part(values: Values, from: number, to: number): Values {
  return values.map((value, index) => (index >= from && index < to ? value : null));
}

/** Whether a plot of one chart's data can show the other data: only if nothing but the values differs. */
export function canReuse(one: ChartData, other: ChartData): boolean {
  const signature = ({ interval, zone, lines: all }: ChartData) =>
    JSON.stringify([interval, zone, all.map(({ label, colour }) => [label, colour])]);
  return signature(one) === signature(other);
}

function lines(data: ChartData, colour: Colour): uPlot.Series[] {
  const shown = data.stacked ? [...data.lines].reverse() : data.lines;
  const isCount = data.unit === "count";
  // With forced colours every colour is that of text, and an area would be solid.
  const isForced = matchMedia("(forced-colors: active)").matches;
  return shown.map((line, index): uPlot.Series => {
    const stroke = colour(`var(${line.colour})`);
    // In a stack each line covers those behind it; of other lines only the first is filled, unless each is of another thing.
    const fill = data.stacked
      ? colour(`color-mix(in srgb, var(${line.colour}) 35%, var(--surface))`)
      : colour(`color-mix(in srgb, var(${line.colour}) 10%, transparent)`);
    return {
      stroke,
      width: 2,
      ...(!isForced && (data.stacked || (index === 0 && (isCount || shown.length === 1))) ? { fill } : {}),
      points: isolatedPoints(stroke),
    };
  });
}

/** From the last point that has ended to the current one: dashed, since the current value still changes. */
function growingLines(data: ChartData, colour: Colour): uPlot.Series[] {
  if (data.stacked) return [];
  return data.lines.map((line) => ({
    stroke: colour(`var(${line.colour})`),
    width: 2,
    dash: [3, 3],
    points: { show: false },
  }));
}

function previousLine(colour: Colour): uPlot.Series {
  const stroke = colour("var(--faded)");
  return { stroke, width: 1.5, dash: [4, 4], points: isolatedPoints(stroke) };
}

/** Values between two gaps, which have no line, are drawn as dots. */
function isolatedPoints(stroke: string): uPlot.Series.Points {
  return {
    show: true,
    size: 5,
    stroke,
    fill: stroke,
    filter: (made, series) => {
      const values = made.data[series] ?? [];
      const found: number[] = [];
      for (let index = 0; index < values.length; index++) {
        if (values[index] != null && values[index - 1] == null && values[index + 1] == null) found.push(index);
      }
      return found;
    },
  };
}

function timeAxis(data: ChartData, colour: Colour, font: string): uPlot.Axis {
  const zone = zoneOf(data.interval, data.zone);
  return {
    stroke: colour("var(--soft)"),
    font,
    size: 28,
    gap: 6,
    space: 72,
    grid: { show: false },
    ticks: { stroke: colour("var(--line)"), width: 1, size: 4 },
    values: (_, splits, __, ___, step) => splits.map((time) => tickLabel(time * 1000, zone, step * 1000)),
    ...(data.interval === "day" ? { incrs: [1, 2, 3, 7, 14, 28, 91].map((days) => (days * DAY) / 1000) } : {}),
  };
}

function valueAxis(data: ChartData, colour: Colour, font: string): uPlot.Axis {
  const write = { count: short, seconds, dollars: shortDollars }[data.unit];
  return {
    stroke: colour("var(--soft)"),
    font,
    // The longest labels are 500 ms, and 2 min 30 s.
    size: data.unit === "count" ? 52 : 64,
    gap: 6,
    space: 44,
    grid: { stroke: colour("var(--line)"), width: 1 },
    ticks: { show: false },
    values: (_, splits) => splits.map(write),
    ...(data.unit === "count" ? { incrs: COUNT_STEPS } : {}),
  };
}

/** A canvas cannot use custom properties: compute their colours for this element and scheme. */
export function colours(target: HTMLElement): Colour {
  return (written) => {
    const probe = document.createElement("i");
    probe.style.color = written;
    target.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  };
}
