import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Credentials, type TokenSource } from "../../src/client/auth/credentials";
import type { Frame } from "../../src/client/catalogue";
import { Connection, REPAIR_MS } from "../../src/client/connection";
import type { Status } from "../../src/client/live";
import { apply, EMPTY } from "../../src/client/store";
import { MAX_FAILURES, RETRY_MS } from "../../src/client/transports/transport-choice";
import { liveUrl } from "../../src/client/transports/websocket";
import {
  delta,
  heartbeat,
  json,
  Mint,
  type Request,
  Sockets,
  Streams,
  serve,
  settle,
  snapshot,
  token,
} from "./fake-service";

const URL = "http://service.test";
const NOW = Date.parse("2026-11-22T11:14:00.000Z");
const HOUR = 3_600_000;

/** A connection, its sockets, and all that it told. */
class Panel {
  figures = EMPTY;
  readonly sockets = new Sockets();
  readonly statuses: Status[] = [];
  readonly frames: Frame[] = [];
  readonly connection: Connection;

  constructor(source: TokenSource = () => token(NOW + HOUR)) {
    const listener = {
      frame: (frame: Frame) => {
        this.frames.push(frame);
        this.figures = apply(this.figures, frame);
      },
      status: (status: Status) => this.statuses.push(status),
    };
    const options = { figures: () => this.figures, WebSocket: this.sockets.WebSocket, random: () => 0.5 };
    this.connection = new Connection(URL, new Credentials(source), listener, options);
  }

  get status(): Status | undefined {
    return this.statuses.at(-1);
  }

  /** Start, and get the first snapshot. */
  async live(): Promise<this> {
    this.connection.start();
    await settle();
    this.sockets.last.accept().push(snapshot(1));
    return this;
  }
}

let panel: Panel;
let asked: Request[];

function unreachable(): null {
  return null;
}

/** The first delay: half of the way from 500 to 1000 ms. */
const FIRST = 750;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  asked = serve(unreachable);
});

