import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  escapeBytes,
  formatDouble,
  formatFloat,
  integerValue,
  stringBytes,
} from "../../../../src/schema/proto/literal.ts";

function bytesOf(text: string): string {
  return Buffer.from(stringBytes({ kind: "string", text, offset: 0 })).toString("hex");
}

describe("stringBytes()", () => {
  const cases: [literal: string, hex: string][] = [
    ['"a"', "61"],
    ["'é'", "c3a9"],
    ['"\\xff\\x1"', "ff01"],
    ['"\\0\\12\\377"', "000aff"],
    ['"\\400"', "00"], // octal beyond a byte keeps its low eight bits
    ['"\\a\\b\\f\\n\\r\\t\\v\\?\\\\\\\'\\""', "07080c0a0d090b3f5c2722"],
    ['"\\u00e9\\U0001F600"', "c3a9f09f9880"],
    ['"\\ud83d\\ude00"', "f09f9880"], // two halves of one character
    ['"\\ud83d-"', "efbfbd2d"], // a lone half is no character
  ];
  for (const [literal, hex] of cases) {
    it(`reads ${literal} as ${hex}`, () => assert.equal(bytesOf(literal), hex));
  }
});

describe("integerValue()", () => {
  it("reads decimal, octal and hexadecimal of any size exactly", () => {
    assert.equal(integerValue("18446744073709551615"), 2n ** 64n - 1n);
    assert.equal(integerValue("01777777777777777777777"), 2n ** 64n - 1n);
    assert.equal(integerValue("0xFFFFffffFFFFffff"), 2n ** 64n - 1n);
    assert.equal(integerValue("0"), 0n);
  });
});

describe("formatDouble(), formatFloat()", () => {
  const doubles: [value: number, text: string][] = [
    [0.1, "0.1"],
    [1 / 3, "0.33333333333333331"],
    [1e15, "1e+15"],
    [123456789012345, "123456789012345"],
    [1e-5, "1e-05"],
    [0.0001, "0.0001"],
    [-0, "-0"],
    [-Infinity, "-inf"],
    [NaN, "nan"],
    [5e-324, "4.94065645841247e-324"],
  ];
  for (const [value, text] of doubles) it(`prints the double ${text}`, () => assert.equal(formatDouble(value), text));

  const floats: [value: number, text: string][] = [
    [0.1, "0.1"],
    [16777217, "16777216"],
    [3.4028235e38, "3.40282347e+38"],
    [1e39, "inf"],
    [1.4e-45, "1.40129846e-45"],
    [1 / 3, "0.333333343"],
  ];
  for (const [value, text] of floats) it(`prints the float ${text}`, () => assert.equal(formatFloat(value), text));
});

describe("escapeBytes()", () => {
  it("keeps printable ASCII and escapes the rest as C does", () => {
    assert.equal(
      escapeBytes(Buffer.from("a\"'\\\n\r\t\0\x7f\xff~", "latin1")),
      "a\\\"\\'\\\\\\n\\r\\t\\000\\177\\377~",
    );
  });
});
