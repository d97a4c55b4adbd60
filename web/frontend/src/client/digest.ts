/**
 * The digest of a summary, by which a panel proves to itself that it shows what the service holds. Pure; mirrors
 * `realtime/digest.py`, and `tests/fixtures/frames.json` holds the two to the same digests.
 */

import type { Summary } from "./protocol";

/** How the names of means begin: here, a mean of 1.0 looks like the count 1. */
const MEAN = "avg_";

/** The CRC-32 of the sorted `name=integer` lines, as 8 hex digits; null if a figure is too large to be held exactly. */
export function digest(summary: Summary): string | null {
  const counts = Object.entries(summary).filter(([name, value]) => value !== null && !name.startsWith(MEAN));
  if (!counts.every(([, value]) => Number.isSafeInteger(value))) return null;
  const lines = counts.sort(([one], [other]) => (one < other ? -1 : 1)).map(([name, value]) => `${name}=${value}`);
  return crc32(new TextEncoder().encode(lines.join("\n")))
    .toString(16)
    .padStart(8, "0");
}

/** The CRC-32 of ISO 3309, as zlib has it. */
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
