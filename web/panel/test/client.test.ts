import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AnalyticsClient, type ClientOptions, ClockOffset } from "../src/client.js";
import { EMPTY } from "../src/store.js";
import { delta, heartbeat, json, Sockets, serve, settle, snapshot, token } from "./service.js";

const NOW = Date.parse("2026-11-22T11:14:00.000Z");
const MINUTE = 60_000;

let sockets: Sockets;
let client: AnalyticsClient;

function make(options: Partial<ClientOptions> = {}): AnalyticsClient {
  client = new AnalyticsClient({
    url: "http://service.test",
    token: () => token(NOW + 60 * MINUTE),
    share: false,
    ...options,
  });
  return client;
}

async function live(options: Partial<ClientOptions> = {}): Promise<AnalyticsClient> {
  make(options).start();
  await settle();
  sockets.last.accept().push(snapshot(1));
  return client;
}

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  sockets = new Sockets();
  vi.stubGlobal("WebSocket", sockets.WebSocket);
  serve(() => null);
});

afterEach(() => {
  client?.stop();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a client", () => {
  it("goes live, and holds what the service sends", async () => {
    await live();
    expect([client.status, client.figures.position]).toEqual([{ kind: "live" }, "ab.1.0c"]);
  });

  it("calls each listener once for all that changed at a time, until it is taken back", async () => {
    await live();
    await settle();
    const listener = vi.fn();
    const end = client.subscribe(listener);
    for (let n = 2; n < 12; n += 1) sockets.last.push(delta(n));
    expect(listener).not.toHaveBeenCalled();
    await settle();
    expect(listener).toHaveBeenCalledOnce();
    end();
    sockets.last.push(delta(12));
    await settle();
    expect(listener).toHaveBeenCalledOnce();
  });

  it("is never live after it was stopped, and goes on from its position when it is started again", async () => {
    await live();
    client.stop();
    expect(client.status).toEqual({ kind: "stale", since: client.figures.at });
    expect(sockets.last.closed).toBe(true);
    client.start();
    await settle();
    expect(sockets.last.accept().sent[0]?.position).toBe("ab.1.0c");
  });

  it("started twice connects once", async () => {
    make();
    client.start();
    client.start();
    await settle();
    expect(sockets.all.length).toBe(1);
  });

  it("without a token is signed out, and goes live when a person signs in", async () => {
    let held: string | null = null;
    make({ token: () => held }).start();
    await settle();
    expect(client.status).toEqual({ kind: "signed-out", reason: "missing" });
    held = token(NOW + MINUTE);
    client.signIn();
    await settle();
    sockets.last.accept().push(snapshot(1));
    expect(client.status).toEqual({ kind: "live" });
  });

  it("asks a token source that fails again", async () => {
    let fails = true;
    make({ token: () => (fails ? Promise.reject(new Error("away")) : token(NOW + MINUTE)) }).start();
    await settle();
    expect(client.status.kind).toBe("reconnecting");
    fails = false;
    await vi.advanceTimersByTimeAsync(1000);
    sockets.last.accept().push(snapshot(1));
    expect(client.status).toEqual({ kind: "live" });
  });
});

/** Let time pass while the service sends its heartbeats. */
async function beat(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 10_000) {
    await vi.advanceTimersByTimeAsync(Math.min(10_000, ms - passed));
    if (!sockets.last.closed) sockets.last.push(heartbeat(1));
  }
}

describe("its token", () => {
  it("is renewed in time, over the connection that is there", async () => {
    const tokens = [token(NOW + 10 * MINUTE), token(NOW + 20 * MINUTE)];
    const [, second] = tokens;
    await live({ token: () => tokens.shift() ?? null });
    await beat(8 * MINUTE);
    expect(sockets.last.sent.at(-1)).toEqual({ type: "refresh", token: second });
    expect(sockets.all.length).toBe(1);
  });

  it("that ends, without another, signs out", async () => {
    await live({ token: () => token(NOW + MINUTE) });
    await beat(2 * MINUTE);
    expect(client.status).toEqual({ kind: "signed-out", reason: "expired" });
    expect(sockets.last.closed).toBe(true);
  });

  it("of another person leaves nothing of the one before on screen", async () => {
    const tokens = [token(NOW + MINUTE, "ada"), token(NOW + 60 * MINUTE, "grace")];
    await live({ token: () => tokens[0] ?? null });
    tokens.shift();
    client.signIn();
    await settle();
    expect(client.figures).toEqual(EMPTY);
    expect(sockets.last.accept().sent).toMatchObject([{ type: "subscribe", position: null }]);
  });

  it("is also what REST uses", async () => {
    const source = vi.fn(() => token(NOW + MINUTE));
    await live({ token: source });
    const asked = serve(() => json({ items: [], next: null, position: "x" }));
    await client.rest.list("users/top");
    expect(asked[0]?.headers.Authorization).toBe(`Bearer ${token(NOW + MINUTE)}`);
    expect(source).toHaveBeenCalledOnce();
  });
});

describe("the service's clock", () => {
  it("is known by the first frame", async () => {
    make().start();
    await settle();
    sockets.last.accept().push(snapshot(1, { at: new Date(NOW - 5000).toISOString() }));
    expect(client.clockOffset).toBe(-5000);
  });

  it("is taken from the frame that was quickest, and forgets the old ones", () => {
    vi.setSystemTime(NOW);
    const clock = new ClockOffset();
    for (const late of [40, 10, 900]) clock.take(new Date(NOW + 1000 - late).toISOString());
    expect(clock.ms).toBe(990);
    for (let n = 0; n < 8; n += 1) clock.take(new Date(NOW - 5000).toISOString());
    expect(clock.ms).toBe(-5000);
  });

  it("is not judged by figures that are stale", async () => {
    await live();
    sockets.last.push(heartbeat(1, new Date(NOW - 30_000).toISOString()));
    expect(client.clockOffset).toBe(0);
  });
});

/** A page of one tab, whose events the test makes. */
function page(): { window: EventTarget; document: EventTarget & { visibilityState: string } } {
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  const window = Object.assign(new EventTarget(), { document });
  vi.stubGlobal("window", window);
  return { window, document };
}

describe("the page", () => {
  it("put aside gives up the connection and is not live; shown again, it goes on", async () => {
    const { window } = page();
    await live();
    window.dispatchEvent(new Event("pagehide"));
    expect(sockets.last.closed).toBe(true);
    expect(client.status.kind).toBe("stale");
    window.dispatchEvent(new Event("pageshow"));
    await settle();
    sockets.last.accept().push(delta(1));
    expect(client.status).toEqual({ kind: "live" });
  });

  it("looked at after a sleep notices that nothing was heard", async () => {
    const { document } = page();
    await live();
    vi.setSystemTime(NOW + 60 * MINUTE);
    document.dispatchEvent(new Event("visibilitychange"));
    expect(client.status.kind).toBe("reconnecting");
  });

  it("offline is stale, and online it tries at once", async () => {
    const { window } = page();
    await live();
    window.dispatchEvent(new Event("offline"));
    expect(client.status.kind).toBe("stale");
    window.dispatchEvent(new Event("online"));
    await settle();
    expect(sockets.all.length).toBe(2);
  });

  it("is left alone after a stop", async () => {
    const { window } = page();
    await live();
    client.stop();
    window.dispatchEvent(new Event("pageshow"));
    window.dispatchEvent(new Event("online"));
    await settle();
    expect(sockets.all.length).toBe(1);
  });
});
