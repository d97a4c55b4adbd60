import { afterEach, describe, expect, it, vi } from "vitest";
import { endpoint, Rest, RestError } from "../../src/client/rest";
import { json, serve } from "./fake-service";

const PAGE = { items: [{ id: 1 }], next: null, position: "ab.1.0c" };

afterEach(() => vi.unstubAllGlobals());

/** What a request that must fail fails with. */
async function failure(request: Promise<unknown>): Promise<RestError> {
  const error = await request.then(
    () => null,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(RestError);
  return error as RestError;
}

describe("a request", () => {
  it.each([
    ["", "/api/v1/analytics/users/top"],
    ["http://service.test", "http://service.test/api/v1/analytics/users/top"],
    ["https://proxy.test/figures///", "https://proxy.test/figures/api/v1/analytics/users/top"],
  ])("goes to the service at %j", (url, address) => {
    expect(endpoint(url, "users/top")).toBe(address);
  });

  it("brings the token in its header only, and leaves nothing in the browser's cache", async () => {
    const asked = serve(() => json(PAGE));
    await new Rest("", () => "a.b.c").list("users/top");
    expect(asked[0]?.url).toBe("/api/v1/analytics/users/top");
    expect(asked[0]?.headers).toEqual({ Accept: "application/json", Authorization: "Bearer a.b.c" });
    expect(asked[0]?.init).toMatchObject({ cache: "no-store", credentials: "omit", referrerPolicy: "no-referrer" });
  });

  it("leaves out parameters that are not given, and escapes the others", async () => {
    const asked = serve(() => json(PAGE));
    const params = { search: "a&b=ü", limit: 5, active_only: false, metrics: ["x", "y"], from: null, to: undefined };
    await new Rest("", () => "a.b.c").list("users/list", params);
    const { searchParams } = new URL(asked[0]?.url ?? "", "http://service.test");
    expect(Object.fromEntries(searchParams)).toEqual({
      search: "a&b=ü",
      limit: "5",
      active_only: "false",
      metrics: "x,y",
    });
  });

  it("asks for CSV where that is wanted, with the byte-order mark that Excel needs, and keeps it", async () => {
    const written = new TextEncoder().encode("\ufeffid\r\n1\r\n");
    const asked = serve(() => new Response(written));
    const blob = await new Rest("", () => "a.b.c").csv("users/activities", { user_id: "ada" });
    expect(new Uint8Array(await blob.arrayBuffer())).toEqual(written);
    expect(asked[0]?.headers.Accept).toBe("text/csv");
    expect(new URL(asked[0]?.url ?? "", "http://a.example").searchParams.get("bom")).toBe("1");
  });

  it("is sent once more with a new token if the first is refused", async () => {
    const tokens = ["old.a.b", "new.a.b"];
    const asked = serve(({ headers }) => (headers.Authorization === "Bearer new.a.b" ? json(PAGE) : json({}, 401)));
    const rest = new Rest("", () => tokens.shift() ?? null);
    expect(await rest.list("users/top")).toEqual(PAGE);
    expect(await rest.list("users/top")).toEqual(PAGE);
    expect(asked.map(({ headers }) => headers.Authorization)).toEqual([
      "Bearer old.a.b",
      "Bearer new.a.b",
      "Bearer new.a.b",
    ]);
  });

  it("is not repeated with the token that was refused", async () => {
    const asked = serve(() => json({ detail: "the token has expired" }, 401));
    const error = await failure(new Rest("", () => "a.b.c").get("summary"));
    expect([error.status, error.detail, asked.length]).toEqual([401, "the token has expired", 1]);
  });

  it("can be taken back", async () => {
    vi.stubGlobal("fetch", (_: string, { signal }: RequestInit) => {
      signal?.throwIfAborted();
    });
    const request = new Rest("", () => "a.b.c").get("summary", {}, AbortSignal.abort());
    await expect(request).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("an error", () => {
  it("says what is wrong in the service's words, and which parameter", async () => {
    const problem = { title: "Unprocessable", status: 422, detail: "limit: at most 1000", field: "limit" };
    serve(() => json(problem, 422));
    const error = await failure(new Rest("", () => "a.b.c").list("users/top"));
    expect([error.status, error.detail, error.field, error.message]).toEqual([
      422,
      "limit: at most 1000",
      "limit",
      "limit: at most 1000",
    ]);
  });

  it("of a proxy leaves its status, and no page of HTML", async () => {
    serve(() => new Response("<html>", { status: 502 }));
    const error = await failure(new Rest("", () => "a.b.c").get("summary"));
    expect([error.status, error.detail, error.field, error.message]).toEqual([
      502,
      "",
      null,
      "the service answered 502",
    ]);
  });

  it("has the status 0 where nothing answers, where the body breaks off, and where the token source fails", async () => {
    serve(() => null);
    expect((await failure(new Rest("", () => "a.b.c").get("summary"))).status).toBe(0);
    serve(() => new Response('{"total'));
    expect((await failure(new Rest("", () => "a.b.c").get("summary"))).status).toBe(0);
    const rest = new Rest("", () => Promise.reject(new Error("secret")));
    expect((await failure(rest.get("summary"))).message).not.toContain("secret");
  });

  it("is no 401 where the token was refused and the source for another fails: the person is not signed out", async () => {
    serve(() => json({}, 401));
    const answers = [() => "old.a.b", () => Promise.reject(new Error("secret"))];
    const error = await failure(new Rest("", () => answers.shift()?.() ?? null).get("summary"));
    expect([error.status, error.message]).toEqual([0, "no token can be had just now"]);
  });

  it("says when to come back", async () => {
    serve(() => json({}, 503, { "Retry-After": "3" }));
    expect((await failure(new Rest("", () => "a.b.c").get("summary"))).retryAfter).toBe(3000);
  });

  it("is a 401 without a request where there is no token, or none that could be one", async () => {
    const asked = serve(() => json(PAGE));
    expect((await failure(new Rest("", () => null).get("summary"))).status).toBe(401);
    expect((await failure(new Rest("", () => "a b\nc").get("summary"))).status).toBe(401);
    expect(asked).toEqual([]);
  });

  it("never repeats the token", async () => {
    serve(() => null);
    const error = await failure(new Rest("", () => "very.secret.token").get("summary"));
    expect(JSON.stringify({ ...error, message: error.message, stack: error.stack })).not.toContain("very.secret");
  });
});
