/** Where annotations stand on a chart: those of one point are one mark. Pure. */

import type { Annotation, Kind } from "./annotation";

export interface Mark {
  /** The index of the point whose time holds the begin of its annotations. */
  readonly index: number;
  /** The index of the point until which the longest of them goes on; `index` if none does. */
  readonly last: number;
  /** Earliest first. */
  readonly annotations: readonly Placed[];
}

interface Placed extends Annotation {
  /** The index of the last point to which it belongs. */
  readonly last: number;
}

/** Place annotations on points that begin at `start`, the last of which ends at `end`; those outside are left out. */
export function placeMarks(annotations: readonly Annotation[], start: readonly number[], end: number): Mark[] {
  const placed = new Map<number, Placed[]>();
  const first = start[0] ?? end;
  for (const annotation of [...annotations].sort((one, other) => Date.parse(one.at) - Date.parse(other.at))) {
    const at = Date.parse(annotation.at);
    // What ended with a point does not belong to the next one.
    const until = annotation.until === null ? at : Date.parse(annotation.until) - 1;
    if (at >= end || until < first) continue;
    const index = pointOf(Math.max(at, first), start);
    placed.set(index, [...(placed.get(index) ?? []), { ...annotation, last: pointOf(until, start) }]);
  }
  return [...placed]
    .sort(([one], [other]) => one - other)
    .map(([index, all]) => ({ index, last: Math.max(...all.map(({ last }) => last)), annotations: all }));
}

function pointOf(time: number, start: readonly number[]): number {
  return start.findLastIndex((begin) => begin <= time);
}

/** The annotations of a point: those that begin in it, and those that go on. */
export function annotationsAt(marks: readonly Mark[], index: number): Annotation[] {
  return marks
    .filter((mark) => mark.index <= index && index <= mark.last)
    .flatMap((mark) => mark.annotations.filter(({ last }) => mark.index === index || index <= last));
}

/** The kind by which a mark is coloured: the one that matters most. */
export function kindOf({ annotations }: Mark): Kind {
  const kinds = annotations.map(({ kind }) => kind);
  return (["incident", "deploy"] as const).find((kind) => kinds.includes(kind)) ?? "note";
}
