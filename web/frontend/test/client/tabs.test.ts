import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Events, Live, Status } from "../../src/client/live";
import type { Frame } from "../../src/client/protocol";
import { apply, EMPTY, type Figures } from "../../src/client/store";
import { canShare, Tabs } from "../../src/client/tabs";
import { delta, heartbeat, snapshot } from "./fake-service";

/** What a leader connects with; the test says what comes. */
class Wire implements Live {
  readonly calls: string[] = [];
  constructor(readonly events: Events) {}
  start = () => void this.calls.push("start");
  stop = () => void this.calls.push("stop");
  refresh = () => void this.calls.push("refresh");
  renew = (token: string) => void this.calls.push(`renew ${token}`);
  wake: () => void = () => {};
  online = () => void this.calls.push("online");
  offline = () => void this.calls.push("offline");

  /** Bring a frame that leaves the figures live. */
  bring(frame: Frame): void {
    this.events.frame(frame);
    this.events.status({ kind: "live" });
  }
}

class Tab {
  figures: Figures = EMPTY;
  status: Status = { kind: "connecting" };
  readonly wires: Wire[] = [];
  readonly tabs: Tabs;

  constructor(name: string) {
    const events = {
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
    const connect = (told: Events) => {
      const wire = new Wire(told);
      this.wires.push(wire);
      return wire;
    };
    this.tabs = new Tabs(
      name,
      events,
      () => this.figures,
      connect,
      () => 0.5,
    );
    this.tabs.start();
    open.push(this);
  }

  get wire(): Wire {
    const wire = this.wires.at(-1);
    if (wire === undefined) throw new Error("this tab has not led");
    return wire;
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
  await until(() => leader.tabs.leads);
  leader.wire.bring(snapshot(1));
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
  for (const tab of open.splice(0)) tab.tabs.stop();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

describe("tabs that show the same figures", () => {
  it("can share here, so what follows is tested on real locks and channels", () => {
    expect(canShare()).toBe(true);
  });

  it("share one connection, and hold the same", async () => {
    const [leader, one, other] = (await group(2)) as [Tab, Tab, Tab];
    leader.wire.bring(delta(2, { summary: { total_messages: 7 } }));
    await until(() => other.figures.position === "ab.2.0c" && one.figures.position === "ab.2.0c");
    expect(one.figures).toEqual(leader.figures);
    expect(other.figures).toEqual(leader.figures);
    expect([one.wires, other.wires]).toEqual([[], []]);
  });

  it("are given the state that their leader has when they come", async () => {
    const [leader] = await group(0);
    leader.wire.bring(delta(2, { summary: { total_messages: 7 } }));
    const late = new Tab(name);
    await until(() => late.status.kind === "live");
    expect(late.figures).toEqual(leader.figures);
  });

  it("show their leader's status", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    leader.wire.events.status({ kind: "reconnecting", at: 5 });
    await until(() => follower.status.kind === "reconnecting");
    leader.wire.events.status({ kind: "polling", every: 30 });
    await until(() => follower.status.kind === "polling");
  });

  it("of another name share nothing", async () => {
    const [leader] = await group(0);
    const stranger = new Tab(`${name} of another`);
    await until(() => stranger.tabs.leads);
    leader.wire.bring(delta(2));
    await arrive();
    expect(stranger.figures).toEqual(EMPTY);
  });

  it("keep what a frame did not change, so that nothing is drawn in vain", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    const before = follower.figures;
    leader.wire.bring(delta(2, { summary: { total_messages: 7 } }));
    await until(() => follower.figures.position === "ab.2.0c");
    expect(follower.figures.activities).toBe(before.activities);
  });
});

describe("when the leader goes", () => {
  it("the next leads, and resumes from what it holds", async () => {
    const [leader, next] = (await group(1)) as [Tab, Tab];
    leader.wire.bring(delta(2));
    await until(() => next.figures.position === "ab.2.0c");
    leader.tabs.stop();
    await until(() => next.tabs.leads);
    expect(leader.wire.calls).toEqual(["start", "stop"]);
    expect(next.wire.calls).toEqual(["start"]);
    expect(next.figures.position).toBe("ab.2.0c");
  });

  it("the others follow the next one", async () => {
    const [leader, ...rest] = await group(2);
    leader.tabs.stop();
    await until(() => rest.some((tab) => tab.tabs.leads));
    const next = rest.find((tab) => tab.tabs.leads) as Tab;
    const last = rest.find((tab) => !tab.tabs.leads) as Tab;
    next.wire.bring(delta(3, { summary: { total_messages: 9 } }));
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
    leader.wire.events.status({ kind: "signed-out", reason: "expired" });
    leader.tabs.stop();
    await until(() => follower.tabs.leads);
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
    leader.wire.wake = () => leader.wire.events.status({ kind: "reconnecting", at: Date.now() + 500 });
    await vi.advanceTimersByTimeAsync(25_000);
    await until(() => follower.status.kind === "reconnecting");
    leader.wire.bring(heartbeat(1));
    await until(() => follower.status.kind === "live");
    expect(follower.tabs.leads).toBe(false);
  });

  it("and does not answer, the lead is taken from it, and when it wakes it follows", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    const deaf = vi.spyOn(BroadcastChannel.prototype, "postMessage").mockImplementation(() => {});
    await vi.advanceTimersByTimeAsync(25_000 + 4499);
    await arrive();
    expect(follower.tabs.leads).toBe(false);
    deaf.mockRestore();
    await vi.advanceTimersByTimeAsync(1);
    await until(() => follower.tabs.leads);
    await until(() => !leader.tabs.leads);
    expect(leader.wire.calls).toEqual(["start", "stop"]);
    follower.wire.bring(delta(2));
    await until(() => leader.figures.position === "ab.2.0c");
  });

  it("a machine that slept is noticed at once", async () => {
    const [, follower] = (await group(1)) as [Tab, Tab];
    vi.setSystemTime(Date.now() + 3_600_000);
    follower.tabs.wake();
    expect(follower.status.kind).toBe("stale");
  });
});

