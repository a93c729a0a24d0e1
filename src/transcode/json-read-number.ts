import { input } from "./json-read-input.ts";
import { span } from "./json-read-string.ts";
import { scanNumber, wrong } from "./json-read-syntax.ts";
import { varint32, varint64, wire } from "./wire.ts";

// Every reader takes a number or the same in quotes, as ProtoJSON allows for all kinds; `1.0` and `1e2` are integers.
// The plain form of up to 15 digits is read in one go; everything else goes by the exact way, which sees decimal
// digits and never a double.

const OUT_OF_RANGE = ", which is out of range";

export function readInt32(o: number): number {
  const value = int32("an int32");
  return value < 0 ? varint64(value, -1, o) : varint32(value, o);
}

export function readUint32(o: number): number {
  return varint32(uint32("a uint32"), o);
}

export function readSint32(o: number): number {
  const value = int32("a sint32");
  return varint32((value << 1) ^ (value >> 31), o);
}

export function readFixed32(o: number): number {
  return fixed32(uint32("a fixed32"), o);
}

export function readSfixed32(o: number): number {
  return fixed32(int32("a sfixed32"), o);
}

export function readInt64(o: number): number {
  readSigned("an int64");
  return varint64(low, high, o);
}

export function readUint64(o: number): number {
  readUnsigned("a uint64");
  return varint64(low, high, o);
}

export function readSint64(o: number): number {
  readSigned("a sint64");
  const sign = high >> 31;
  return varint64((low << 1) ^ sign, ((high << 1) | (low >>> 31)) ^ sign, o);
}

export function readFixed64(o: number): number {
  readUnsigned("a fixed64");
  return fixed32(high, fixed32(low, o));
}

export function readSfixed64(o: number): number {
  readSigned("a sfixed64");
  return fixed32(high, fixed32(low, o));
}

export function readDouble(o: number): number {
  const value = readNumber("a double");
  wire.view.setFloat64(o, value, true);
  return o + 8;
}

export function readFloat(o: number): number {
  const { at } = input;
  return putFloat(at, readNumber("a float"), o);
}

/** Writes a float; `at` is where to blame one that is out of range. */
export function putFloat(at: number, value: number, o: number): number {
  // What rounds to infinity is too large; infinity itself was written as such.
  if (!Number.isFinite(Math.fround(value)) && Number.isFinite(value)) wrong(at, "a float", OUT_OF_RANGE);
  wire.view.setFloat32(o, value, true);
  return o + 4;
}

/** Reads the number of an enum value at `input.at`. */
export function readEnumNumber(expected: string): number {
  return int32(expected);
}

/** Reads a JSON number, not in quotes, at `input.at`. */
export function readPlainNumber(expected: string): number {
  const { at, bytes } = input;
  let i = at;
  const isNegative = bytes[i] === 0x2d;
  if (isNegative) i++;
  const first = i;
  let value = 0;
  let decimals = 0;
  let byte = bytes[i] as number;
  while (byte >= 0x30 && byte <= 0x39) {
    value = value * 10 + byte - 0x30;
    byte = bytes[++i] as number;
  }
  let digits = i - first;
  const isPlain = digits > 0 && (digits === 1 || bytes[first] !== 0x30);
  if (byte === 0x2e) {
    const point = i;
    byte = bytes[++i] as number;
    while (byte >= 0x30 && byte <= 0x39) {
      value = value * 10 + byte - 0x30;
      byte = bytes[++i] as number;
    }
    decimals = i - point - 1;
    digits = decimals > 0 ? digits + decimals : 0;
  }
  // Up to 15 digits and powers of ten up to 22 are exact as doubles, so one division rounds right (Clinger, "How to
  // Read Floating Point Numbers Accurately", 1990).
  if (isPlain && digits > 0 && byte !== 0x65 && byte !== 0x45) {
    if (digits <= 15) {
      input.at = i;
      if (decimals > 0) value /= POWERS[decimals] as number;
      return isNegative ? -value : value;
    }
    if (decimals > 0 && decimals <= 22) {
      value = quotient(first, i, decimals);
      if (value === value) {
        input.at = i;
        return isNegative ? -value : value;
      }
    }
  }
  const end = scanNumber(bytes, at);
  if (end < 0) wrong(at, expected);
  input.at = end;
  return finite(at, Number(bytes.latin1Slice(at, end)), expected);
}

const POWERS = Array.from({ length: 23 }, (_, n) => 10 ** n);
// A double times this, and the difference to it, gives its upper 26 bits (Dekker, "A Floating-Point Technique for
// Extending the Available Precision", 1971).
const SPLITTER = 2 ** 27 + 1;
// The error of the correction below, many times over.
const DOUBT = 2 ** -40;

/**
 * The double that is nearest to the number in [from, to), which has a point and `decimals` digits behind it: its digits
 * divided by a power of ten. NaN where there are more than 17 digits, or where it lies so near the middle of two
 * doubles that this cannot tell. Half as long as a string and Number.
 */
