import { describe, expect, it } from "vitest";
import { changed, firedBy, firing, idFor, type KeptRule, kindOf, ruleOf } from "../../../src/dashboard/alerts/alert";

describe("the id of something new", () => {
  it("is made of its name, of what addresses may hold", () => {
    expect(idFor("Budget of u7", [])).toBe("budget-of-u7");
    expect(idFor("  https://x.org -- 2!", [])).toBe("https-x-org-2");
    expect(idFor("!!!", [])).toBe("rule");
  });

  it("is one that nothing else has", () => {
    expect(idFor("A", ["a", "a-2"])).toBe("a-3");
  });
});

describe("the kind of a target", () => {
  it("is told by its address", () => {
    expect(kindOf("https://example.org/x")).toBe("webhook");
    expect(kindOf("ada@example.org")).toBe("email");
    expect(kindOf("slack://a/b/c")).toBe("apprise");
  });
});

describe("the rule that the form makes", () => {
  it("has the fields of its kind alone, and numbers as numbers", () => {
    const fields = { kind: "silence", name: "x", event: "message", minutes: "10", limit: "1", window: "month" };
    expect(ruleOf(fields, ["ops"])).toEqual({
      name: "x",
      kind: "silence",
      event: "message",
      minutes: 10,
      targets: ["ops"],
    });
  });

  it("leaves out what is empty", () => {
    const fields = { kind: "budget", name: "x", limit: "1", window: "month", user_id: "" };
    expect(ruleOf(fields, [])).toEqual({ name: "x", kind: "budget", limit: "1", window: "month", targets: [] });
  });
});

describe("the rule that the form changes", () => {
  const rule = {
    name: "Slow",
    kind: "threshold",
    figure: "messages",
    window: "30m",
    below: "5",
    clear: "7",
    severity: "critical",
    for_minutes: 3,
    user_id: "u7",
    targets: ["ops"],
  } as const;

  it("has what the form says, and keeps what the form has no field for", () => {
    const fields = { name: "Slower", figure: "messages", window: "30m", below: "4" };
    expect(changed(rule, fields, ["ops", "ada"])).toEqual({
      ...rule,
      name: "Slower",
      below: "4",
      targets: ["ops", "ada"],
    });
  });

  it("loses what was emptied", () => {
    const fields = { name: "Slow", figure: "messages", window: "30m", below: "5", clear: "" };
    expect(changed(rule, fields, [])).not.toHaveProperty("clear");
    const budget = { name: "x", kind: "budget", limit: "1", window: "month", user_id: "u7", levels: [50] } as const;
    expect(changed(budget, { name: "x", limit: "2", window: "month", user_id: "" }, [])).toEqual({
      name: "x",
      kind: "budget",
      limit: "2",
      window: "month",
      levels: [50],
      targets: [],
    });
  });
});

describe("what fires of a rule", () => {
  it("is named by the highest level first", () => {
    const state = { since: "", value: null, acknowledged_by: null };
    const states = [50, 80, 100].map((level) => ({ ...state, level, status: level < 100 ? "firing" : "ok" }) as const);
    const kept: KeptRule = { id: "r", rule: { name: "r", kind: "budget" }, states, silenced_until: null };
    expect(firing(kept).map(({ level }) => level)).toEqual([80, 50]);
  });
});

describe("the transition by which a rule came to fire", () => {
  const item = {
    id: "t",
    at: "2026-03-20T10:20:00.000Z",
    rule: "r",
    level: null,
    status: "firing",
    value: "40",
    held: null,
    message: { data: {} },
    deliveries: [],
  } as const;
  const state = { level: null, status: "firing", since: item.at, value: "40", acknowledged_by: null } as const;
  const kept: KeptRule = { id: "r", rule: { name: "r", kind: "unusual" }, states: [state], silenced_until: null };

  it("is the one of the same time", () => {
    expect(firedBy([{ ...item, at: "2026-03-19T10:20:00.000Z" }, item], kept, state)).toBe(item);
  });

  it("is not there if it is of another rule, or too long ago", () => {
    expect(firedBy([{ ...item, rule: "other" }], kept, state)).toBeUndefined();
    expect(firedBy([], kept, state)).toBeUndefined();
  });
});