afterEach(() => {
  panel?.connection.stop();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe("connecting", () => {
  it("offers the protocol and the token, and subscribes from the beginning", async () => {
    panel = new Panel(() => "a.b.c");
    panel.connection.start();
    expect(panel.status).toEqual({ kind: "connecting" });
    await settle();
    expect(panel.sockets.last.url).toBe("ws://service.test/api/v1/analytics/live");
    expect(panel.sockets.last.offered).toEqual(["analytics.v1", "bearer.a.b.c"]);
    panel.sockets.last.accept();
    const topics = ["summary", "activities", "top_users", "series", "alerts"];
    expect(panel.sockets.last.sent).toEqual([{ type: "subscribe", topics, position: null }]);
    expect(panel.status).toEqual({ kind: "connecting" });
  });

  it("is live with the first frame, and not before", async () => {
    panel = await new Panel().live();
    expect(panel.statuses.map(({ kind }) => kind)).toEqual(["connecting", "connecting", "live"]);
    expect(panel.figures.position).toBe("ab.1.0c");
  });

  it("keeps the scheme's security and a path prefix", () => {
    expect(liveUrl("https://proxy.test/figures/")).toBe("wss://proxy.test/figures/api/v1/analytics/live");
  });

  it("signs out where there is no token, and asks nobody", async () => {
    panel = new Panel(() => null);
    panel.connection.start();
    await settle();
    expect(panel.status).toEqual({ kind: "signed-out", reason: "missing" });
    expect(panel.sockets.all).toEqual([]);
  });

  it("asks a token source that failed again, after a while", async () => {
    let tries = 0;
    panel = new Panel(() => {
      tries += 1;
      if (tries === 1) throw new Error("the auth service is away");
      return "a.b.c";
    });
    panel.connection.start();
    await settle();
    expect(panel.status).toEqual({ kind: "reconnecting", at: NOW + FIRST });
    await vi.advanceTimersByTimeAsync(FIRST);
    expect(panel.sockets.last.token).toBe("a.b.c");
  });
});

describe("resuming", () => {
  it("says when the next try is, and subscribes from the position it holds", async () => {
    panel = await new Panel().live();
    panel.sockets.last.push(delta(2));
    panel.sockets.last.end(1006);
    expect(panel.status).toEqual({ kind: "reconnecting", at: NOW + FIRST });
    await vi.advanceTimersByTimeAsync(FIRST);
    panel.sockets.last.accept();
    expect(panel.sockets.last.sent[0]?.position).toBe("ab.2.0c");
    expect(panel.status).toEqual({ kind: "catching-up" });
    panel.sockets.last.push(delta(3, { heartbeat_seconds: 2 }));
    expect(panel.status).toEqual({ kind: "live" });
    expect(panel.figures.heartbeatSeconds).toBe(2);
  });

  it("takes no frame of a connection that it gave up", async () => {
    panel = await new Panel().live();
    const [old] = panel.sockets.all;
    panel.connection.offline();
    old?.push(delta(2));
    expect(panel.figures.position).toBe("ab.1.0c");
    expect(old?.closed).toBe(true);
  });

  it("waits longer after each failure, and from the beginning after a stable minute", async () => {
    panel = await new Panel().live();
    const waits = [];
    for (const lasted of [1, 1, 60_000]) {
      for (let ms = 0; ms < lasted; ms += 10_000) {
        await vi.advanceTimersByTimeAsync(Math.min(10_000, lasted));
        panel.sockets.last.push(heartbeat(1));
      }
      panel.sockets.last.end(1011);
      const { at } = panel.status as Status & { kind: "reconnecting" };
      waits.push(at - Date.now());
      await vi.advanceTimersByTimeAsync(at - Date.now());
      panel.sockets.last.accept().push(delta(1));
    }
    expect(waits).toEqual([750, 1250, 750]);
  });
});

describe("proof", () => {
  const wrong = () => ({ ...heartbeat(1), digest: "00000000" });

  it("replaces figures that are not those of the digest by a snapshot, and reports them", async () => {
    const complained = vi.spyOn(console, "error").mockReturnValue();
    panel = await new Panel().live();
    panel.sockets.last.push(wrong());
    const topics = ["summary", "activities", "top_users", "series", "alerts"];
    expect(panel.sockets.last.sent.slice(1)).toEqual([
      { type: "disagree", position: "ab.1.0c" },
      { type: "subscribe", topics, position: null },
    ]);
    expect(panel.status).toEqual({ kind: "catching-up" });
    panel.sockets.last.push(snapshot(1));
    expect(panel.status).toEqual({ kind: "live" });
    expect(complained).toHaveBeenCalledOnce();
  });

  it("does so once a minute at the most", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    panel = await new Panel().live();
    for (const step of [1, 2, 3]) {
      panel.sockets.last.push(wrong()).push(snapshot(step));
    }
    expect(panel.sockets.last.sent.length).toBe(3);
    for (let ms = 0; ms < REPAIR_MS; ms += 20_000) {
      await vi.advanceTimersByTimeAsync(20_000);
      panel.sockets.last.push(heartbeat(1));
    }
    panel.sockets.last.push(wrong());
    expect(panel.sockets.last.sent.length).toBe(5);
  });
});

describe("freshness", () => {
  it("follows the service when it cannot read its database", async () => {
    panel = await new Panel().live();
    panel.sockets.last.push(heartbeat(1, "2026-11-22T11:13:50.000Z"));
    expect(panel.status).toEqual({ kind: "stale", since: "2026-11-22T11:13:50.000Z" });
    panel.sockets.last.push(heartbeat(1));
    expect(panel.status).toEqual({ kind: "live" });
  });

  it("is never live without a frame for two and a half heartbeats", async () => {
    panel = await new Panel().live();
    await vi.advanceTimersByTimeAsync(20_000);
    panel.sockets.last.push(heartbeat(1));
    await vi.advanceTimersByTimeAsync(24_999);
    expect(panel.status).toEqual({ kind: "live" });
    await vi.advanceTimersByTimeAsync(1);
    expect(panel.status).toEqual({ kind: "reconnecting", at: Date.now() + FIRST });
    expect(panel.sockets.all[0]?.closed).toBe(true);
  });

  it("notices at once that the machine slept, though no timer fired", async () => {
    panel = await new Panel().live();
    vi.setSystemTime(NOW + HOUR);
    panel.connection.wake();
    expect(panel.status?.kind).toBe("reconnecting");
  });

  it("tries at once when a wait was slept through", async () => {
    panel = await new Panel().live();
    panel.sockets.last.end(1006);
    vi.setSystemTime(NOW + HOUR);
    panel.connection.wake();
    await settle();
    expect(panel.sockets.all.length).toBe(2);
  });

  it("tries at once when the page is visible again, however long the wait would be", async () => {
    panel = await new Panel().live();
    panel.sockets.last.end(1006);
    panel.connection.shown();
    await settle();
    expect(panel.sockets.all.length).toBe(2);
    panel.connection.shown();
    await settle();
    expect(panel.sockets.all.length).toBe(2);
  });

  it("waits in a page that is visible again as long as the service asked for", async () => {
    panel = await new Panel().live();
    panel.sockets.last.end(1012, "retry after 9 s");
    panel.connection.shown();
    await settle();
    expect(panel.sockets.all.length).toBe(1);
  });

  it("knows a service that answers but refuses the page's origin, until a frame arrives", async () => {
    vi.stubGlobal("location", new globalThis.URL("http://localhost:8000/shop"));
    serve(({ init }) => (init.method === "HEAD" ? new Response(null) : null));
    panel = new Panel();
    panel.connection.start();
    await settle();
    panel.sockets.last.end(1006);
    await settle();
    expect(panel.status).toEqual({ kind: "reconnecting", at: NOW + FIRST, isOriginRefused: true });
    await vi.advanceTimersByTimeAsync(FIRST);
    expect(panel.status).toMatchObject({ kind: "reconnecting", isOriginRefused: true });
    panel.sockets.last.accept().push(snapshot(1));
    panel.sockets.last.end(1006);
    expect(panel.status).toEqual({ kind: "reconnecting", at: expect.any(Number) });
  });

  it("is stale while the browser is offline, and tries at once when it is online", async () => {
    panel = await new Panel().live();
    panel.connection.offline();
    expect(panel.status).toEqual({ kind: "stale", since: "2026-11-22T11:14:00.000Z" });
    panel.connection.online();
    await settle();
    panel.sockets.last.accept().push(delta(1));
    expect(panel.status).toEqual({ kind: "live" });
  });

  it("finds a service on this machine again, offline or not", async () => {
    panel = await new Panel().live();
    panel.connection.offline();
    await vi.advanceTimersByTimeAsync(FIRST);
    panel.sockets.last.accept().push(delta(1));
    expect(panel.status).toEqual({ kind: "live" });
  });

  it("takes a fresh snapshot by hand, over the same connection", async () => {
    panel = await new Panel().live();
    panel.connection.refresh();
    expect(panel.sockets.last.sent.at(-1)).toMatchObject({ type: "subscribe", position: null });
    expect(panel.status).toEqual({ kind: "catching-up" });
    panel.sockets.last.push(snapshot(4));
    expect([panel.status?.kind, panel.figures.position, panel.sockets.all.length]).toEqual(["live", "ab.4.0c", 1]);
  });

  it("reconnects by hand without waiting", async () => {
    panel = await new Panel().live();
    panel.sockets.last.end(1006);
    panel.connection.refresh();
    await settle();
    expect(panel.sockets.all.length).toBe(2);
  });
});

describe("close codes", () => {
  it("1012: comes back after the delay that the service asks for", async () => {
    panel = await new Panel().live();
    panel.sockets.last.end(1012, "retry after 2.3 s");
    expect(panel.status).toEqual({ kind: "reconnecting", at: NOW + 2300 });
    await vi.advanceTimersByTimeAsync(2300);
    expect(panel.sockets.all.length).toBe(2);
  });

  it.each([1013, 4408, 1006, 1011])("%i: comes back with backoff, from the last position", async (code) => {
    panel = await new Panel().live();
    panel.sockets.last.end(code);
    await vi.advanceTimersByTimeAsync(FIRST);
    expect(panel.sockets.last.accept().sent[0]?.position).toBe("ab.1.0c");
  });

  it("4400: does not come back, and polls instead", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    panel = await new Panel().live();
    serve(() => json(snapshot(2)));
    panel.sockets.last.end(4400);
    await settle();
    expect(panel.status).toEqual({ kind: "polling", every: 30 });
    expect(panel.figures.position).toBe("ab.2.0c");
    await vi.advanceTimersByTimeAsync(2 * RETRY_MS);
    expect(panel.sockets.all.length).toBe(1);
  });

  it("4401: gets a new token, and goes on with it", async () => {
    const tokens = ["old.a.b", "new.a.b"];
    panel = await new Panel(() => tokens.shift() ?? null).live();
    panel.sockets.last.end(4401);
    await settle();
    expect(panel.sockets.last.token).toBe("new.a.b");
  });

  it("4401: signs out where there is no other token", async () => {
    panel = await new Panel(() => "a.b.c").live();
    panel.sockets.last.end(4401);
    await settle();
    expect(panel.status).toEqual({ kind: "signed-out", reason: "expired" });
    expect(panel.sockets.all.length).toBe(1);
  });

  it("4401: goes on with a renewed token that the service could not verify in time", async () => {
    const tokens = ["old.a.b", "new.a.b"];
    const credentials: TokenSource = () => tokens.shift() ?? "new.a.b";
    panel = await new Panel(credentials).live();
    panel.connection.renew("new.a.b");
    expect(panel.sockets.last.sent.at(-1)).toEqual({ type: "refresh", token: "new.a.b" });
    panel.sockets.last.end(4401);
    await settle();
    expect(panel.sockets.last.token).toBe("new.a.b");
  });

  it("4403: signs out, and stays away", async () => {
    panel = await new Panel().live();
    panel.sockets.last.end(4403);
    await vi.advanceTimersByTimeAsync(HOUR);
    expect(panel.status).toEqual({ kind: "signed-out", reason: "not-allowed" });
    expect(panel.sockets.all.length).toBe(1);
  });

  it("a source of tokens that are all refused is not asked in a tight loop", async () => {
    const mint = new Mint();
    panel = new Panel(mint.source);
    panel.connection.start();
    for (let second = 0; second < 60; second += 1) {
      await vi.advanceTimersByTimeAsync(1000);
      const socket = panel.sockets.last;
      if (!socket.closed) socket.accept().end(4401);
    }
    expect(mint.made).toBeLessThan(20);
  });
});

