import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseDuration, parseSize } from "../../../src/core/units.ts";

describe("parseDuration()", () => {
  for (const [text, expected] of [
    ["250ms", 250],
    ["5s", 5000],
    ["1.5s", 1500],
    ["1m", 60_000],
    ["1h", 3_600_000],
    ["1m30s", 90_000],
    ["1h2m3s4ms", 3_723_004],
    ["0s", 0],
    ["5", undefined], // no unit
    ["s", undefined],
    ["", undefined],
    ["5 s", undefined],
    ["-5s", undefined],
    ["5S", undefined],
    ["30s1m", undefined], // largest first, so that a slip is seen
    ["5s5s", undefined],
    ["1d", undefined],
    ["1.s", undefined],
    ["Infinitys", undefined],
  ] as const) {
    it(`reads ${JSON.stringify(text)} as ${expected}`, () => assert.equal(parseDuration(text), expected));
  }
});

describe("parseSize()", () => {
  for (const [text, expected] of [
    ["0B", 0],
    ["10B", 10],
    ["1KB", 1000],
    ["64KiB", 65_536],
    ["4MiB", 4_194_304],
    ["1.5KiB", 1536],
    ["1MB", 1_000_000],
    ["1GiB", 1_073_741_824],
    ["1GB", 1_000_000_000],
    ["4", undefined], // plain bytes are numbers, not texts
    ["4mib", undefined],
    ["4M", undefined],
    ["4 MiB", undefined],
    ["-1B", undefined],
    ["MiB", undefined],
  ] as const) {
    it(`reads ${JSON.stringify(text)} as ${expected}`, () => assert.equal(parseSize(text), expected));
  }
});
