import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { JsonSplitter } from "../../../src/transcode/json-split.ts";
import { seededRandom } from "../../support/seeded-random.ts";

/** The values of a body, cut at these places. */
function split(body: string, cuts: readonly number[] = [], { maxBytes = 1 << 20, mayBeArray = true } = {}): string[] {
  const values: string[] = [];
  const splitter = new JsonSplitter({ maxBytes, mayBeArray }, (text) => values.push(Buffer.from(text).toString()));
  const bytes = Buffer.from(body);
  let from = 0;
  for (const cut of [...cuts, bytes.length]) {
    // Memory that is used again must not matter.
    const piece = Buffer.from(bytes.subarray(from, cut));
    splitter.push(piece);
    piece.fill(0);
    from = cut;
  }
  splitter.end();
  return values;
}

const good: readonly (readonly [body: string, values: readonly string[]])[] = [
  ["", []],
  [" \n\t\r", []],
  ["{}", ["{}"]],
  ['{"a":1}\n{"a":2}\n', ['{"a":1}', '{"a":2}']],
  ['{"a":1}\r\n\r\n{"a":2}', ['{"a":1}', '{"a":2}']],
  ['{"a":1}{"a":2}', ['{"a":1}', '{"a":2}']],
  ['{\n  "a": [1, {}]\n}\n{}', ['{\n  "a": [1, {}]\n}', "{}"]],
  ["[]", []],
  [" [ ] ", []],
  ["[{}]", ["{}"]],
  ['[{"a":1},{"a":2}]\n', ['{"a":1}', '{"a":2}']],
  [" [ {} , [1] ,\n{} ] ", ["{}", "[1]", "{}"]],
  ['["a",1,null,"b"]', ['"a"', "1", "null", '"b"']],
  ['"a""b" 1 true\n"c"2', ['"a"', '"b"', "1", "true", '"c"', "2"]],
  ["17", ["17"]],
  ['{"a":"}]\\"{["}{"b":"\\\\"}', ['{"a":"}]\\"{["}', '{"b":"\\\\"}']],
  ['{"ü":"😀"}\n{"書":1}', ['{"ü":"😀"}', '{"書":1}']],
  ["{]{}", ["{]", "{}"]], // brackets that do not match are the reader's to refuse
];

describe("JsonSplitter", () => {
  for (const [body, values] of good) {
    it(`${JSON.stringify(body)} -> ${values.length} values, wherever it is cut`, () => {
      assert.deepEqual(split(body), values);
      const { length } = Buffer.from(body);
      const everywhere = Array.from({ length }, (_, at) => at);
      assert.deepEqual(split(body, everywhere), values);
      for (const cut of everywhere) assert.deepEqual(split(body, [cut]), values, `cut at ${cut}`);
    });
  }

  for (const [body, message] of [
    ["{", "it ends within message 1"],
    ['{}\n{"a', "it ends within message 2"],
    ['"a\\"', "it ends within message 1"],
    ["[", "the array has no end after message 0"],
    ["[{}", "the array has no end after message 1"],
    ["[{},", "the array has no end after message 1"],
    ["[1", "it ends within message 1"],
    ["[{},]", "expected message 2 at byte 4"],
    ["[,]", "expected message 1 at byte 1"],
    ["[{}{}]", "expected a comma or the array's end behind message 1, at byte 3"],
    ["[{}:", "expected a comma or the array's end behind message 1, at byte 3"],
    ["[] {}", "something follows the array, at byte 3"],
    ["{},{}", "expected message 2 at byte 2"],
    ["}", "expected message 1 at byte 0"],
  ] as const) {
    it(`refuses ${body}: ${message}`, () => {
      for (const cuts of [[], Array.from({ length: body.length }, (_, at) => at)]) {
        assert.throws(() => split(body, cuts), {
          code: "BODY_MALFORMED",
          message: `body is not valid JSON: ${message}`,
        });
      }
    });
  }

  it("takes an array for the first value where it may be none", () => {
    assert.deepEqual(split("[1,2]\n[3]", [], { mayBeArray: false }), ["[1,2]", "[3]"]);
  });

  it("limits each value, not the whole", () => {
    const body = '{"a":"12345678"}\n'.repeat(1000);
    assert.equal(split(body, [5, 40], { maxBytes: 16 }).length, 1000);
    for (const cuts of [[], [1], [3, 9, 15]]) {
      assert.throws(() => split(body, cuts, { maxBytes: 15 }), { code: "MESSAGE_TOO_LARGE" });
    }
    // Before its end has come.
    const splitter = new JsonSplitter({ maxBytes: 15, mayBeArray: true }, () => {});
    splitter.push(Buffer.from('{"a":"'));
    assert.throws(() => splitter.push(Buffer.alloc(10, "x")), {
      message: "message 1 of the body is larger than 15 bytes",
    });
  });

  it("finds again what was put together at random, however it is cut", (t) => {
    const seed = Date.now() % 1_000_000;
    t.diagnostic(`seed ${seed}`);
    const random = seededRandom(seed);
    const pick = (count: number): number => Math.floor(random() * count);
    const value = (depth: number): unknown => {
      const kind = pick(depth > 3 ? 3 : 5);
      if (kind === 0) return pick(1000);
      if (kind === 1) return ['a"b\\', "[{", "}]", "\n", "ü😀"][pick(5)];
      if (kind === 2) return null;
      const items = Array.from({ length: pick(4) }, () => value(depth + 1));
      return kind === 3 ? items : Object.fromEntries(items.map((item, index) => [`k${index}`, item]));
    };
    for (let round = 0; round < 300; round++) {
      const texts = Array.from({ length: pick(6) }, () => JSON.stringify({ v: value(0) }, null, pick(2)));
      const body = pick(2) === 0 ? `[${texts.join(" ,")}]` : texts.join(["", "\n", " "][pick(3)]);
      const cuts = Array.from({ length: pick(10) }, () => pick(Buffer.from(body).length + 1)).sort((a, b) => a - b);
      assert.deepEqual(split(body, cuts), texts, `${body} cut at ${cuts.join()}`);
    }
  });

  it("takes linear time for a value in many small pieces", () => {
    const splitter = new JsonSplitter({ maxBytes: 1 << 22, mayBeArray: true }, () => {});
    const piece = Buffer.alloc(16, "x");
    const startMs = performance.now();
    splitter.push(Buffer.from('"'));
    for (let i = 0; i < 200_000; i++) splitter.push(piece);
    assert.ok(performance.now() - startMs < 2000);
  });
});
