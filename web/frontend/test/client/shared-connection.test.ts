import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Frame } from "../../src/client/catalogue";
import type { LiveListener, LiveSource, Status } from "../../src/client/live";
import { canShare, SharedConnection } from "../../src/client/shared-connection";
import { apply, EMPTY, type Figures } from "../../src/client/store";
import { delta, heartbeat, snapshot } from "./fake-service";

/** What a leader connects with; the test says what comes. */
class Source implements LiveSource {
  readonly calls: string[] = [];
  constructor(readonly listener: LiveListener) {}
  start = () => void this.calls.push("start");
  stop = () => void this.calls.push("stop");
  refresh = () => void this.calls.push("refresh");
  renew = (token: string) => void this.calls.push(`renew ${token}`);
  wake: () => void = () => {};
  shown = () => void this.calls.push("shown");
  online = () => void this.calls.push("online");
  offline = () => void this.calls.push("offline");

  /** Bring a frame that leaves the figures live. */
  bring(frame: Frame): void {
    this.listener.frame(frame);
    this.listener.status({ kind: "live" });
  }
}

class Tab {
  figures: Figures = EMPTY;
  status: Status = { kind: "connecting" };
  readonly sources: Source[] = [];
  readonly connection: SharedConnection;

  constructor(name: string) {
    const listener = {
      frame: (frame: Frame) => {
        this.figures = apply(this.figures, frame);
      },
      figures: (figures: Figures) => {
        this.figures = figures;
      },
      status: (status: Status) => {
        this.status = status;
      },
    };
    const connect = (listener: LiveListener) => {
      const source = new Source(listener);
      this.sources.push(source);
      return source;
    };
    this.connection = new SharedConnection(
      name,
      listener,
      () => this.figures,
      connect,
      () => 0.5,
    );
    this.connection.start();
    open.push(this);
  }

  get source(): Source {
    const source = this.sources.at(-1);
    if (source === undefined) throw new Error("this tab has not led");
    return source;
  }
}

const open: Tab[] = [];
let names = 0;
let name: string;

/** Wait for real locks and real channels, while the clocks stand still. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2000 && !holds(); turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(holds()).toBe(true);
}

/** Let all that was said arrive. */
async function arrive(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A leader with a snapshot, and tabs that follow it. */
async function group(followers: number): Promise<[Tab, ...Tab[]]> {
  const leader = new Tab(name);
  await until(() => leader.connection.isLeader);
  leader.source.bring(snapshot(1));
  const rest = Array.from({ length: followers }, () => new Tab(name));
  await until(() => rest.every((tab) => tab.status.kind === "live"));
  return [leader, ...rest];
}

declare const setImmediate: (act: (value: unknown) => void) => void;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  names += 1;
  name = `figures ${names}`;
});

afterEach(() => {
  for (const tab of open.splice(0)) tab.connection.stop();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe("tabs that show the same figures", () => {
  it("can share here, so what follows is tested on real locks and channels", () => {
    expect(canShare()).toBe(true);
  });

  it("share one connection, and hold the same", async () => {
    const [leader, one, other] = (await group(2)) as [Tab, Tab, Tab];
    leader.source.bring(delta(2, { summary: { total_messages: 7 } }));
    await until(() => other.figures.position === "ab.2.0c" && one.figures.position === "ab.2.0c");
    expect(one.figures).toEqual(leader.figures);
    expect(other.figures).toEqual(leader.figures);
    expect([one.sources, other.sources]).toEqual([[], []]);
  });

  it("are given the state that their leader has when they come", async () => {
    const [leader] = await group(0);
    leader.source.bring(delta(2, { summary: { total_messages: 7 } }));
    const late = new Tab(name);
    await until(() => late.status.kind === "live");
    expect(late.figures).toEqual(leader.figures);
  });

  it("show their leader's status", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    leader.source.listener.status({ kind: "reconnecting", at: 5 });
    await until(() => follower.status.kind === "reconnecting");
    leader.source.listener.status({ kind: "polling", every: 30 });
    await until(() => follower.status.kind === "polling");
  });

  it("tell their leader that they are visible again, so that it connects at once", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    follower.connection.shown();
    await until(() => leader.source.calls.includes("shown"));
    leader.connection.shown();
    expect(leader.source.calls.filter((call) => call === "shown")).toHaveLength(2);
  });

  it("of another name share nothing", async () => {
    const [leader] = await group(0);
    const stranger = new Tab(`${name} of another`);
    await until(() => stranger.connection.isLeader);
    leader.source.bring(delta(2));
    await arrive();
    expect(stranger.figures).toEqual(EMPTY);
  });

  it("keep what a frame did not change, so that nothing is drawn in vain", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    const before = follower.figures;
    leader.source.bring(delta(2, { summary: { total_messages: 7 } }));
    await until(() => follower.figures.position === "ab.2.0c");
    expect(follower.figures.activities).toBe(before.activities);
  });
});