function quotient(from: number, to: number, decimals: number): number {
  const { bytes } = input;
  while (bytes[from] === 0x30 || bytes[from] === 0x2e) from++;
  // The last eight digits apart: both parts, and the upper one times 10^8, are whole numbers that a double holds.
  let upper = 0;
  let lower = 0;
  let left = to - from - (to - from > decimals ? 1 : 0);
  if (left > 17) return NaN;
  for (; from < to; from++) {
    const digit = (bytes[from] as number) - 0x30;
    if (digit < 0) continue; // the point
    if (left-- > 8) upper = upper * 10 + digit;
    else lower = lower * 10 + digit;
  }
  upper *= 1e8;
  const divisor = POWERS[decimals] as number;
  const dividend = upper + lower;
  const lost = lower - (dividend - upper);
  const guess = dividend / divisor;
  // guess * divisor, exactly, as product + error
  const product = guess * divisor;
  const guessHigh = guess * SPLITTER - (guess * SPLITTER - guess);
  const guessLow = guess - guessHigh;
  const divisorHigh = divisor * SPLITTER - (divisor * SPLITTER - divisor);
  const divisorLow = divisor - divisorHigh;
  const error =
    guessLow * divisorLow - (product - guessHigh * divisorHigh - guessLow * divisorHigh - guessHigh * divisorLow);
  const correction = (dividend - product - error + lost) / divisor;
  const least = guess + correction * (1 - DOUBT);
  return least === guess + correction * (1 + DOUBT) ? least : NaN;
}

function readNumber(expected: string): number {
  const { at } = input;
  if (input.bytes[at] !== 0x22) return readPlainNumber(expected);
  span(expected);
  return numberOfSpan(at, expected);
}

/** The number that the text of `span` writes, `NaN`, `Infinity` and `-Infinity` too; `at` is where to blame it. */
export function numberOfSpan(at: number, expected: string): number {
  const { text, from, to } = input;
  if (scanNumber(text, from) === to) return finite(at, Number(text.latin1Slice(from, to)), expected);
  if (to - from > 9) wrong(at, expected);
  const word = text.latin1Slice(from, to);
  if (word !== "NaN" && word !== "Infinity" && word !== "-Infinity") wrong(at, expected);
  return Number(word);
}

function finite(at: number, value: number, expected: string): number {
  if (!Number.isFinite(value)) wrong(at, expected, OUT_OF_RANGE);
  return value;
}

function fixed32(value: number, o: number): number {
  wire.view.setInt32(o, value, true);
  return o + 4;
}

function int32(expected: string): number {
  const { at } = input;
  let value = readShort();
  if (value === LONG) {
    readExact(expected);
    // What fits in 53 bits is exact here, and what does not is out of range anyway.
    value = (isNegative ? -1 : 1) * ((high >>> 0) * 0x1_0000_0000 + (low >>> 0));
  }
  if (value > 0x7fffffff || value < -0x80000000) wrong(at, expected, OUT_OF_RANGE);
  return value | 0;
}

function uint32(expected: string): number {
  const { at } = input;
  let value = readShort();
  if (value === LONG) {
    readExact(expected);
    value = (isNegative ? -1 : 1) * ((high >>> 0) * 0x1_0000_0000 + (low >>> 0));
  }
  if (value > 0xffffffff || value < 0) wrong(at, expected, OUT_OF_RANGE);
  return value >>> 0;
}

// The last 64-bit integer: two halves (as int32 or uint32 alike). After `readExact` they hold the magnitude.
let low = 0;
let high = 0;
let isNegative = false;

/** Reads a signed 64-bit integer into `low` and `high`. */
function readSigned(expected: string): void {
  const { at } = input;
  const value = readShort();
  if (value < WIDE) {
    low = value >>> 0;
    high = Math.floor(value / 0x1_0000_0000) | 0;
    return;
  }
  if (value === LONG) readExact(expected);
  const isMinimum = isNegative && high >>> 0 === 0x80000000 && low === 0;
  if (high < 0 && !isMinimum) wrong(at, expected, OUT_OF_RANGE);
  if (isNegative) {
    low = -low | 0;
    high = ~high + (low === 0 ? 1 : 0);
  }
}

/** Reads an unsigned 64-bit integer into `low` and `high`. */
function readUnsigned(expected: string): void {
  const { at } = input;
  const value = readShort();
  if (value < WIDE) {
    if (value < 0) wrong(at, expected, OUT_OF_RANGE);
    low = value >>> 0;
    high = Math.floor(value / 0x1_0000_0000) | 0;
    return;
  }
  if (value === LONG) readExact(expected);
  if (isNegative && (low !== 0 || high !== 0)) wrong(at, expected, OUT_OF_RANGE);
}

// No integer of 15 digits: what readShort gives where it has read more, and where it has read nothing.
const WIDE = 1e15;
const LONG = 2e15;

