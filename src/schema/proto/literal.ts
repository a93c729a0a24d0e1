import { SyntaxFailure } from "./source.ts";
import type { Token } from "./lexer.ts";

const ESCAPE = /\\(?:[0-7]{1,3}|[xX][0-9A-Fa-f]{1,2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[^])/g;
const SIMPLE_ESCAPES: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
  "?": 63,
  "\\": 92,
  "'": 39,
  '"': 34,
};

/** The bytes a string token stands for. Bytes, because `"\xff"` is one byte and no character. */
export function stringBytes(token: Token): Uint8Array {
  const inner = token.text.slice(1, -1);
  if (!inner.includes("\\")) return Buffer.from(inner, "utf8");
  const parts: Uint8Array[] = [];
  let plainFrom = 0;
  let highSurrogate = 0;
  for (const found of inner.matchAll(ESCAPE)) {
    const escape = found[0];
    const offset = token.offset + 1 + found.index;
    parts.push(Buffer.from(inner.slice(plainFrom, found.index), "utf8"));
    const adjacent = plainFrom === found.index;
    plainFrom = found.index + escape.length;
    const code = codePointOf(escape, offset);
    if (code === undefined) {
      parts.push(Uint8Array.of(byteOf(escape, offset)));
    } else if (adjacent && highSurrogate > 0 && code >= 0xdc00 && code <= 0xdfff) {
      // `\ud83d\ude00`: the two halves of one character.
      parts.pop();
      parts.pop();
      parts.push(Buffer.from(String.fromCharCode(highSurrogate, code), "utf8"));
    } else {
      parts.push(Buffer.from(String.fromCodePoint(code), "utf8"));
    }
    highSurrogate = code !== undefined && code >= 0xd800 && code <= 0xdbff ? code : 0;
  }
  parts.push(Buffer.from(inner.slice(plainFrom), "utf8"));
  return Buffer.concat(parts);
}

function codePointOf(escape: string, offset: number): number | undefined {
  if (escape[1] !== "u" && escape[1] !== "U") return undefined;
  if (escape.length === 2) throw new SyntaxFailure(offset, `"${escape}" must be followed by 4 or 8 hexadecimal digits`);
  const code = parseInt(escape.slice(2), 16);
  if (code > 0x10ffff) throw new SyntaxFailure(offset, `"${escape}" is no Unicode character; the last is \\U0010ffff`);
  return code;
}

function byteOf(escape: string, offset: number): number {
  const letter = escape[1] ?? "";
  if (/[0-7]/.test(letter)) return parseInt(escape.slice(1), 8) & 0xff;
  if (/[xX]/.test(letter) && escape.length > 2) return parseInt(escape.slice(2), 16);
  const byte = SIMPLE_ESCAPES[letter];
  if (byte === undefined) throw new SyntaxFailure(offset, `unknown escape "\\${letter}" in string`);
  return byte;
}

/** The value of an integer token: decimal, `0x` hexadecimal or `0` octal. Exact at any size. */
export function integerValue(text: string): bigint {
  return /^0[0-7]+$/.test(text) ? BigInt(`0o${text.slice(1)}`) : BigInt(text);
}

/** The value of a float or integer token. */
export function numberValue(token: Token): number {
  return token.kind === "integer" ? Number(integerValue(token.text)) : Number(token.text);
}

/** A double as protoc prints it (io/strtod.cc): C's `%.15g`, or `%.17g` where that is not exact. */
export function formatDouble(value: number): string {
  return formatFloating(value, 15, 17, Number);
}

/** A float as protoc prints it: C's `%.6g`, or `%.9g` where that is not exact. Above the range it is infinite. */
export function formatFloat(value: number): string {
  const float = toFloat(value);
  // strtof() reports a subnormal as out of range, and protoc takes that for "not exact".
  const subnormal = float !== 0 && Math.abs(float) < MIN_NORMAL_FLOAT;
  return formatFloating(float, subnormal ? 9 : 6, 9, (text) => toFloat(Number(text)));
}

const MIN_NORMAL_FLOAT = 2 ** -126;

// Written with 8 digits the greatest float reads as a little more than it is, and must not become infinite.
const MAX_FLOAT = 3.4028234663852886e38;
const MAX_FLOAT_ROUNDED = 3.4028235677973366e38;

function toFloat(value: number): number {
  if (Math.abs(value) > MAX_FLOAT && Math.abs(value) <= MAX_FLOAT_ROUNDED) return Math.sign(value) * MAX_FLOAT;
  return Math.fround(value);
}

function formatFloating(value: number, digits: number, exactDigits: number, read: (text: string) => number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const short = formatGeneral(value, digits);
  return read(short) === value ? short : formatGeneral(value, exactDigits);
}

/** C's `%.<digits>g`. */
function formatGeneral(value: number, digits: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  const [mantissa = "", exponentText = "0"] = value.toExponential(digits - 1).split("e");
  const exponent = Number(exponentText);
  if (exponent >= -4 && exponent < digits) return dropZeros(value.toFixed(Math.max(0, digits - 1 - exponent)));
  const sign = exponent < 0 ? "-" : "+";
  return `${dropZeros(mantissa)}e${sign}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

function dropZeros(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

const C_ESCAPES: Readonly<Record<number, string>> = {
  9: "\\t",
  10: "\\n",
  13: "\\r",
  34: '\\"',
  39: "\\'",
  92: "\\\\",
};

/** Bytes as in the default value of a bytes field: printable ASCII as it is, else C escapes with three octal digits. */
export function escapeBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const printable = byte >= 0x20 && byte < 0x7f;
    text += C_ESCAPES[byte] ?? (printable ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`);
  }
  return text;
}