describe("when the leader goes", () => {
  it("the next leads, and resumes from what it holds", async () => {
    const [leader, next] = (await group(1)) as [Tab, Tab];
    leader.source.bring(delta(2));
    await until(() => next.figures.position === "ab.2.0c");
    leader.connection.stop();
    await until(() => next.connection.isLeader);
    expect(leader.source.calls).toEqual(["start", "stop"]);
    expect(next.source.calls).toEqual(["start"]);
    expect(next.figures.position).toBe("ab.2.0c");
  });

  it("the others follow the next one", async () => {
    const [leader, ...rest] = await group(2);
    leader.connection.stop();
    await until(() => rest.some((tab) => tab.connection.isLeader));
    const next = rest.find((tab) => tab.connection.isLeader) as Tab;
    const last = rest.find((tab) => !tab.connection.isLeader) as Tab;
    next.source.bring(delta(3, { summary: { total_messages: 9 } }));
    await until(() => last.figures.position === "ab.3.0c");
    expect(last.figures).toEqual(next.figures);
  });

  it("a new one that holds nothing yet takes nothing away", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    const channel = new BroadcastChannel(name);
    const state = { kind: "state", term: "t", to: null, count: 0, figures: EMPTY, status: { kind: "connecting" } };
    channel.postMessage(state);
    await arrive();
    expect(follower.figures).toEqual(leader.figures);
    channel.postMessage({ kind: "frame", term: "t", count: 1, frame: delta(9) });
    await arrive();
    expect(follower.figures.position).toBe("ab.1.0c");
    channel.postMessage({ kind: "frame", term: "t", count: 2, frame: snapshot(9) });
    await until(() => follower.figures.position === "ab.9.0c");
    channel.close();
  });

  it("and the new one has nothing and cannot reach its service, nobody stays live", async () => {
    const [, follower] = (await group(1)) as [Tab, Tab];
    const channel = new BroadcastChannel(name);
    const status = { kind: "reconnecting", at: Date.now() + 500 };
    channel.postMessage({ kind: "state", term: "t", to: null, count: 0, figures: EMPTY, status });
    await until(() => follower.status.kind === "reconnecting");
    channel.postMessage({ kind: "status", term: "t", status: { kind: "polling", every: 30 } });
    await until(() => follower.status.kind === "polling");
    channel.postMessage({ kind: "status", term: "t", status: { kind: "live" } });
    await arrive();
    expect(follower.status.kind).toBe("polling");
    channel.postMessage({ kind: "frame", term: "t", count: 1, frame: snapshot(9) });
    channel.postMessage({ kind: "status", term: "t", status: { kind: "live" } });
    await until(() => follower.status.kind === "live");
    expect(follower.figures.position).toBe("ab.9.0c");
    channel.close();
  });

  it("signed out, it says so to nobody else: the next has a token of its own", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    leader.source.listener.status({ kind: "signed-out", reason: "expired" });
    leader.connection.stop();
    await until(() => follower.connection.isLeader);
    expect(follower.status.kind).toBe("live");
    expect(leader.status.kind).toBe("signed-out");
  });
});

