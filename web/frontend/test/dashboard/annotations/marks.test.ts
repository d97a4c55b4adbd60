import { describe, expect, it } from "vitest";
import { type Annotation, linkOf } from "../../../src/dashboard/annotations/annotation";
import { annotationsAt, kindOf, placeMarks } from "../../../src/dashboard/annotations/marks";

const HOUR = 3_600_000;
const BEGIN = Date.parse("2026-11-22T10:00:00Z");
const HOURS = Array.from({ length: 4 }, (_, index) => BEGIN + index * HOUR);

function annotation(text: string, at: string, until: string | null = null, kind: Annotation["kind"] = "note") {
  const time = (clock: string) => `2026-11-22T${clock}:00Z`;
  return { id: text, kind, text, at: time(at), until: until && time(until), link: null };
}

function placed(...annotations: Annotation[]) {
  return placeMarks(annotations, HOURS, BEGIN + 4 * HOUR);
}

function texts(marks: ReturnType<typeof placed>, index: number) {
  return annotationsAt(marks, index).map(({ text }) => text);
}

describe("marks", () => {
  it("stand at the point whose time holds them, those of one point together, earliest first", () => {
    const marks = placed(annotation("late", "11:59"), annotation("last", "13:59"), annotation("early", "11:00"));
    expect(marks.map(({ index, annotations }) => [index, annotations.map(({ text }) => text)])).toEqual([
      [1, ["early", "late"]],
      [3, ["last"]],
    ]);
  });

  it("leave out what lies outside the points", () => {
    expect(
      placed(annotation("before", "09:59"), annotation("after", "14:00"), annotation("ended", "09:00", "10:00")),
    ).toEqual([]);
    expect(placeMarks([annotation("any", "10:00")], [], 0)).toEqual([]);
  });

  it("go on until their end, within the points", () => {
    const [began] = placed(annotation("began before", "09:00", "11:30"));
    expect([began?.index, began?.last]).toEqual([0, 1]);
    const [goesOn] = placed(annotation("goes on", "12:10", "23:00"));
    expect([goesOn?.index, goesOn?.last]).toEqual([2, 3]);
    const [ended] = placed(annotation("ended with its point", "11:10", "12:00"));
    expect([ended?.index, ended?.last]).toEqual([1, 1]);
  });

  it("are told at each point to which they belong", () => {
    const marks = placed(
      annotation("slow", "10:30", "12:30"),
      annotation("at once", "10:40"),
      annotation("other", "12:00"),
    );
    expect([0, 1, 2, 3].map((index) => texts(marks, index))).toEqual([
      ["slow", "at once"],
      ["slow"],
      ["slow", "other"],
      [],
    ]);
  });

  it("are coloured by the kind that matters most", () => {
    const of = (...kinds: Annotation["kind"][]) =>
      placed(...kinds.map((kind) => annotation(kind, "10:00", null, kind))).map(kindOf);
    expect(of("note", "deploy", "incident")).toEqual(["incident"]);
    expect(of("note", "deploy")).toEqual(["deploy"]);
    expect(of("note")).toEqual(["note"]);
  });

  it("lead to pages of http and https only", () => {
    const link = (address: string | null) => linkOf({ ...annotation("", "10:00"), link: address });
    expect(link("https://ci.example.org/1")).toEqual({ href: "https://ci.example.org/1", host: "ci.example.org" });
    expect(link("HTTP://ci.example.org")?.host).toBe("ci.example.org");
    for (const address of ["javascript:alert(1)", "data:text/html,x", "//ci.example.org", "", null])
      expect(link(address)).toBeNull();
  });
});