describe("a handshake that fails, of which a browser tells nothing", () => {
  it("401 over REST: the token is renewed, and used", async () => {
    const tokens = ["old.a.b", "new.a.b"];
    serve(({ headers }) =>
      headers.Authorization === "Bearer new.a.b" ? json(snapshot(1)) : json({ detail: "expired" }, 401),
    );
    panel = new Panel(() => tokens.shift() ?? null);
    panel.connection.start();
    await settle();
    panel.sockets.last.end(1006);
    await settle();
    expect(panel.sockets.last.token).toBe("new.a.b");
  });

  it("401 over REST, and no other token: signed out", async () => {
    serve(() => json({ detail: "the token has expired" }, 401));
    panel = new Panel();
    panel.connection.start();
    await settle();
    panel.sockets.last.end(1006);
    await settle();
    expect(panel.status).toEqual({ kind: "signed-out", reason: "expired" });
  });

  it("403 over REST: not allowed", async () => {
    serve(() => json({ detail: "the token does not have the role admin" }, 403));
    panel = new Panel();
    panel.connection.start();
    await settle();
    panel.sockets.last.end(1006);
    await settle();
    expect(panel.status).toEqual({ kind: "signed-out", reason: "not-allowed" });
  });

  it("what is pasted and is no token at all: signed out", async () => {
    panel = new Panel(() => "not a token");
    panel.connection.start();
    await settle();
    expect(panel.status).toEqual({ kind: "signed-out", reason: "expired" });
    expect(asked).toEqual([]);
  });

  it("503 over REST: comes back when the service says", async () => {
    serve(() => json({}, 503, { "Retry-After": "7" }));
    panel = new Panel();
    panel.connection.start();
    await settle();
    panel.sockets.last.end(1006);
    await settle();
    expect(panel.status).toEqual({ kind: "reconnecting", at: NOW + 7000 });
  });

  it("nothing answers: comes back with backoff, never polling", async () => {
    panel = new Panel();
    panel.connection.start();
    for (let attempt = 0; attempt < 6; attempt += 1) {
      await settle();
      panel.sockets.last.end(1006);
      await settle();
      expect(panel.status?.kind).toBe("reconnecting");
      await vi.advanceTimersByTimeAsync(20_000);
    }
  });

  it("one that hangs is given up after ten seconds", async () => {
    panel = new Panel();
    panel.connection.start();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(panel.sockets.all[0]?.closed).toBe(true);
    expect(panel.status?.kind).toBe("reconnecting");
  });

  it("shows the figures that REST gave meanwhile", async () => {
    serve(() => json(snapshot(5)));
    panel = new Panel();
    panel.connection.start();
    await settle();
    panel.sockets.last.end(1006);
    await settle();
    expect(panel.figures.position).toBe("ab.5.0c");
    expect(panel.status?.kind).toBe("reconnecting");
  });
});

