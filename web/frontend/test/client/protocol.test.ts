import { describe, expect, it } from "vitest";
import { CLOSES, TOPICS } from "../../src/client/catalogue";
import { actionAfter, ProtocolError, parse, refresh, retryAfter, subscribe } from "../../src/client/protocol";

const HEARTBEAT = { type: "heartbeat", position: "ab.1.0c", at: "2026-11-22T11:14:00.000Z", stale_since: null };

describe("frames", () => {
  it("are read as they are, with fields that a newer service added", () => {
    expect(parse(JSON.stringify({ ...HEARTBEAT, mood: "good" }))).toEqual({ ...HEARTBEAT, mood: "good" });
  });

  it("of an unknown type are reported by name", () => {
    expect(() => parse('{"type":"patch"}')).toThrow(new ProtocolError('unknown frame type "patch"'));
    expect(() => parse('{"type":"constructor"}')).toThrow(ProtocolError);
  });

  it.each([
    ["position", { ...HEARTBEAT, position: 7 }],
    ["at", { ...HEARTBEAT, at: "noon" }],
    ["stale_since", { ...HEARTBEAT, stale_since: undefined }],
    ["heartbeat_seconds", { ...HEARTBEAT, type: "snapshot", heartbeat_seconds: 0 }],
    ["activities", { ...HEARTBEAT, type: "delta", activities: {} }],
    ["series", { ...HEARTBEAT, type: "delta", series: [1] }],
    ["summary", { ...HEARTBEAT, type: "delta", summary: [] }],
  ])("with a bad %s are refused, and the field is named", (field, frame) => {
    expect(() => parse(JSON.stringify(frame))).toThrow(new ProtocolError(`invalid field ${field}`));
  });

  it("that are no JSON objects are refused without repeating them", () => {
    expect(() => parse("<html>secret")).toThrow(new ProtocolError("a frame is not JSON"));
    expect(() => parse("[]")).toThrow(new ProtocolError("a frame is not an object"));
    expect(() => parse("null")).toThrow(ProtocolError);
  });
});

describe("messages", () => {
  it("subscribe to all topics from a position on", () => {
    expect(JSON.parse(subscribe("ab.1.0c"))).toEqual({ type: "subscribe", topics: [...TOPICS], position: "ab.1.0c" });
    expect(JSON.parse(subscribe(null))).toMatchObject({ position: null });
  });

  it("bring a new token", () => {
    expect(JSON.parse(refresh("a.b.c"))).toEqual({ type: "refresh", token: "a.b.c" });
  });
});

describe("close codes", () => {
  it("are those of the protocol, each with what to do", () => {
    expect(CLOSES.map(({ code, name, action }) => [code, name, action])).toEqual([
      [1012, "restarting", "retry_after"],
      [1013, "over_capacity", "backoff"],
      [4400, "bad_message", "stop"],
      [4401, "token_expired", "new_token"],
      [4403, "not_allowed", "sign_out"],
      [4408, "too_slow", "backoff"],
      [4429, "too_many_messages", "backoff"],
    ]);
  });

  it("that are unknown mean a lost connection", () => {
    for (const code of [1000, 1005, 1006, 1009, 1011, 4999]) expect(actionAfter(code)).toBeNull();
  });

  it("carry the delay of a restart in their reason", () => {
    expect(retryAfter("retry after 2.3 s")).toBe(2300);
    expect(retryAfter("retry after 4 s")).toBe(4000);
    expect(retryAfter("the service restarts")).toBeNull();
    expect(retryAfter("")).toBeNull();
  });
});
