// Numbers as JSON text. Each function writes at `o` of `out`, which has room for NUMBER_ROOM bytes, and gives the
// offset behind what it wrote.

/** Room for any number: "-9223372036854775808" with its quotes, -2.2250738585072014e-308, "-Infinity". */
export const NUMBER_ROOM = 32;

const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const QUOTE = 34;

export function writeUint32(value: number, out: Buffer, o: number): number {
  if (value < 10) {
    out[o] = ZERO + value;
    return o + 1;
  }
  return writeDigits(value, digitCount(value), out, o);
}

export function writeInt32(value: number, out: Buffer, o: number): number {
  if (value >= 0) return writeUint32(value, out, o);
  out[o] = MINUS;
  return writeUint32(-value, out, o + 1);
}

/** A signed 64-bit integer from its halves, as a string (ProtoJSON: 64-bit integers are strings). */
export function writeInt64(low: number, high: number, out: Buffer, o: number): number {
  if (high >= 0) return writeUint64(low, high, out, o);
  out[o++] = QUOTE;
  out[o++] = MINUS;
  const negated = -low | 0;
  o = writeWide(negated >>> 0, (~high + (negated === 0 ? 1 : 0)) >>> 0, out, o);
  out[o] = QUOTE;
  return o + 1;
}

/** An unsigned 64-bit integer from its halves, as a string. */
export function writeUint64(low: number, high: number, out: Buffer, o: number): number {
  out[o++] = QUOTE;
  o = high === 0 ? writeUint32(low >>> 0, out, o) : writeWide(low >>> 0, high >>> 0, out, o);
  out[o] = QUOTE;
  return o + 1;
}

/** high * 2^32 + low in decimal. Long division by 10^9 in steps of 16 bits: every intermediate stays below 2^53. */
function writeWide(low: number, high: number, out: Buffer, o: number): number {
  const highest = Math.floor(high / 1e9);
  const middle = (high - highest * 1e9) * 65536 + (low >>> 16);
  const middleQuotient = Math.floor(middle / 1e9);
  const lowest = (middle - middleQuotient * 1e9) * 65536 + (low & 65535);
  const lowestQuotient = Math.floor(lowest / 1e9);
  const quotient = highest * 4294967296 + middleQuotient * 65536 + lowestQuotient;
  o = writeWhole(quotient, out, o);
  // A quotient of 0 was written as "0": the last nine digits then stand alone.
  const rest = lowest - lowestQuotient * 1e9;
  return quotient === 0 ? writeUint32(rest, out, o - 1) : writeDigits(rest, 9, out, o);
}

/** A whole number in 0 … 2^53. */
function writeWhole(value: number, out: Buffer, o: number): number {
  if (value < 4294967296) return writeUint32(value, out, o);
  const quotient = Math.floor(value / 1e9);
  return writeDigits(value - quotient * 1e9, 9, out, writeUint32(quotient, out, o));
}

/** The shortest decimal that reads back as the same double; NaN and the infinities as strings. */
export function writeDouble(value: number, out: Buffer, o: number): number {
  if ((value | 0) === value) {
    if (value === 0 && 1 / value < 0) out[o++] = MINUS;
    return writeInt32(value, out, o);
  }
  const size = Math.abs(value);
  if (size < 1e9) {
    // At most 6 decimals and 15 digits: the division is exact to the bit (both numbers are whole and below 2^53), and
    // no two decimals of 15 digits are the same double, so none is shorter.
    const scaled = Math.round(size * 1e6);
    if (scaled / 1e6 === size) {
      if (value < 0) out[o++] = MINUS;
      return writeFraction(scaled, 6, 1e6, out, o);
    }
  } else if (size < Number.MAX_SAFE_INTEGER && Math.floor(size) === size) {
    if (value < 0) out[o++] = MINUS;
    return writeWhole(size, out, o);
  }
  return writeAscii(Number.isFinite(value) ? String(value) : `"${value}"`, out, o);
}

const POWERS = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14];

/** The shortest decimal that reads back as the same float; NaN and the infinities as strings. */
export function writeFloat(value: number, out: Buffer, o: number): number {
  if ((value | 0) === value) return writeDouble(value, out, o);
  const size = Math.abs(value);
  if (size >= 1e-5 && size < 1e8) {
    if (value < 0) out[o++] = MINUS;
    // Digits before the decimal point (0 and less for small numbers): 6 significant digits always tell apart decimals
    // of that length, 9 always suffice.
    const whole =
      size >= 1 ? digitCount(size) : size >= 1e-1 ? 0 : size >= 1e-2 ? -1 : size >= 1e-3 ? -2 : size >= 1e-4 ? -3 : -4;
    for (let decimals = Math.max(0, 6 - whole); ; decimals++) {
      const power = POWERS[decimals] as number;
      const scaled = Math.round(size * power);
      if (Math.fround(scaled / power) === size) return writeFraction(scaled, decimals, power, out, o);
    }
  }
  if (!Number.isFinite(value)) return writeDouble(value, out, o);
  let digits = 6;
  while (Math.fround(Number(value.toPrecision(digits))) !== value) digits++;
  return writeAscii(String(Number(value.toPrecision(digits))), out, o);
}

/** scaled / power, where power is 10^decimals, without trailing zeros; both parts are below 2^53. */
function writeFraction(scaled: number, decimals: number, power: number, out: Buffer, o: number): number {
  const whole = Math.floor(scaled / power);
  let rest = scaled - whole * power;
  o = writeWhole(whole, out, o);
  if (rest === 0) return o;
  out[o++] = POINT;
  if (decimals > 9) {
    // The digits beyond the ninth do not fit into 32 bits; the leading ones are zeros or few.
    const lower = POWERS[decimals - 9] as number;
    const upper = Math.floor(rest / lower);
    o = writeDigits(upper, 9, out, o);
    rest -= upper * lower;
    decimals -= 9;
  }
  o = writeDigits(rest, decimals, out, o);
  while (out[o - 1] === ZERO) o--;
  return o;
}

/** `value` in exactly `count` digits, zeros in front. */
export function writeDigits(value: number, count: number, out: Buffer, o: number): number {
  let rest = value >>> 0;
  for (let at = o + count - 1; at >= o; at--) {
    const tens = (rest / 10) >>> 0;
    out[at] = ZERO + rest - tens * 10;
    rest = tens;
  }
  return o + count;
}

function digitCount(value: number): number {
  if (value < 1e5) return value < 10 ? 1 : value < 100 ? 2 : value < 1000 ? 3 : value < 10000 ? 4 : 5;
  return value < 1e6 ? 6 : value < 1e7 ? 7 : value < 1e8 ? 8 : value < 1e9 ? 9 : 10;
}

function writeAscii(text: string, out: Buffer, o: number): number {
  for (let i = 0; i < text.length; i++) out[o + i] = text.charCodeAt(i);
  return o + text.length;
}