describe("when the leader is silent", () => {
  it("its followers are never live: stale after two and a half heartbeats", async () => {
    const [, follower] = (await group(1)) as [Tab, Tab];
    const deaf = vi.spyOn(BroadcastChannel.prototype, "postMessage").mockImplementation(() => {});
    const since = follower.figures.at;
    await vi.advanceTimersByTimeAsync(24_999);
    expect(follower.status.kind).toBe("live");
    await vi.advanceTimersByTimeAsync(1);
    expect(follower.status).toEqual({ kind: "stale", since });
    deaf.mockRestore();
  });

  it("one that only waited for its service is followed on", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    leader.source.wake = () => leader.source.listener.status({ kind: "reconnecting", at: Date.now() + 500 });
    await vi.advanceTimersByTimeAsync(25_000);
    await until(() => follower.status.kind === "reconnecting");
    leader.source.bring(heartbeat(1));
    await until(() => follower.status.kind === "live");
    expect(follower.connection.isLeader).toBe(false);
  });

  it("and does not answer, the lead is taken from it, and when it wakes it follows", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    const deaf = vi.spyOn(BroadcastChannel.prototype, "postMessage").mockImplementation(() => {});
    await vi.advanceTimersByTimeAsync(25_000 + 4499);
    await arrive();
    expect(follower.connection.isLeader).toBe(false);
    deaf.mockRestore();
    await vi.advanceTimersByTimeAsync(1);
    await until(() => follower.connection.isLeader);
    await until(() => !leader.connection.isLeader);
    expect(leader.source.calls).toEqual(["start", "stop"]);
    follower.source.bring(delta(2));
    await until(() => leader.figures.position === "ab.2.0c");
  });

  it("a machine that slept is noticed at once", async () => {
    const [, follower] = (await group(1)) as [Tab, Tab];
    vi.setSystemTime(Date.now() + 3_600_000);
    follower.connection.wake();
    expect(follower.status.kind).toBe("stale");
  });
});

describe("when a message is missed", () => {
  it("the whole state is asked for, and nothing wrong is shown meanwhile", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    const deaf = vi.spyOn(BroadcastChannel.prototype, "postMessage").mockImplementation(() => {});
    leader.source.bring(delta(2, { summary: { total_messages: 7 } }));
    deaf.mockRestore();
    leader.source.bring(delta(3, { summary: { total_users: 5 } }));
    await until(() => follower.figures.position === "ab.3.0c");
    expect(follower.figures).toEqual(leader.figures);
  });
});

describe("when the answer to that is missed too", () => {
  it("the tab does not stay behind under a leader that goes on: it is stale, and asks again", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    const post = BroadcastChannel.prototype.postMessage;
    const said = vi.spyOn(BroadcastChannel.prototype, "postMessage");
    said.mockImplementation(function (this: BroadcastChannel, message) {
      if (message.kind === "status" || message.count === 3) post.call(this, message);
    });
    leader.source.bring(delta(2));
    for (let n = 3; n < 6; n += 1) {
      leader.source.bring(delta(n));
      await arrive();
      await vi.advanceTimersByTimeAsync(10_000);
    }
    expect([follower.status.kind, follower.figures.position]).toEqual(["stale", "ab.1.0c"]);
    said.mockRestore();
    await vi.advanceTimersByTimeAsync(4500);
    await until(() => follower.figures.position === "ab.5.0c" || follower.connection.isLeader);
  });
});

describe("what a person does in a tab that follows", () => {
  it("refresh reaches the leader", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    follower.connection.refresh();
    await until(() => leader.source.calls.includes("refresh"));
  });

  it("a renewed token stays in its tab", async () => {
    const said = vi.spyOn(BroadcastChannel.prototype, "postMessage");
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    follower.connection.renew("follower.secret.token");
    leader.connection.renew("leader.secret.token");
    await arrive();
    expect(leader.source.calls).toEqual(["start", "renew leader.secret.token"]);
    expect(JSON.stringify(said.mock.calls)).not.toContain("secret");
    said.mockRestore();
  });
});

describe("a page that may hold no lock", () => {
  it("connects on its own", async () => {
    const refuse = () => Promise.reject(new DOMException("an opaque origin", "SecurityError"));
    const request = vi.spyOn(navigator.locks, "request").mockImplementation(refuse);
    const tab = new Tab(name);
    await until(() => tab.connection.isLeader);
    request.mockRestore();
    tab.source.bring(snapshot(1));
    expect(tab.status).toEqual({ kind: "live" });
  });
});
