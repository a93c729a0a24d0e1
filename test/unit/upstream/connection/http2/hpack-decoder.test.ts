import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HpackDecoder } from "../../../../../src/upstream/connection/http2/hpack/decoder.ts";
import { HpackError } from "../../../../../src/upstream/connection/http2/hpack/hpack-error.ts";
import { STATIC_NAMES, STATIC_VALUES } from "../../../../../src/upstream/connection/http2/hpack/static-table.ts";
import { bitsToBytes, huffmanBits } from "../../../../support/huffman.ts";

function newDecoder({ maxTableBytes = 4096, maxListBytes = 16_384 } = {}): HpackDecoder {
  return new HpackDecoder({ maxTableBytes, maxListBytes });
}

function decode(decoder: HpackDecoder, block: Uint8Array): readonly string[] | null {
  return decoder.decode(block, 0, block.length);
}

function unhex(text: string): Buffer {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}

/** An integer written with `extra` zero bytes more than needed. */
function integer(first: number, mask: number, value: number, extra = 0): number[] {
  if (value < mask && extra === 0) return [first | value];
  assert.ok(value >= mask);
  const bytes = [first | mask];
  let rest = value - mask;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  for (let i = 0; i < extra; i++) bytes.splice(-1, 1, (bytes.at(-1) ?? 0) | 0x80, 0);
  return bytes;
}

function string(text: string, isHuffman = false): number[] {
  const bytes = isHuffman ? bitsToBytes(huffmanBits(text)) : Buffer.from(text, "latin1");
  return [...integer(isHuffman ? 0x80 : 0, 0x7f, bytes.length), ...bytes];
}

/** A literal of a new name that enters the table. */
function added(name: string, value: string): number[] {
  return [0x40, ...string(name), ...string(value)];
}

