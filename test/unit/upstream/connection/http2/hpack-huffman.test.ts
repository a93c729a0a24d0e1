import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HpackError } from "../../../../../src/upstream/connection/http2/hpack/hpack-error.ts";
import { decodeHuffman } from "../../../../../src/upstream/connection/http2/hpack/huffman.ts";
import { bitsToBytes, huffmanBits } from "../../../../support/huffman.ts";

const decode = (bytes: Uint8Array): string => decodeHuffman(bytes, 0, bytes.length);

const refused = { name: "HpackError", message: "huffman-coded text does not end in its padding" };

describe("decodeHuffman()", () => {
  it("reads every symbol, alone and behind every other", () => {
    for (let first = 0; first < 256; first++) {
      const one = String.fromCharCode(first);
      assert.equal(decode(bitsToBytes(huffmanBits(one))), one);
      for (let second = 0; second < 256; second++) {
        const two = one + String.fromCharCode(second);
        assert.equal(decode(bitsToBytes(huffmanBits(two))), two);
      }
    }
  });

  it("reads any text", () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(bytes, fc.nat(5), fc.nat(5), (symbols, before, after) => {
        const text = Buffer.from(symbols).latin1Slice();
        const coded = bitsToBytes(huffmanBits(text));
        const within = Buffer.concat([Buffer.alloc(before, 0x55), coded, Buffer.alloc(after, 0xaa)]);
        assert.equal(decodeHuffman(within, before, before + coded.length), text);
      }),
    );
  });

  it("reads a text longer than its scratch space", () => {
    const text = "0123456789 aeiou".repeat(5000);
    assert.equal(decode(bitsToBytes(huffmanBits(text))), text);
  });

  it("reads no bytes as no text", () => assert.equal(decode(new Uint8Array(0)), ""));

  const table: [what: string, bits: string][] = [
    ["padding of 9 ones", huffmanBits("aei") + "1".repeat(9)],
    ["padding of 8 ones behind a full byte", huffmanBits("&") + "1".repeat(8)], // a symbol of 8 bits
    ["padding of 8 ones and nothing else", "1".repeat(8)],
    ["padding of 24 ones", huffmanBits("&") + "1".repeat(24)],
    ["padding with a zero at its end", huffmanBits("a") + "110"],
    ["padding with a zero at its start", huffmanBits("a") + "011"],
    ["padding of zeros", huffmanBits("&&&a") + "000"],
    ["a symbol cut off", huffmanBits("\x01").slice(0, 16)],
    ["a symbol of 30 bits cut off", huffmanBits("\x0a").slice(0, 24)],
    ["EOS", "1".repeat(32)],
    ["EOS, then text", huffmanBits("a") + "1".repeat(30) + huffmanBits("aeiou")],
    ["EOS on a byte's border", huffmanBits("aa") + "1".repeat(30)],
    ["EOS many times", "1".repeat(30 * 8)],
  ];
  for (const [what, bits] of table) {
    it(`refuses ${what}`, () => assert.throws(() => decode(bitsToBytes(bits)), refused));
  }

  for (let count = 0; count <= 7; count++) {
    it(`takes padding of ${count} ones`, () => {
      // Five bits each.
      const text = "a".repeat((5 * (8 - count)) % 8 || 8);
      assert.equal(huffmanBits(text).length % 8, (8 - count) % 8);
      assert.equal(decode(bitsToBytes(huffmanBits(text))), text);
    });
  }

  it("takes any bytes or refuses them, and what it takes codes to those bytes", () => {
    let taken = 0;
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        let text: string;
        try {
          text = decode(bytes);
        } catch (error) {
          assert.ok(error instanceof HpackError);
          return;
        }
        taken++;
        assert.deepEqual(bitsToBytes(huffmanBits(text)), Buffer.from(bytes));
      }),
      { numRuns: 2000 },
    );
    assert.ok(taken > 0);
  });
});
