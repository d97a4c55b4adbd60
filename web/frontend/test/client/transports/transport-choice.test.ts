import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MAX_FAILURES, RETRY_MS, TransportChoice } from "../../../src/client/transports/transport-choice";

let choice: TransportChoice;

beforeEach(() => {
  vi.useFakeTimers();
  choice = new TransportChoice();
});

afterEach(() => {
  vi.useRealTimers();
});

function blockWebSockets(): void {
  for (let failure = 0; failure < MAX_FAILURES; failure += 1) choice.failed("websocket");
}

describe("the transport", () => {
  it("is a WebSocket, until some in a row failed", () => {
    for (let failure = 1; failure < MAX_FAILURES; failure += 1) choice.failed("websocket");
    expect(choice.choose()).toBe("websocket");
    choice.succeeded("websocket");
    choice.failed("websocket");
    expect(choice.choose()).toBe("websocket");
  });

  it("is an event stream where WebSockets are blocked, for some minutes", () => {
    blockWebSockets();
    expect(choice.choose()).toBe("event-stream");
    choice.succeeded("event-stream");
    vi.advanceTimersByTime(RETRY_MS - 1);
    expect(choice.choose()).toBe("event-stream");
    vi.advanceTimersByTime(1);
    expect(choice.choose()).toBe("websocket");
    choice.failed("websocket");
    expect(choice.choose()).toBe("event-stream");
  });

  it("is none where event streams do not work either; then each one gets one more try", () => {
    blockWebSockets();
    choice.failed("event-stream");
    expect(choice.remaining).toBeNull();
    expect(choice.choose()).toBe("websocket");
    choice.failed("websocket");
    expect(choice.choose()).toBe("event-stream");
    choice.failed("event-stream");
    expect(choice.remaining).toBeNull();
  });
});
