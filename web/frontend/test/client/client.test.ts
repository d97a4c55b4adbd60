import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { AnalyticsClient, type ClientOptions } from "../../src/client/client";
import { ClockOffset } from "../../src/client/clock";
import { VERSION } from "../../src/client/shared-connection";
import { EMPTY } from "../../src/client/store";
import { delta, heartbeat, json, Sockets, serve, settle, snapshot, token } from "./fake-service";

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

  it("that a source cannot give just now signs nobody out, though the one before has ended", async () => {
    let fails = false;
    const tokens = [token(NOW + MINUTE), token(NOW + 60 * MINUTE)];
    await live({ token: () => (fails ? Promise.reject(new Error("away")) : (tokens.shift() ?? null)) });
    fails = true;
    await beat(2 * MINUTE);
    expect(client.status).toEqual({ kind: "live" });
    fails = false;
    await beat(20_000);
    expect(sockets.last.sent.at(-1)?.type).toBe("refresh");
  });

  it("leaves no figures when it ends: the next may be another person's", async () => {
    await live({ token: () => token(NOW + MINUTE) });
    await beat(2 * MINUTE);
    expect(client.status.kind).toBe("signed-out");
    expect(client.figures).toEqual(EMPTY);
  });

  it("with other roles is not shown the figures of the one before", async () => {
    const tokens = [token(NOW + MINUTE), token(NOW + 60 * MINUTE, "ada", "default", [])];
    await live({ token: () => tokens.shift() ?? null });
    await beat(MINUTE);
    expect(client.figures).toEqual(EMPTY);
    expect(sockets.all[0]?.closed).toBe(true);
    expect(sockets.last.token).toBe(token(NOW + 60 * MINUTE, "ada", "default", []));
  });

  it("that comes after a person signed in anew opens nothing", async () => {
    const answers: ((token: string) => void)[] = [];
    make({ token: () => new Promise((resolve) => answers.push(resolve)) }).start();
    client.signIn();
    answers[0]?.(token(NOW + 60 * MINUTE, "ada"));
    await settle();
    expect(sockets.all.length).toBe(0);
    answers[1]?.(token(NOW + 60 * MINUTE, "grace"));
    await settle();
    expect(sockets.last.token).toBe(token(NOW + 60 * MINUTE, "grace"));
    expect(sockets.all.length).toBe(1);
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

/** A client whose source gives what `give` says; `asked` counts. */
async function liveFrom(give: () => string | null | Promise<string>) {
  const source = vi.fn(() => give());
  await live({ token: source });
  source.mockClear();
  return source;
}

describe("a token source that was replaced", () => {
  it("by another person's leaves nothing of the one before on screen", async () => {
    let person = "ada";
    await liveFrom(() => token(NOW + 60 * MINUTE, person));
    person = "grace";
    client.sourceChanged();
    await settle();
    expect(client.figures).toEqual(EMPTY);
    expect(sockets.all[0]?.closed).toBe(true);
    expect(sockets.last.token).toBe(token(NOW + 60 * MINUTE, "grace"));
    expect(sockets.last.accept().sent).toMatchObject([{ type: "subscribe", position: null }]);
  });

  it("at every render by one for the same person is asked seldom, and the connection stays", async () => {
    const source = await liveFrom(() => token(NOW + 60 * MINUTE));
    for (let passed = 0; passed < MINUTE; passed += 100) {
      client.sourceChanged();
      await vi.advanceTimersByTimeAsync(100);
      if (passed % 10_000 === 0) sockets.last.push(heartbeat(1));
    }
    expect(source.mock.calls.length).toBeLessThan(30);
    expect([client.status.kind, sockets.all.length, sockets.last.sent.length]).toEqual(["live", 1, 1]);
  });

  it("by one for the same person with a newer token brings that over the connection that is there", async () => {
    let ends = NOW + 60 * MINUTE;
    await liveFrom(() => token(ends));
    ends += MINUTE;
    client.sourceChanged();
    await settle();
    expect(sockets.last.sent.at(-1)).toEqual({ type: "refresh", token: token(ends) });
    expect([client.status.kind, sockets.all.length]).toEqual(["live", 1]);
  });

  it("by one that has no token signs out", async () => {
    let held: string | null = token(NOW + 60 * MINUTE);
    await liveFrom(() => held);
    held = null;
    client.sourceChanged();
    await settle();
    expect(client.status).toEqual({ kind: "signed-out", reason: "missing" });
  });

  it("by one that fails is asked again, and changes nothing until it answers", async () => {
    let give: () => string | Promise<string> = () => token(NOW + 60 * MINUTE);
    await liveFrom(() => give());
    give = () => Promise.reject(new Error("away"));
    client.sourceChanged();
    await vi.advanceTimersByTimeAsync(1500);
    expect([client.status.kind, sockets.all.length]).toEqual(["live", 1]);
    give = () => token(NOW + 60 * MINUTE, "grace");
    await vi.advanceTimersByTimeAsync(8000);
    expect(client.figures).toEqual(EMPTY);
    expect(sockets.all.length).toBe(2);
  });

  it("while the first was still asked is asked too", async () => {
    const answers: ((token: string) => void)[] = [];
    make({ token: () => new Promise((resolve) => answers.push(resolve)) }).start();
    for (let n = 0; n < 9; n += 1) client.sourceChanged();
    answers[0]?.(token(NOW + 60 * MINUTE, "ada"));
    await settle();
    expect(answers.length).toBe(2);
    answers[1]?.(token(NOW + 60 * MINUTE, "grace"));
    await settle();
    expect(sockets.last.token).toBe(token(NOW + 60 * MINUTE, "grace"));
  });

  it("while nobody was signed in signs in, and without a token nothing is seen of it", async () => {
    let held: string | null = null;
    make({ token: () => held }).start();
    await settle();
    client.sourceChanged();
    await settle();
    expect(client.status).toEqual({ kind: "signed-out", reason: "missing" });
    held = token(NOW + 60 * MINUTE);
    client.sourceChanged();
    await vi.advanceTimersByTimeAsync(1000);
    sockets.last.accept().push(snapshot(1));
    expect(client.status).toEqual({ kind: "live" });
  });

  it("while stopped is asked at the next start, and until then nothing is held of the one before", async () => {
    const source = await liveFrom(() => token(NOW + 60 * MINUTE));
    client.stop();
    client.sourceChanged();
    expect([client.figures, client.status.kind, source.mock.calls.length]).toEqual([EMPTY, "connecting", 0]);
    client.start();
    await settle();
    expect(source).toHaveBeenCalledOnce();
  });
});

describe("tabs", () => {
  it("share only between the same scripts, service, person and roles", async () => {
    const names: string[] = [];
    vi.stubGlobal("navigator", { locks: { request: (name: string) => new Promise(() => names.push(name)) } });
    const tokens = [
      token(NOW + 1, "ada", "default", ["user", "admin"]),
      token(NOW + 2, "ada", "default", ["admin", "user"]),
      token(NOW + 3, "ada", "default", ["user"]),
      token(NOW + 4, "ada", "acme", ["user"]),
    ];
    for (const held of tokens) {
      make({ token: () => held, share: true }).start();
      await settle();
      client.stop();
    }
    expect(names[0]).toBe(names[1]);
    expect(new Set(names).size).toBe(3);
    for (const name of names) expect(name).toContain(`${VERSION} analytics.v1 http://service.test/`);
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
    for (const late of [40, 10, 900]) clock.add(new Date(NOW + 1000 - late).toISOString());
    expect(clock.ms).toBe(990);
    for (let n = 0; n < 8; n += 1) clock.add(new Date(NOW - 5000).toISOString());
    expect(clock.ms).toBe(-5000);
  });

  it("is known again by the first frame after this machine's was set, back or forward", () => {
    const clock = new ClockOffset();
    const take = (at: number) => clock.add(new Date(at).toISOString());
    for (let n = 0; n < 8; n += 1) take(NOW);
    for (const leap of [60 * MINUTE, -60 * MINUTE]) {
      vi.setSystemTime(NOW + leap);
      expect(clock.isKnown).toBe(false);
      take(NOW);
      expect([clock.ms, clock.isKnown]).toEqual([-leap, true]);
    }
  });

  it("is sure while this machine's only ticks, and not before the first frame", async () => {
    const clock = new ClockOffset();
    expect(clock.isKnown).toBe(false);
    clock.add(new Date(NOW).toISOString());
    await vi.advanceTimersByTimeAsync(60 * MINUTE);
    expect(clock.isKnown).toBe(true);
  });

  it("signs nobody out when this machine's was set forward past the end of the token", async () => {
    const { document } = page();
    await live({ token: () => token(NOW + 30 * MINUTE) });
    vi.setSystemTime(NOW + 60 * MINUTE);
    document.dispatchEvent(new Event("visibilitychange"));
    await settle();
    expect(client.status.kind).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(1000);
    sockets.last.accept().push(delta(2, { at: new Date(NOW + 1000).toISOString() }));
    await vi.advanceTimersByTimeAsync(2000);
    expect(client.status).toEqual({ kind: "live" });
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