describe("HpackDecoder.decode()", () => {
  it("reads every field of the static table", () => {
    const decoder = newDecoder();
    for (let index = 1; index <= 61; index++) {
      assert.deepEqual(decode(decoder, Buffer.of(0x80 | index)), [STATIC_NAMES[index], STATIC_VALUES[index]]);
    }
    assert.equal(STATIC_NAMES.length, 62);
  });

  it("reads from any place of any array of bytes", () => {
    const block = [0x88, ...added("a", "b"), 0xbe];
    const plain = new Uint8Array([0xff, 0xff, ...block, 0xff]).subarray(1);
    assert.deepEqual(newDecoder().decode(plain, 1, 1 + block.length), [":status", "200", "a", "b", "a", "b"]);
  });

  it("keeps bytes above ASCII as latin1, coded or not", () => {
    const text = String.fromCharCode(...Array.from({ length: 256 }, (_, i) => i));
    const block = Buffer.of(0x00, ...string("a"), ...string(text), 0x00, ...string("b", true), ...string(text, true));
    assert.deepEqual(decode(newDecoder(), block), ["a", text, "b", text]);
  });

  it("reads an empty block, empty names and empty values", () => {
    assert.deepEqual(decode(newDecoder(), Buffer.of()), []);
    assert.deepEqual(decode(newDecoder(), unhex("400000 000000 100080")), ["", "", "", "", "", ""]);
  });

  it("takes integers with needless zero bytes, four continuation bytes at most", () => {
    const decoder = newDecoder();
    assert.deepEqual(decode(decoder, Buffer.of(0x04, ...integer(0, 0x7f, 127, 3), ...Buffer.alloc(127, "x"))), [
      ":path",
      "x".repeat(127),
    ]);
    assert.throws(() => decode(decoder, Buffer.of(0x04, ...integer(0, 0x7f, 127, 4), ...Buffer.alloc(127, "x"))), {
      message: "integer of more than 4 continuation bytes",
    });
  });

  it("names a header by an entry that the header's own entry evicts", () => {
    const decoder = newDecoder({ maxTableBytes: 64 });
    decode(decoder, Buffer.of(...added("name", "old")));
    assert.deepEqual(decode(decoder, Buffer.of(0x7e, ...string("new"))), ["name", "new"]);
    assert.deepEqual(decode(decoder, Buffer.of(0xbe)), ["name", "new"]);
  });

  it("empties the table for an entry larger than it", () => {
    const decoder = newDecoder({ maxTableBytes: 100 });
    decode(decoder, Buffer.of(...added("a", "b")));
    const value = "x".repeat(68);
    assert.deepEqual(decode(decoder, Buffer.of(...added("a", value))), ["a", value]);
    assert.throws(() => decode(decoder, Buffer.of(0xbe)), { message: "index 62 is beyond the table" });
  });

  it("keeps an entry exactly as large as the table", () => {
    const decoder = newDecoder({ maxTableBytes: 100 });
    const value = "x".repeat(67);
    decode(decoder, Buffer.of(...added("a", value)));
    assert.deepEqual(decode(decoder, Buffer.of(0xbe)), ["a", value]);
  });

  it("begins with 4,096 bytes of a larger table until the peer takes more", () => {
    const decoder = newDecoder({ maxTableBytes: 65_536, maxListBytes: 1e6 });
    const value = "x".repeat(2000);
    decode(decoder, Buffer.of(...added("a", value), ...added("b", value), ...added("c", value)));
    assert.deepEqual(decode(decoder, Buffer.of(0xbf)), ["b", value]);
    assert.throws(() => decode(decoder, Buffer.of(0xc0)), HpackError);
    const update = integer(0x20, 0x1f, 65_536);
    decode(decoder, Buffer.of(...update, ...added("d", value), ...added("e", value)));
    assert.deepEqual(decode(decoder, Buffer.of(0xc1)), ["b", value]);
  });

  it("evicts what no longer fits after a size update, also where a second one takes it back", () => {
    const decoder = newDecoder();
    decode(decoder, Buffer.of(...added("a", "1"), ...added("b", "2")));
    assert.deepEqual(decode(decoder, unhex("3f03 3fe11f be")), ["b", "2"]);
    assert.throws(() => decode(decoder, Buffer.of(0xbf)), { message: "index 63 is beyond the table" });
  });

  const malformed: [what: string, block: string, message: string][] = [
    ["index 0", "80", "index 0 is not used"],
    ["an index beyond an empty table", "be", "index 62 is beyond the table"],
    ["an index far beyond", "ffffffff7f", "index 268435582 is beyond the table"],
    ["a literal's name beyond the table", "7e00", "index 62 is beyond the table"],
    ["an unindexed literal's name beyond the table", "0f2f00", "index 62 is beyond the table"],
    ["an index cut off", "ff", "block ends within an integer"],
    ["an index cut off later", "ff80", "block ends within an integer"],
    ["an index of five continuation bytes", "ff8080808000", "integer of more than 4 continuation bytes"],
    ["an index above 2^31", "ffffffffff7f", "integer of more than 4 continuation bytes"],
    ["an index without end", "ff".repeat(1000), "integer of more than 4 continuation bytes"],
    ["a literal without a name", "40", "block ends where a string should begin"],
    ["a literal without a value", "44", "block ends where a string should begin"],
    ["a named literal without a value", "400161", "block ends where a string should begin"],
    ["a length cut off", "447f", "block ends within an integer"],
    ["a value cut off", "44036162", "string of 3 bytes, 2 are left of the block"],
    ["a coded value cut off", "44836162", "string of 3 bytes, 2 are left of the block"],
    ["a name cut off", "000561", "string of 5 bytes, 1 are left of the block"],
    ["a length beyond memory", "447fffffff7f", "string of 268435582 bytes, 0 are left of the block"],
    ["a length above 2^31", "447fffffffff7f", "integer of more than 4 continuation bytes"],
    ["EOS within a value", "4484ffffffff", "huffman-coded text does not end in its padding"],
    ["padding that is too long", "4482f8ff", "huffman-coded text does not end in its padding"],
    ["a table size above ours", "3fe21f", "table size update to 4097 bytes, at most 4096 allowed"],
    ["a table size above 2^31", "3fffffffff7f", "integer of more than 4 continuation bytes"],
    ["a table size cut off", "3f", "block ends within an integer"],
    ["a table size behind a header", "8820", "table size update after a header"],
    ["a table size behind another and a header", "208820", "table size update after a header"],
  ];
  for (const [what, block, message] of malformed) {
    it(`refuses ${what}`, () =>
      assert.throws(() => decode(newDecoder(), unhex(block)), { name: "HpackError", message }));
  }

  describe("limits the list", () => {
    it("to exactly its limit", () => {
      const block = Buffer.of(0x88, ...added("a", "b")); // 7 + 3 + 32, 1 + 1 + 32
      assert.equal(decode(newDecoder({ maxListBytes: 76 }), block)?.length, 4);
      assert.equal(decode(newDecoder({ maxListBytes: 75 }), block), null);
    });

    it("and keeps the table in step behind it", () => {
      const decoder = newDecoder({ maxListBytes: 100 });
      const large = "x".repeat(200);
      assert.equal(decode(decoder, Buffer.of(...added("a", large), ...added("b", "2"))), null);
      assert.deepEqual(decode(decoder, Buffer.of(0xbe)), ["b", "2"]);
      assert.equal(decode(decoder, Buffer.of(0xbf)), null);
      assert.throws(() => decode(decoder, Buffer.of(0xc0)), HpackError);
    });

    it("still refuses what is malformed behind it", () => {
      const decoder = newDecoder({ maxListBytes: 50 });
      assert.throws(() => decode(decoder, Buffer.of(0x88, 0x88, 0x88, 0x80)), { message: "index 0 is not used" });
    });

    it("of a bomb without growing", () => {
      const decoder = newDecoder({ maxListBytes: 65_536 });
      const value = "x".repeat(4000);
      decode(decoder, Buffer.of(...added("bomb", value)));
      const bomb = Buffer.alloc(10_000_000, 0xbe);
      const before = process.memoryUsage().heapUsed;
      assert.equal(decode(decoder, bomb), null);
      const grown = process.memoryUsage().heapUsed - before;
      assert.ok(grown < 20e6, `${grown} bytes; ten million pairs are 160 MB of references`);
      assert.deepEqual(decode(decoder, Buffer.of(0xbe)), ["bomb", value]);
    });

    it("of a block that adds without end", () => {
      const decoder = newDecoder({ maxListBytes: 1000 });
      const block: number[] = [];
      for (let i = 0; i < 5000; i++) block.push(...added("", ""));
      assert.equal(decode(decoder, Buffer.from(block)), null);
      assert.deepEqual(decode(decoder, Buffer.from(integer(0x80, 0x7f, 61 + 128))), ["", ""]);
      assert.throws(() => decode(decoder, Buffer.from(integer(0x80, 0x7f, 62 + 128))), HpackError);
    });
  });

  describe("keeps short blocks", () => {
    const reply = unhex("88 be bf");
    const known = (): HpackDecoder => {
      const decoder = newDecoder();
      decode(decoder, Buffer.of(...added("a", "1"), ...added("b", "2")));
      return decoder;
    };

    it("and gives the same frozen array for the same bytes", () => {
      const decoder = known();
      const first = decode(decoder, reply);
      assert.deepEqual(first, [":status", "200", "b", "2", "a", "1"]);
      assert.equal(decode(decoder, Buffer.concat([Buffer.of(1, 2), reply]).subarray(2)), first);
      assert.ok(Object.isFrozen(first));
      assert.notEqual(decode(decoder, Buffer.concat([reply, Buffer.of(0x88)])), first);
    });

    it("until an entry is added", () => {
      const decoder = known();
      decode(decoder, reply);
      decode(decoder, Buffer.of(...added("c", "3")));
      assert.deepEqual(decode(decoder, reply), [":status", "200", "c", "3", "b", "2"]);
    });

    it("until an entry is evicted", () => {
      const decoder = known();
      decode(decoder, reply);
      decode(decoder, unhex("20 3fe11f"));
      assert.throws(() => decode(decoder, reply), { message: "index 62 is beyond the table" });
    });

    it("but none that changes the table", () => {
      const decoder = known();
      const adds = Buffer.of(...added("d", "4"));
      assert.equal(adds.length, 5);
      decode(decoder, adds);
      decode(decoder, adds);
      assert.deepEqual(decode(decoder, Buffer.of(0xbe, 0xbf)), ["d", "4", "d", "4"]);
      const empties = unhex("20 3fe11f 88");
      decode(decoder, empties);
      decode(decoder, empties);
      assert.throws(() => decode(decoder, Buffer.of(0xbe)), HpackError);
    });

    it("but none that sets the table's size, even where nothing is evicted", () => {
      const decoder = newDecoder();
      const [less, more] = [unhex("3fc907"), unhex("3fe11f")]; // 1,000 and 4,096 bytes
      for (const update of [less, more, less]) decode(decoder, update);
      decode(decoder, Buffer.of(...added("a", "x".repeat(500)), ...added("b", "x".repeat(500))));
      assert.throws(() => decode(decoder, Buffer.of(0xbf)), { message: "index 63 is beyond the table" });
    });

    it("apart that differ in zeros at their start", () => {
      const decoder = newDecoder();
      assert.equal(decode(decoder, unhex("000000"))?.length, 2);
      assert.equal(decode(decoder, unhex("000000 000000"))?.length, 4);
    });

    it("but none that is too large", () => {
      const decoder = newDecoder({ maxListBytes: 41 });
      assert.equal(decode(decoder, Buffer.of(0x88)), null);
      assert.equal(decode(decoder, Buffer.of(0x88)), null);
    });

    it("apart, of up to 8 bytes", () => {
      const decoder = newDecoder();
      const seen = new Map<string, readonly string[] | null>();
      for (let round = 0; round < 2; round++) {
        for (let length = 1; length <= 10; length++) {
          for (let index = 1; index <= 61; index++) {
            const block = Buffer.alloc(length, 0x88);
            block[index % length] = 0x80 | index;
            const expected = [...block].flatMap((byte) => [STATIC_NAMES[byte & 0x7f], STATIC_VALUES[byte & 0x7f]]);
            const headers = decode(decoder, block);
            assert.deepEqual(headers, expected);
            if (length > 8) assert.notEqual(seen.get(block.toString("hex")), headers);
            seen.set(block.toString("hex"), headers);
          }
        }
      }
    });
  });
});