/**
 * Reads an integer of up to 19 digits at `input.at`, in quotes or not. Gives one of up to 15 digits; WIDE for a longer
 * one, whose magnitude is in `low` and `high`, its sign in `isNegative`; LONG, and nothing read, for any other form.
 */
function readShort(): number {
  const { bytes, at } = input;
  const isQuoted = bytes[at] === 0x22;
  let i = isQuoted ? at + 1 : at;
  const isMinus = bytes[i] === 0x2d;
  if (isMinus) i++;
  const first = i;
  // Nine digits in 32 bits, ten more as a double.
  const split = first + 9;
  let head = 0;
  let byte = bytes[i] as number;
  while (byte >= 0x30 && byte <= 0x39 && i < split) {
    head = (head * 10 + byte - 0x30) | 0;
    byte = bytes[++i] as number;
  }
  let tail = 0;
  while (byte >= 0x30 && byte <= 0x39) {
    tail = tail * 10 + byte - 0x30;
    byte = bytes[++i] as number;
  }
  const digits = i - first;
  if (digits === 0 || digits > 19 || (digits > 1 && bytes[first] === 0x30)) return LONG;
  if (isQuoted) {
    if (byte !== 0x22) return LONG;
    i++;
  } else if (byte === 0x2e || byte === 0x65 || byte === 0x45) return LONG;
  input.at = i;
  if (digits <= 9) return isMinus ? -head : head;
  const power = POWERS[digits - 9] as number; // 1 to 10
  if (digits <= 15) {
    const value = head * power + tail;
    return isMinus ? -value : value;
  }
  combine(head, power, tail); // 19 digits are less than 2^64
  isNegative = isMinus;
  return WIDE;
}

/** Reads an integer of any form at `input.at`: its magnitude into `low` and `high`, its sign into `isNegative`. */
function readExact(expected: string): void {
  const { at, bytes } = input;
  let text: Buffer = bytes;
  let from = at;
  let end = -1;
  if (bytes[at] === 0x22) {
    span(expected);
    ({ text, from } = input);
    end = input.to;
    if (scanNumber(text, from) !== end) wrong(at, expected);
  } else {
    end = scanNumber(bytes, at);
    if (end < 0) wrong(at, expected);
    input.at = end;
  }
  isNegative = text[from] === 0x2d;
  if (isNegative) from++;

  // [from, last) holds the digits and perhaps a point; the value is these digits times ten to the `exponent`.
  let last = from;
  let point = -1;
  for (let byte = text[last] as number; last < end && byte !== 0x65 && byte !== 0x45; byte = text[++last] as number) {
    if (byte === 0x2e) point = last;
  }
  let exponent = last < end ? exponentOf(text, last + 1, end) : 0;
  if (point >= 0) exponent -= last - point - 1;
  // trailing and leading zeros
  for (; last > from && (text[last - 1] === 0x30 || last - 1 === point); last--) if (last - 1 !== point) exponent++;
  for (; from < last && (text[from] === 0x30 || from === point); from++);
  low = high = 0;
  if (from === last) return;
  if (exponent < 0) wrong(at, expected);
  const length = last - from - (point > from && point < last ? 1 : 0) + exponent;
  if (length > 20) wrong(at, expected, OUT_OF_RANGE);

  // top * 10^9 + rest, each exact as a double: at most 11 and 9 digits
  let top = 0;
  let rest = 0;
  for (let k = 0; k < length; from++) {
    if (from === point && from < last) continue;
    const digit = from < last ? (text[from] as number) - 0x30 : 0;
    if (k++ < length - 9) top = top * 10 + digit;
    else rest = rest * 10 + digit;
  }
  if (!combine(top, 1e9, rest)) wrong(at, expected, OUT_OF_RANGE);
}

/** Puts top * power + rest into `low` and `high`; false where it takes more than 64 bits. `power` is 10^10 at most. */
function combine(top: number, power: number, rest: number): boolean {
  // In 16-bit limbs, so that every product stays below 2^53; no `%`, which for doubles is a call.
  const topUpper = Math.floor(top / 0x10000);
  const upper = topUpper * power;
  const upperQuotient = Math.floor(upper / 0x10000);
  const lower = (upper - upperQuotient * 0x10000) * 0x10000 + ((top - topUpper * 0x10000) * power + rest);
  const carried = upperQuotient + Math.floor(lower / 0x1_0000_0000);
  low = lower | 0;
  high = carried | 0;
  return carried <= 0xffffffff;
}

/** The exponent in [at, end), cut at a billion: further from zero than any text has digits. */
function exponentOf(text: Uint8Array, at: number, end: number): number {
  const isNegative = text[at] === 0x2d;
  if (isNegative || text[at] === 0x2b) at++;
  let value = 0;
  for (; at < end; at++) value = Math.min(value * 10 + (text[at] as number) - 0x30, 1e9);
  return isNegative ? -value : value;
}