describe("when a message is missed", () => {
  it("the whole state is asked for, and nothing wrong is shown meanwhile", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    const deaf = vi.spyOn(BroadcastChannel.prototype, "postMessage").mockImplementation(() => {});
    leader.wire.bring(delta(2, { summary: { total_messages: 7 } }));
    deaf.mockRestore();
    leader.wire.bring(delta(3, { summary: { total_users: 5 } }));
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
    leader.wire.bring(delta(2));
    for (let n = 3; n < 6; n += 1) {
      leader.wire.bring(delta(n));
      await arrive();
      await vi.advanceTimersByTimeAsync(10_000);
    }
    expect([follower.status.kind, follower.figures.position]).toEqual(["stale", "ab.1.0c"]);
    said.mockRestore();
    await vi.advanceTimersByTimeAsync(4500);
    await until(() => follower.figures.position === "ab.5.0c" || follower.tabs.leads);
  });
});

describe("what a person does in a tab that follows", () => {
  it("refresh reaches the leader", async () => {
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    follower.tabs.refresh();
    await until(() => leader.wire.calls.includes("refresh"));
  });

  it("a renewed token stays in its tab", async () => {
    const said = vi.spyOn(BroadcastChannel.prototype, "postMessage");
    const [leader, follower] = (await group(1)) as [Tab, Tab];
    follower.tabs.renew("follower.secret.token");
    leader.tabs.renew("leader.secret.token");
    await arrive();
    expect(leader.wire.calls).toEqual(["start", "renew leader.secret.token"]);
    expect(JSON.stringify(said.mock.calls)).not.toContain("secret");
    said.mockRestore();
  });
});

describe("a page that may hold no lock", () => {
  it("connects on its own", async () => {
    const refuse = () => Promise.reject(new DOMException("an opaque origin", "SecurityError"));
    const request = vi.spyOn(navigator.locks, "request").mockImplementation(refuse);
    const tab = new Tab(name);
    await until(() => tab.tabs.leads);
    request.mockRestore();
    tab.wire.bring(snapshot(1));
    expect(tab.status).toEqual({ kind: "live" });
  });
});
