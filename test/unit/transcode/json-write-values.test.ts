import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  writeDouble,
  writeFloat,
  writeInt32,
  writeInt64,
  writeUint32,
  writeUint64,
} from "../../../src/transcode/json-write-numbers.ts";
import { writeBase64, writeString } from "../../../src/transcode/json-write-text.ts";
import { sink } from "../../../src/transcode/sink.ts";
import { WireError } from "../../../src/transcode/wire-scan.ts";
import { freshSeed, seededRandom } from "../../support/seeded-random.ts";

const ROUNDS = 20_000;
const bits = new DataView(new ArrayBuffer(8));

function numberText(write: (out: DataView, o: number) => number): string {
  sink.reset();
  return sink.bytes.latin1Slice(3, write(sink.view, 3));
}

/** Runs `check` with random 32-bit integers, the seed in the message of what fails. */
function randomly(check: (next: () => number) => void): void {
  const seed = freshSeed();
  const random = seededRandom(seed);
  try {
    for (let i = 0; i < ROUNDS; i++) check(() => (random() * 2 ** 32) >>> 0);
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error });
  }
}

describe("writeUint32() and writeInt32()", () => {
  it("write every number of digits", () => {
    const values = [0, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];
    for (let power = 1; power < 2 ** 32; power *= 10) values.push(power - 1, power, power + 1, power * 2 - 1);
    for (const value of values.filter((each) => each < 2 ** 32)) {
      assert.equal(
        numberText((out, o) => writeUint32(value, out, o)),
        String(value),
      );
      assert.equal(
        numberText((out, o) => writeInt32(value | 0, out, o)),
        String(value | 0),
      );
      assert.equal(
        numberText((out, o) => writeInt32(-value | 0, out, o)),
        String(-value | 0),
      );
    }
  });

  it("write random ones", () => {
    randomly((next) => {
      const value = next() >>> (next() & 31);
      assert.equal(
        numberText((out, o) => writeUint32(value, out, o)),
        String(value),
      );
    });
  });
});

describe("writeUint64() and writeInt64()", () => {
  const check = (value: bigint): void => {
    const [low, high] = [Number(BigInt.asIntN(32, value)), Number(BigInt.asIntN(32, value >> 32n))];
    assert.equal(
      numberText((out, o) => writeUint64(low, high, out, o)),
      `"${BigInt.asUintN(64, value)}"`,
    );
    assert.equal(
      numberText((out, o) => writeInt64(low, high, out, o)),
      `"${BigInt.asIntN(64, value)}"`,
    );
  };

  it("write what lies around powers of two and of ten, and below zero", () => {
    for (let power = 1n; power < 2n ** 64n; power *= 2n) for (let d = -2n; d <= 2n; d++) check(power + d);
    for (let power = 1n; power < 2n ** 64n; power *= 10n) for (let d = -2n; d <= 2n; d++) check(power * 9n + d);
    // Multiples of 10^9 and their neighbours are where the long division could be off by one.
    for (let i = 0n; i < 2n ** 64n; i += (9_223_372_036n * 1_000_000_000n) / 7n) check(i - (i % 1_000_000_000n) - 1n);
  });

  it("write random ones", () => {
    randomly((next) => check(BigInt.asUintN(64, (BigInt(next()) << 32n) | BigInt(next())) >> BigInt(next() & 63)));
  });
});

describe("writeDouble()", () => {
  const check = (value: number): void => {
    const text = numberText((out, o) => writeDouble(value, out, o));
    assert.ok(Object.is(JSON.parse(text), value), `${value} as ${text}`);
    const shortest = /e/.test(String(value))
      ? text.length <= Math.max(String(value).length, 22)
      : text === fixed(value);
    assert.ok(shortest, `${value} as ${text}`);
  };
  const fixed = (value: number): string => (Object.is(value, -0) ? "-0" : String(value));

  it("writes the shortest decimal that reads back", () => {
    const values = [0, 0.1, 0.3, 1 / 3, 19.99, 24.990000000000002, 1e21, 1e22, 5e-324, 1.7976931348623157e308];
    values.push(2.2250738585072014e-308, 123456789.123456, 999999999.999999, 1e9 + 0.5, 2 ** 53, 2 ** 53 - 1, 2 ** 63);
    values.push(
      0.000001,
      0.0000015,
      0.999999,
      0.9999995,
      0.005,
      1.005,
      8.345,
      0.29,
      9999999.99,
      99999999.99,
      1e-7,
      4294967296.5,
    );
    for (const value of values) {
      check(value);
      check(-value);
    }
  });

  it("writes what JSON has no number for as strings", () => {
    assert.equal(
      numberText((out, o) => writeDouble(NaN, out, o)),
      '"NaN"',
    );
    assert.equal(
      numberText((out, o) => writeDouble(Infinity, out, o)),
      '"Infinity"',
    );
    assert.equal(
      numberText((out, o) => writeDouble(-Infinity, out, o)),
      '"-Infinity"',
    );
  });

  it("writes random bits, and random decimals", () => {
    randomly((next) => {
      bits.setUint32(0, next());
      bits.setUint32(4, next());
      const value = bits.getFloat64(0);
      if (Number.isFinite(value)) check(value);
      check((next() - 2 ** 31) / 10 ** (next() % 10));
      check((next() * 1000) / 1e6);
    });
  });
});