/** The table as RFC 7541 tells it, and nothing else. */
class PlainTable {
  entries: [name: string, value: string][] = [];
  limit = 4096;

  shrink(room: number): void {
    const cost = () => this.entries.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (this.entries.length > 0 && cost() > this.limit - room) this.entries.pop();
  }

  add(name: string, value: string): void {
    const size = name.length + value.length + 32;
    this.shrink(size);
    if (size <= this.limit) this.entries.unshift([name, value]);
  }

  at(index: number): [name: string, value: string] {
    return index <= 61
      ? [STATIC_NAMES[index] ?? "", STATIC_VALUES[index] ?? ""]
      : (this.entries[index - 62] ?? ["", ""]);
  }
}

describe("HpackDecoder, against a table that is written plainly", () => {
  const text = fc.string({ unit: fc.nat(255).map((code) => String.fromCharCode(code)), maxLength: 60 });
  const field = fc.record({
    kind: fc.constantFrom("indexed", "indexed", "added", "plain", "never"),
    place: fc.nat(),
    isNamed: fc.boolean(),
    name: text,
    value: text,
    isHuffman: fc.boolean(),
  });
  const limit = fc.constantFrom(0, 31, 32, 40, 200, 1000, 4095, 4096);
  const block = fc.record({ limits: fc.array(limit, { maxLength: 2 }), fields: fc.array(field, { maxLength: 6 }) });

  it("reads blocks of any make and keeps the table in step", () => {
    fc.assert(
      fc.property(fc.array(block, { minLength: 1, maxLength: 40 }), (blocks) => {
        const decoder = newDecoder({ maxListBytes: 1e6 });
        const table = new PlainTable();
        for (const { limits, fields } of blocks) {
          const bytes: number[] = [];
          const expected: string[] = [];
          for (const bound of limits) {
            bytes.push(...integer(0x20, 0x1f, bound));
            table.limit = bound;
            table.shrink(0);
          }
          for (const { kind, place, isNamed, name, value, isHuffman } of fields) {
            const entries = table.entries.length;
            const index = entries > 0 && place % 4 > 0 ? 62 + (place % entries) : 1 + (place % 61);
            if (kind === "indexed") {
              bytes.push(...integer(0x80, 0x7f, index));
              expected.push(...table.at(index));
              continue;
            }
            const [first, mask] = kind === "added" ? [0x40, 0x3f] : [kind === "plain" ? 0 : 0x10, 0x0f];
            const ownName = isNamed ? table.at(index)[0] : name;
            bytes.push(...integer(first, mask, isNamed ? index : 0), ...(isNamed ? [] : string(name, isHuffman)));
            bytes.push(...string(value, isHuffman));
            expected.push(ownName, value);
            if (kind === "added") table.add(ownName, value);
          }
          assert.deepEqual(decode(decoder, Buffer.from(bytes)), expected);
        }
      }),
      { numRuns: 300, interruptAfterTimeLimit: 10_000 },
    );
  });
});

