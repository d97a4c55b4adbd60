/** A chart as a file: its values as CSV, or what is on screen as a PNG. */

import type { Interval } from "../../client/catalogue";
import type { ChartData } from "./chart-data";
import type { Values } from "./points";

/** How a text begins that a spreadsheet may run as a formula, as in the service's own CSV. */
const FORMULA = /^(?:[\t\r\n]|[\s\p{Cc}\p{Cf}]*[=+\-@＝＋－＠])/u;

/** The values of each point, a line each, with a byte-order mark, without which Excel does not read UTF-8. */
export function chartCsv(data: ChartData, labels: { time: string; before: string }): string {
  const columns: (readonly [label: string, values: Values])[] = [
    ...data.lines.map(({ label, values }) => [label, values] as const),
    ...(data.previous ? [[labels.before, data.previous] as const] : []),
  ];
  const head = [labels.time, ...columns.map(([label]) => label)].map(cell);
  const rows = data.start
    .slice(0, data.count)
    .map((start, index) => [
      writeStart(start, data.interval, data.zone),
      ...columns.map(([, values]) => values[index] ?? ""),
    ]);
  return `\ufeff${[head, ...rows].map((row) => row.join(",")).join("\r\n")}\r\n`;
}

function cell(text: string): string {
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** A day as its date, else the moment as ISO 8601. */
function writeStart(start: number, interval: Interval, zone: string): string {
  if (interval !== "day") return new Date(start).toISOString();
  return new Intl.DateTimeFormat("en-CA", { timeZone: zone, dateStyle: "short" }).format(start);
}

export interface Picture {
  readonly title: string;
  /** The range, and the total of it. */
  readonly lines: readonly string[];
  readonly legend: readonly { readonly label: string; readonly colour: string }[];
  readonly font: string;
  readonly ink: string;
  readonly soft: string;
  readonly surface: string;
}

const PADDING = 16;
const HEAD = 76;

/** Draw a plot, with its title, range and legend above it, which on screen are text beside the canvas. */
export function drawPicture(plot: HTMLCanvasElement, about: Picture): Promise<Blob | null> {
  const scale = plot.width / (plot.clientWidth || plot.width);
  const canvas = document.createElement("canvas");
  canvas.width = plot.width + 2 * PADDING * scale;
  canvas.height = plot.height + (HEAD + 2 * PADDING) * scale;
  const drawing = canvas.getContext("2d");
  if (drawing === null) return Promise.resolve(null);
  drawing.fillStyle = about.surface;
  drawing.fillRect(0, 0, canvas.width, canvas.height);
  drawing.drawImage(plot, PADDING * scale, (PADDING + HEAD) * scale);
  drawing.scale(scale, scale);
  drawing.textBaseline = "top";
  const write = (text: string, left: number, top: number, colour: string, font: string) => {
    drawing.fillStyle = colour;
    drawing.font = `${font} ${about.font}`;
    drawing.fillText(text, left, top);
    return left + drawing.measureText(text).width;
  };
  write(about.title, PADDING, PADDING, about.ink, "600 16px");
  write(about.lines.join(" · "), PADDING, PADDING + 24, about.soft, "400 12px");
  let left = PADDING;
  for (const { label, colour } of about.legend) {
    drawing.fillStyle = colour;
    drawing.fillRect(left, PADDING + 48, 10, 10);
    left = write(label, left + 15, PADDING + 47, about.ink, "400 12px") + 16;
  }
  return new Promise((resolve) => canvas.toBlob(resolve));
}
