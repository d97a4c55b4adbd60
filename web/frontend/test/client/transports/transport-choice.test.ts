import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BLOCKED, RETRY_MS, Ways } from "../../../src/client/transports/transport-choice";

let ways: Ways;

beforeEach(() => {
  vi.useFakeTimers();
  ways = new Ways();
});

afterEach(() => {
  vi.useRealTimers();
});

function blockSockets(): void {
  for (let failure = 0; failure < BLOCKED; failure += 1) ways.failed("socket");
}

describe("the way to the service", () => {
  it("is a socket, until some in a row failed", () => {
    for (let failure = 1; failure < BLOCKED; failure += 1) ways.failed("socket");
    expect(ways.choose()).toBe("socket");
    ways.passed("socket");
    ways.failed("socket");
    expect(ways.choose()).toBe("socket");
  });

  it("is a stream where sockets are blocked, for some minutes", () => {
    blockSockets();
    expect(ways.choose()).toBe("stream");
    ways.passed("stream");
    vi.advanceTimersByTime(RETRY_MS - 1);
    expect(ways.choose()).toBe("stream");
    vi.advanceTimersByTime(1);
    expect(ways.choose()).toBe("socket");
    ways.failed("socket");
    expect(ways.choose()).toBe("stream");
  });

  it("is none where streams bring nothing either; whoever asks again gets one try of each", () => {
    blockSockets();
    ways.failed("stream");
    expect(ways.left).toBeNull();
    expect(ways.choose()).toBe("socket");
    ways.failed("socket");
    expect(ways.choose()).toBe("stream");
    ways.failed("stream");
    expect(ways.left).toBeNull();
  });
});
