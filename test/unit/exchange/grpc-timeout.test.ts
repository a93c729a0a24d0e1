import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseGrpcTimeout } from "../../../src/exchange/grpc-timeout.ts";

describe("parseGrpcTimeout()", () => {
  const table: [value: string, expected: number | undefined][] = [
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["3S", 3000],
    ["250m", 250],
    ["1500u", 1.5],
    ["500000n", 0.5],
    ["99999999H", 99999999 * 3_600_000], // eight digits at most
    ["00000001S", 1000],
    ["0n", 0], // what grpc-go sends for a deadline that has passed
    ["100000000n", undefined],
    ["", undefined],
    ["1", undefined],
    ["S", undefined],
    ["1s", undefined], // units are case-sensitive
    ["1h", undefined],
    ["1ms", undefined],
    ["-1S", undefined],
    ["+1S", undefined],
    ["1.5S", undefined],
    [" 1S", undefined],
    ["1S\n", undefined],
    ["1e3S", undefined],
    ["1S, 2S", undefined], // the header came twice
  ];
  for (const [value, expected] of table) {
    it(`reads ${JSON.stringify(value)} as ${expected}`, () => assert.equal(parseGrpcTimeout(value), expected));
  }
});
