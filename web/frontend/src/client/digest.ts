/**
 * The digest of a summary, by which a client checks that it shows what the service holds. Pure; it does what
 * `realtime/digest.py` does, and the tests of both read the same digests from `tests/fixtures/frames.json`.
 */

import type { Summary } from "./catalogue";

/** The prefix of means, which are left out: JavaScript cannot tell a mean of 1.0 from the count 1. */
const MEAN = "avg_";

/**
 * The CRC-32 of the sorted `name=value` lines, as 8 hex digits; null if a figure is too large to be exact. Money is
 * decimal text, which is exact at any size.
 */
export function digest(summary: Summary): string | null {
  const counts = Object.entries(summary).filter(([name, value]) => value !== null && !name.startsWith(MEAN));
  if (!counts.every(([, value]) => typeof value === "string" || Number.isSafeInteger(value))) return null;
  const lines = counts.sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, value]) => `${name}=${value}`);
  return crc32(new TextEncoder().encode(lines.join("\n")))
    .toString(16)
    .padStart(8, "0");
}

/** The CRC-32 of ISO 3309, which zlib computes too. */
export function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0);
  return ~crc >>> 0;
}

const TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  return crc;
});