/** Let handshakes fail until the connection gives WebSockets up. */
async function block(): Promise<void> {
  panel.connection.start();
  for (let attempt = 0; attempt < MAX_FAILURES; attempt += 1) {
    await settle();
    panel.sockets.last.end(1006);
    await settle();
    if (attempt < MAX_FAILURES - 1) await vi.advanceTimersByTimeAsync(2000);
  }
  // The stream that is tried then, and the poll that follows.
  await settle();
}

describe("an event stream, where WebSockets are blocked", () => {
  let streams: Streams;

  beforeEach(() => {
    streams = new Streams();
    asked = serve((request) => streams.answer(request) ?? json(snapshot(1)));
  });

  /** Go live over a stream. */
  async function stream(credentials?: TokenSource): Promise<void> {
    panel = new Panel(credentials);
    await block();
    await streams.last.push(snapshot(2));
  }

  /** Let the time pass until the next try. */
  async function comeBack(): Promise<void> {
    expect(panel.status?.kind).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync((panel.status as Status & { kind: "reconnecting" }).at - Date.now());
  }

  it("is tried at once, with the token in its header, and is as live as a socket", async () => {
    await stream(() => "a.b.c");
    expect(streams.last.request.url).toBe("http://service.test/api/v1/analytics/live");
    expect(streams.last.request.headers).toMatchObject({ Accept: "text/event-stream", Authorization: "Bearer a.b.c" });
    expect(panel.status).toEqual({ kind: "live" });
    expect(panel.figures.position).toBe("ab.2.0c");
    await streams.last.push(delta(3));
    expect(panel.figures.position).toBe("ab.3.0c");
    expect(panel.sockets.all.length).toBe(MAX_FAILURES);
  });

  it("resumes from the last position when it is lost, without another try at sockets", async () => {
    await stream();
    streams.last.end();
    await settle();
    await comeBack();
    expect(streams.last.request.headers["Last-Event-ID"]).toBe("ab.2.0c");
    expect(panel.status).toEqual({ kind: "catching-up" });
    expect(panel.sockets.all.length).toBe(MAX_FAILURES);
  });

  it("gives sockets another chance when it is lost minutes later", async () => {
    await stream();
    for (let ms = 0; ms < RETRY_MS; ms += 20_000) {
      await vi.advanceTimersByTimeAsync(20_000);
      await streams.last.push(heartbeat(2));
    }
    streams.last.end();
    await vi.advanceTimersByTimeAsync(2000);
    expect(panel.sockets.all.length).toBe(MAX_FAILURES + 1);
    panel.sockets.last.end(1006);
    await settle();
    await settle();
    await streams.last.push(delta(2));
    expect(panel.status).toEqual({ kind: "live" });
  });

  it("is given up for polling if it brings nothing: something gathers what is streamed", async () => {
    panel = new Panel();
    await block();
    expect(streams.all.length).toBe(1);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(panel.status).toEqual({ kind: "polling", every: 30 });
    expect(streams.last.request.init.signal?.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(RETRY_MS);
    panel.sockets.last.end(1006);
    await settle();
    await settle();
    await streams.last.push(snapshot(9));
    expect(panel.status).toEqual({ kind: "live" });
  });

  it("is lost when it falls silent", async () => {
    await stream();
    await vi.advanceTimersByTimeAsync(25_000);
    expect(panel.status?.kind).toBe("reconnecting");
    expect(streams.last.request.init.signal?.aborted).toBe(true);
  });

  it("comes back when a service that restarts says so", async () => {
    await stream();
    await streams.last.push({ type: "error", code: "restarting", message: "retry after 2.3 s" });
    streams.last.end();
    await settle();
    expect(panel.status).toEqual({ kind: "reconnecting", at: Date.now() + 2300 });
  });

  it("gets a new token when the old one has expired", async () => {
    const tokens = ["old.a.b"];
    await stream(() => tokens.at(-1) ?? null);
    tokens.push("new.a.b");
    await streams.last.push({ type: "error", code: "token_expired", message: "the token has expired" });
    streams.last.end();
    await settle();
    expect(streams.last.request.headers.Authorization).toBe("Bearer new.a.b");
  });

  it("goes on with a renewed token over another stream, live all the while", async () => {
    await stream();
    const told = panel.statuses.length;
    panel.connection.renew("new.a.b");
    await settle();
    expect(streams.last.request.headers).toMatchObject({
      Authorization: "Bearer new.a.b",
      "Last-Event-ID": "ab.2.0c",
    });
    await streams.last.push(delta(3));
    expect(new Set(panel.statuses.slice(told).map(({ kind }) => kind))).toEqual(new Set(["live"]));
    expect(streams.all[0]?.request.init.signal?.aborted).toBe(true);
  });

  it("waits where there is no room, and does not call that blocked", async () => {
    streams.full = true;
    panel = new Panel();
    await block();
    streams.full = false;
    await comeBack();
    await streams.last.push(snapshot(2));
    expect(panel.status).toEqual({ kind: "live" });
  });

  it("reports wrong figures as it asks for a snapshot", async () => {
    vi.spyOn(console, "error").mockReturnValue();
    await stream();
    await streams.last.push({ ...heartbeat(2), digest: "00000000" });
    await settle();
    expect(streams.last.request.url).toContain("live?disagree=ab.2.0c");
    expect(streams.last.request.headers).not.toHaveProperty("Last-Event-ID");
    await streams.last.push(snapshot(2));
    expect(panel.status).toEqual({ kind: "live" });
  });

  it("takes a fresh snapshot by hand", async () => {
    await stream();
    panel.connection.refresh();
    await settle();
    expect(streams.last.request.headers).not.toHaveProperty("Last-Event-ID");
    expect(panel.status).toEqual({ kind: "catching-up" });
  });
});

describe("polling, where nothing streams", () => {
  it("begins after three handshakes failed while REST answered, and says so", async () => {
    serve(() => json(snapshot(1)));
    panel = new Panel();
    await block();
    expect(panel.status).toEqual({ kind: "polling", every: 30 });
  });

  it("asks every 30 s with the ETag, and takes an unchanged answer as a match", async () => {
    const requests = serve(({ headers }) =>
      headers["If-None-Match"] === 'W/"1"'
        ? new Response(null, { status: 304 })
        : json(snapshot(1), 200, { ETag: 'W/"1"' }),
    );
    panel = new Panel();
    await block();
    const before = requests.length;
    await vi.advanceTimersByTimeAsync(90_000);
    expect(requests.length).toBe(before + 3);
    expect(requests.at(-1)?.headers["If-None-Match"]).toBe('W/"1"');
    expect(panel.figures.at).toBe(new Date().toISOString());
    expect(panel.figures.summary?.total_users).toBe(1);
  });

  it("tries a WebSocket every few minutes, and goes live with its first frame", async () => {
    serve(() => json(snapshot(1)));
    panel = new Panel();
    await block();
    const tried = panel.sockets.all.length;
    await vi.advanceTimersByTimeAsync(RETRY_MS);
    expect(panel.sockets.all.length).toBe(tried + 1);
    panel.sockets.last.accept();
    expect(panel.status?.kind).toBe("polling");
    panel.sockets.last.push(delta(1));
    expect(panel.status).toEqual({ kind: "live" });
    asked = serve(unreachable);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(asked).toEqual([]);
  });

  it("does not claim to poll while nothing answers, and goes on when something does", async () => {
    let up = true;
    serve(() => (up ? json(snapshot(1)) : null));
    panel = new Panel();
    await block();
    up = false;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(panel.status).toEqual({ kind: "reconnecting", at: Date.now() + 30_000 });
    up = true;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(panel.status).toEqual({ kind: "polling", every: 30 });
  });

  it("polls at once after the machine slept, and when a person asks", async () => {
    const requests = serve(() => json(snapshot(1)));
    panel = new Panel();
    await block();
    let before = requests.length;
    vi.setSystemTime(Date.now() + 60_000);
    panel.connection.wake();
    await settle();
    expect(requests.length).toBe(before + 1);
    before = requests.length;
    panel.connection.refresh();
    await settle();
    expect(requests.length).toBe(before + 1);
  });

  it("signs out when the token ends", async () => {
    let status = 200;
    serve(() => json(snapshot(1), status));
    panel = new Panel(() => "a.b.c");
    await block();
    status = 401;
    await vi.advanceTimersByTimeAsync(30_000);
    expect(panel.status).toEqual({ kind: "signed-out", reason: "expired" });
  });

  it("also replaces a proxy that lets handshakes pass, but no frame", async () => {
    serve(() => json(snapshot(1)));
    panel = new Panel();
    panel.connection.start();
    for (let attempt = 0; attempt < MAX_FAILURES; attempt += 1) {
      await settle();
      panel.sockets.last.accept();
      await vi.advanceTimersByTimeAsync(45_000);
    }
    await settle();
    expect(panel.status).toEqual({ kind: "polling", every: 30 });
  });
});

describe("what another protocol says", () => {
  it("is reported, and never shown as figures", async () => {
    const told = vi.spyOn(console, "error").mockImplementation(() => {});
    panel = await new Panel().live();
    panel.sockets.last.push({ type: "patch", position: "x", at: "y" });
    expect(told.mock.calls[0]?.[0]).toContain('unknown frame type "patch"');
    expect(panel.figures.position).toBe("ab.1.0c");
    expect(panel.sockets.last.closed).toBe(true);
  });

  it("is refused at the handshake", async () => {
    vi.spyOn(console, "error").mockImplementation(() => {});
    panel = new Panel();
    panel.connection.start();
    await settle();
    panel.sockets.last.accept("");
    expect(panel.sockets.last.closed).toBe(true);
    expect(panel.sockets.last.sent).toEqual([]);
  });

  it("changes nothing before the first snapshot", async () => {
    panel = new Panel();
    panel.connection.start();
    await settle();
    panel.sockets.last.accept().push(delta(3, { summary: { total_users: 1 } }));
    expect(panel.frames).toEqual([]);
    expect(panel.status).toEqual({ kind: "connecting" });
  });
});

describe("stopping", () => {
  it("leaves no socket and no timer, and can be followed by a start", async () => {
    panel = await new Panel().live();
    panel.connection.stop();
    expect(panel.sockets.last.closed).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
    panel.connection.start();
    await settle();
    panel.sockets.last.accept();
    expect(panel.sockets.last.sent[0]?.position).toBe("ab.1.0c");
  });

  it("while a token is on its way opens nothing", async () => {
    panel = new Panel(() => new Promise((resolve) => setTimeout(resolve, 50, "a.b.c")));
    panel.connection.start();
    panel.connection.stop();
    await vi.advanceTimersByTimeAsync(100);
    expect(panel.sockets.all).toEqual([]);
  });
});
