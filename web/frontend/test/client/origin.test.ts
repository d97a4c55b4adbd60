import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { answersOtherOrigins } from "../../src/client/origin";
import { serve } from "./fake-service";

beforeEach(() => vi.stubGlobal("location", new URL("http://localhost:8000/shop")));
afterEach(() => vi.unstubAllGlobals());

describe("a service that gives this page no figures", () => {
  it("is there if it gives what is open to all, which is requested without a token", async () => {
    const asked = serve(() => new Response(null));
    expect(await answersOtherOrigins("http://service.test/tools/")).toBe(true);
    expect(asked[0]?.url).toBe("http://service.test/tools/analytics/panel.js");
    expect(asked[0]?.headers).toBeUndefined();
  });

  it("is not there if nothing or only a proxy answers", async () => {
    serve(() => null);
    expect(await answersOtherOrigins("http://service.test")).toBe(false);
    serve(() => new Response(null, { status: 502 }));
    expect(await answersOtherOrigins("http://service.test")).toBe(false);
  });

  it("is not asked if it is of this page's own origin, which it cannot refuse", async () => {
    const asked = serve(() => new Response(null));
    expect(await answersOtherOrigins("")).toBe(false);
    expect(await answersOtherOrigins("http://localhost:8000/tools")).toBe(false);
    expect(asked).toEqual([]);
  });
});
