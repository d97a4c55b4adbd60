import { describe, expect, it } from "vitest";
import fixture from "../../../../tests/fixtures/frames.json";
import type { Summary } from "../../src/client/catalogue";
import { crc32, digest } from "../../src/client/digest";

describe("a digest", () => {
  for (const { summary, digest: expected } of fixture.digests) {
    it(`is the one that the service makes: ${expected}`, () => {
      expect(digest(summary as unknown as Summary)).toBe(expected);
    });
  }

  it("is not made of figures that JavaScript cannot hold", () => {
    expect(digest({ total_tokens: 2 ** 60 } as Summary)).toBeNull();
  });

  it("is made with the CRC-32 of everybody's check value", () => {
    expect(crc32(new TextEncoder().encode("123456789"))).toBe(0xcbf43926);
  });
});