describe("writeFloat()", () => {
  const check = (value: number): void => {
    const text = numberText((out, o) => writeFloat(value, out, o));
    assert.ok(Object.is(Math.fround(JSON.parse(text) as number), value), `${value} as ${text}`);
    let digits = 1;
    while (Math.fround(Number(value.toPrecision(digits))) !== value) digits++;
    const significant = text.replace(/e.*/, "").replace(/[-.]/g, "").replace(/^0+/, "").replace(/0+$/, "").length;
    // Whole numbers below 2^31 are written with all their digits.
    assert.ok(significant <= digits || (value | 0) === value, `${value} as ${text}, ${digits} digits suffice`);
  };

  it("writes the shortest decimal that reads back as a float", () => {
    const expected: readonly (readonly [number, string])[] = [
      [0.1, "0.1"],
      [3.4028234663852886e38, "3.4028235e+38"],
      [1.401298464324817e-45, "1e-45"],
      [16777216, "16777216"],
      [0.00001, "0.00001"],
      [19.99, "19.99"],
      [1 / 3, "0.33333334"],
      [-2.5, "-2.5"],
      [-0, "-0"],
      [NaN, '"NaN"'],
      [Infinity, '"Infinity"'],
      [-Infinity, '"-Infinity"'],
    ];
    for (const [value, text] of expected)
      assert.equal(
        numberText((out, o) => writeFloat(Math.fround(value), out, o)),
        text,
      );
  });

  it("writes random bits, and random decimals", () => {
    randomly((next) => {
      bits.setUint32(0, next());
      const value = bits.getFloat32(0);
      if (Number.isFinite(value) && value !== 0) check(value);
      const decimal = Math.fround(next() / 10 ** (next() % 16));
      if (decimal !== 0) check(decimal);
    });
  });
});

describe("writeString()", () => {
  const write = (bytes: Buffer, from = 0, to = bytes.length): { text: string; ascii: boolean } => {
    sink.reset();
    const end = writeString(bytes, from, to, 0);
    return { text: sink.bytes.utf8Slice(0, end), ascii: sink.ascii };
  };
  // One of each length of a character, what is escaped with a letter and without, and both ends of what is not.
  const specials = [
    "",
    '"',
    "\\",
    "\n",
    "\b",
    "\f",
    "\r",
    "\t",
    "\0",
    "\u001f",
    " ",
    "~",
    "\x7f",
    "\x80",
    "ü",
    "\u07ff",
  ];
  specials.push("\u0800", "€", "\ud7ff", "\ue000", "\uffff", "\u{10000}", "😀", "\u{10ffff}", "\u2028", "/");

  it("writes what JSON.stringify would, whatever stands where in text of any length", () => {
    for (const length of [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 39, 40, 41, 42, 63, 64, 100, 254, 255, 256, 257, 300]) {
      const plain = "abcdefghijklmnopqrstuvwxyz".repeat(12).slice(0, length);
      for (const special of specials) {
        for (const at of new Set([0, 1, 2, 3, 4, length - 5, length - 4, length - 3, length - 2, length - 1, length])) {
          if (at < 0 || at > length) continue;
          const text = plain.slice(0, at) + special + plain.slice(at);
          const bytes = Buffer.from(`xx${text}"`);
          const written = write(bytes, 2, bytes.length - 1);
          assert.equal(written.text, JSON.stringify(text));
          assert.equal(written.ascii, /^[\x00-\x7f]*$/.test(text), text);
        }
      }
    }
  });

  it("writes text of nothing but specials", () => {
    for (const count of [1, 2, 3, 10, 50, 100, 1000]) {
      for (const special of specials)
        assert.equal(write(Buffer.from(special.repeat(count))).text, JSON.stringify(special.repeat(count)));
      assert.equal(
        write(Buffer.from(specials.join("").repeat(count))).text,
        JSON.stringify(specials.join("").repeat(count)),
      );
    }
  });

  it("refuses what is not UTF-8, in text of any length", () => {
    const wrong = [
      "80",
      "bf",
      "c0",
      "c080",
      "c1bf",
      "c2",
      "c220",
      "c2c0",
      "df",
      "e0",
      "e08080",
      "e09fbf",
      "e0a0",
      "e0a020",
    ];
    wrong.push(
      "eda080",
      "edbfbf",
      "ef",
      "efbf",
      "f0",
      "f0808080",
      "f08fbfbf",
      "f090",
      "f09080",
      "f0908020",
      "f4908080",
    );
    wrong.push("f5808080", "f8888080", "fe", "ff", "e282", "f09f98");
    for (const hex of wrong) {
      for (const before of [
        "",
        "abc",
        "a".repeat(30),
        "ü".repeat(20),
        "a".repeat(60),
        "a".repeat(255),
        "ü".repeat(300),
      ]) {
        for (const after of ["", "b", "bcdef"]) {
          const bytes = Buffer.concat([Buffer.from(before), Buffer.from(hex, "hex"), Buffer.from(after)]);
          assert.throws(() => write(bytes), WireError, `${before.length} + ${hex} + ${after}`);
        }
        // What follows the end of the text must not complete it.
        const bytes = Buffer.concat([Buffer.from(before), Buffer.from(hex, "hex"), Buffer.alloc(3, 0x80)]);
        assert.throws(() => write(bytes, 0, bytes.length - 3), WireError, `${before.length} + ${hex}, then 80`);
      }
    }
  });

  it("writes random text", () => {
    randomly((next) => {
      const length = next() % 90;
      const text = Array.from({ length }, () => (next() % 4 === 0 ? specials[next() % specials.length] : "a")).join("");
      assert.equal(write(Buffer.from(text)).text, JSON.stringify(text));
    });
  });
});

describe("writeBase64()", () => {
  it("writes what Buffer would, of any length", () => {
    const random = seededRandom(7);
    const bytes = Buffer.from(Array.from({ length: 1000 }, () => random() * 256));
    for (const length of [...Array(270).keys(), 999]) {
      sink.reset();
      const end = writeBase64(bytes, 1, 1 + length, 0);
      assert.equal(sink.bytes.latin1Slice(0, end), JSON.stringify(bytes.toString("base64", 1, 1 + length)));
    }
  });
});
