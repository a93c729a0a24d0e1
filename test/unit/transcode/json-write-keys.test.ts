import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { IRREGULAR, keys } from "../../../src/transcode/json-write-keys.ts";

// So many that in all but one of 30,000 runs some two have the same hash of 32 bits.
const COUNT = 300_000;
const WIDTH = 18;

describe("keys.add()", () => {
  // As ids are: hexadecimal digits without an order.
  const text = Buffer.alloc(COUNT * WIDTH, '"');
  for (let i = 0; i < COUNT; i++) {
    const id = BigInt.asUintN(64, BigInt(i + 1) * 0x9e3779b97f4a7c15n);
    text.write(id.toString(16).padStart(WIDTH - 2, "0"), i * WIDTH + 1);
  }
  const out = new DataView(text.buffer, text.byteOffset, text.length);
  const add = (map: number, index: number): void => keys.add(map, out, index * WIDTH, (index + 1) * WIDTH);

  it("takes keys that only have the same hash, and refuses the same key", () => {
    keys.reset();
    const map = keys.open();
    for (let i = 0; i < COUNT; i++) add(map, i);
    for (let i = 0; i < COUNT; i += 9973) assert.throws(() => add(map, i), IRREGULAR);
    // One of the first, whose places are not kept, and the last.
    assert.throws(() => add(map, 1), IRREGULAR);
    assert.throws(() => add(map, COUNT - 1), IRREGULAR);
    keys.close(map);
    keys.reset();
  });
});
