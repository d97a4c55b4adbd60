import { describe, expect, it } from "vitest";
import { EventStreamParser, type ServerEvent } from "../../../src/client/transports/event-stream-parser";

function read(...pieces: string[]): ServerEvent[] {
  const parser = new EventStreamParser();
  return pieces.flatMap((piece) => parser.push(piece));
}

const FRAMES =
  'retry: 2750\n\nevent: snapshot\nid: ab.1.0c\ndata: {"a":1}\n\nevent: delta\nid: ab.2.0c\ndata: {"ü":"😀"}\n\n';
const EVENTS = [
  { type: "snapshot", data: '{"a":1}', id: "ab.1.0c" },
  { type: "delta", data: '{"ü":"😀"}', id: "ab.2.0c" },
];

describe("an event stream", () => {
  it("gives each event with its type, data and id", () => {
    expect(read(FRAMES)).toEqual(EVENTS);
  });

  it.each(["\r\n", "\r", "\n"])("may end its lines with %j, and be cut anywhere", (end) => {
    const written = FRAMES.replaceAll("\n", end);
    expect(read(...written)).toEqual(EVENTS);
    for (let cut = 0; cut <= written.length; cut += 1) {
      expect(read(written.slice(0, cut), "", written.slice(cut))).toEqual(EVENTS);
    }
  });

  it("may be cut within a character, when it is decoded as it comes", () => {
    const bytes = new TextEncoder().encode(FRAMES);
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const decoder = new TextDecoder();
      const pieces = [bytes.slice(0, cut), bytes.slice(cut)].map((piece) => decoder.decode(piece, { stream: true }));
      expect(read(...pieces)).toEqual(EVENTS);
    }
  });

  it("joins lines of data, and takes one space after the colon away", () => {
    expect(read("data: a\ndata:b\ndata:  c\ndata\n\n")).toEqual([{ type: "message", data: "a\nb\n c\n", id: "" }]);
  });

  it("keeps the last id for events without one, and takes none with NUL", () => {
    expect(read("id: 1\ndata: a\n\ndata: b\n\nid: 2\0\ndata: c\n\nid\ndata: d\n\n").map(({ id }) => id)).toEqual([
      "1",
      "1",
      "1",
      "",
    ]);
  });

  it("passes over comments, unknown fields and events without data", () => {
    expect(read(": still here\n\nevent: nothing\n\ncolour: red\ndata: a\n\n")).toEqual([
      { type: "message", data: "a", id: "" },
    ]);
  });

  it("gives no event before its end has come", () => {
    expect(read("data: a\n")).toEqual([]);
    expect(read("data: a\n\r")).toEqual([{ type: "message", data: "a", id: "" }]);
  });
});