describe("HpackDecoder, given what is no block", () => {
  const outcomes = (decoder: HpackDecoder, bytes: Uint8Array): "taken" | "refused" => {
    try {
      const headers = decode(decoder, bytes);
      assert.ok(headers === null || headers.length % 2 === 0);
      return "taken";
    } catch (error) {
      if (!(error instanceof HpackError)) throw error;
      return "refused";
    }
  };

  it("takes any bytes or throws an HpackError", () => {
    const counts = { taken: 0, refused: 0 };
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 10 }), (blocks) => {
        const decoder = newDecoder({ maxListBytes: 500 });
        for (const bytes of blocks) {
          const outcome = outcomes(decoder, bytes);
          counts[outcome]++;
          if (outcome === "refused") return;
        }
      }),
      { numRuns: 3000 },
    );
    assert.ok(counts.taken > 100 && counts.refused > 100, JSON.stringify(counts));
  });

  it("takes or refuses a good block with some bytes changed or cut off", () => {
    const good = unhex(
      `3fe11f 88 c1 6196d07abe941054d444a8200595040b8166e084a62d1bff c0 5a839bd9ab
       77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007`.replaceAll(
        /\s/g,
        "",
      ),
    );
    const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { maxLength: 4 }), fc.nat(good.length), (changes, end) => {
        const decoder = newDecoder();
        decode(decoder, Buffer.of(...added("location", "x"), ...added("cache-control", "private")));
        const bytes = Buffer.from(good.subarray(0, end));
        for (const [at, byte] of changes) if (at < end) bytes[at] = byte;
        outcomes(decoder, bytes);
      }),
      { numRuns: 2000 },
    );
  });
});
