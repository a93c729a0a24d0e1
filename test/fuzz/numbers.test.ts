import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { writeDouble } from "../../src/transcode/json-write-numbers.ts";
import { messageType, Transcoder } from "../support/protojson.ts";
import { freshSeed, seededRandom } from "../support/seeded-random.ts";

const BUDGET_MS = 1000;
const BATCH = 200;

/** Random whole numbers below a number. */
type Next = (below: number) => number;

/** Calls `run` for a while; a failure is repeated by the seed. */
function check(t: TestContext, run: (next: Next) => void): void {
  const seed = freshSeed();
  t.diagnostic(`seed ${seed} (SEED)`);
  const random = seededRandom(seed);
  const next: Next = (below) => Math.floor(random() * below);
  const until = performance.now() + BUDGET_MS;
  let runs = 0;
  for (; performance.now() < until; runs += BATCH) for (let i = 0; i < BATCH; i++) run(next);
  t.diagnostic(`${runs} numbers`);
}

describe("numbers of many digits", () => {
  const plain = new Transcoder();
  const scalars = messageType("Optionals");

  function digits(next: Next, count: number): string {
    let text = String(1 + next(9));
    while (text.length < count) text += next(10);
    return text;
  }

  it("are read as the double that is nearest, near the middle of two as well", (t) => {
    check(t, (next) => {
      const decimals = 1 + next(22);
      let whole = "0";
      let fraction = digits(next, decimals);
      if (next(3) > 0) whole = digits(next, 1 + next(10));
      if (next(4) === 0) fraction = "0".repeat(next(6)) + fraction;
      if (next(4) === 0) {
        // (2m + 1) / 2^k lies in the middle of two doubles; cut to 17 digits, next to it.
        const k = 4 + next(20);
        const middle = ((2n ** 53n - BigInt(next(2 ** 20))) * 2n + 1n) * 5n ** BigInt(k);
        const text = middle.toString().padStart(k + 1, "0");
        [whole, fraction] = [text.slice(0, -k), text.slice(-k).slice(0, Math.max(1, 17 - text.length + k))];
      }
      const text = `${next(2) === 0 ? "" : "-"}${whole}.${fraction}`;
      assert.ok(Object.is(plain.read(scalars, `{"aDouble":${text}}`).readDoubleLE(1), Number(text)), text);
    });
  });

  it("are read exactly as 64-bit integers, in quotes or not", (t) => {
    const lists = messageType("Lists");
    check(t, (next) => {
      const values = Array.from({ length: 4 }, () => digits(next, 1 + next(19)));
      const text = values.map((value) => (next(2) === 0 ? value : `"${value}"`)).join(",");
      const bytes = plain.read(lists, `{"aFixed64":[${text}]}`);
      const read = values.map((_, index) =>
        bytes.readBigUInt64LE(bytes.length - (values.length - index) * 8).toString(),
      );
      assert.deepEqual(read, values);
    });
  });

  it("are written in as few digits as String finds", (t) => {
    const bytes = Buffer.alloc(64);
    const out = new DataView(bytes.buffer, bytes.byteOffset);
    check(t, (next) => {
      const value = Number(`${digits(next, 1 + next(17))}e-${next(20)}`) * (next(2) === 0 ? 1 : -1);
      for (const one of [value, value * (1 + 2 ** -52)]) {
        assert.equal(bytes.latin1Slice(0, writeDouble(one, out, 0)), String(one));
      }
    });
  });
});
