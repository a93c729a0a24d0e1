// Numbers as JSON text. Each function writes at `o` of `out`, which has room for NUMBER_ROOM bytes, and gives the
// offset behind what it wrote.

/** Room for any number: "-9223372036854775808" with its quotes, -2.2250738585072014e-308, "-Infinity". */
export const NUMBER_ROOM = 32;

const MINUS = 45;
const POINT = 46;
const ZERO = 48;
const QUOTE = 34;

// "00" … "99", as writing 16 bits at once wants them.
const PAIRS = Uint16Array.from({ length: 100 }, (_, n) => ZERO + Math.floor(n / 10) + ((ZERO + (n % 10)) << 8));

// "0000" … "9999", as writing 32 bits at once wants them.
const FOURS = Uint32Array.from(
  { length: 10000 },
  (_, n) => ((PAIRS[n % 100] as number) * 65536 + (PAIRS[Math.floor(n / 100)] as number)) >>> 0,
);

export function writeUint32(value: number, out: DataView, o: number): number {
  if (value < 10000) return writeSmall(value, out, o);
  if (value < 1e8) {
    const upper = (value / 10000) >>> 0;
    return writeFour(value - upper * 10000, out, writeSmall(upper, out, o));
  }
  const upper = (value / 1e8) >>> 0;
  return writeDigits(value - upper * 1e8, 8, out, writeSmall(upper, out, o));
}

/** A whole number below 10000. */
function writeSmall(value: number, out: DataView, o: number): number {
  if (value < 10) {
    out.setUint8(o, ZERO + value);
    return o + 1;
  }
  if (value < 100) return writePair(value, out, o);
  const hundreds = (value / 100) >>> 0;
  o = hundreds < 10 ? writeSmall(hundreds, out, o) : writePair(hundreds, out, o);
  return writePair(value - hundreds * 100, out, o);
}

/** A number below 100, in two digits. */
export function writePair(value: number, out: DataView, o: number): number {
  out.setUint16(o, PAIRS[value] as number, true);
  return o + 2;
}

/** A number below 10000, in four digits. */
function writeFour(value: number, out: DataView, o: number): number {
  out.setUint32(o, FOURS[value] as number, true);
  return o + 4;
}

export function writeInt32(value: number, out: DataView, o: number): number {
  if (value >= 0) return writeUint32(value, out, o);
  out.setUint8(o, MINUS);
  return writeUint32(-value, out, o + 1);
}

/** A signed 64-bit integer from its halves, as a string (ProtoJSON: 64-bit integers are strings). */
export function writeInt64(low: number, high: number, out: DataView, o: number): number {
  out.setUint8(o, QUOTE);
  o = writeInt64Number(low, high, out, o + 1);
  out.setUint8(o, QUOTE);
  return o + 1;
}

/** An unsigned 64-bit integer from its halves, as a string. */
export function writeUint64(low: number, high: number, out: DataView, o: number): number {
  out.setUint8(o, QUOTE);
  o = writeUint64Number(low, high, out, o + 1);
  out.setUint8(o, QUOTE);
  return o + 1;
}

/** As writeInt64, as a number, all digits of it. */
export function writeInt64Number(low: number, high: number, out: DataView, o: number): number {
  if (high >= 0) return writeUint64Number(low, high, out, o);
  out.setUint8(o, MINUS);
  const negated = -low | 0;
  return writeUint64Number(negated, ~high + (negated === 0 ? 1 : 0), out, o + 1);
}

/** As writeUint64, as a number, all digits of it. */
export function writeUint64Number(low: number, high: number, out: DataView, o: number): number {
  return high === 0 ? writeUint32(low >>> 0, out, o) : writeWide(low >>> 0, high >>> 0, out, o);
}

/** As writeInt64, as a number within ±(2^53 - 1). */
export function writeInt64Safe(low: number, high: number, out: DataView, o: number): number {
  const isSafe = high < EXACT_HIGH && (high > -EXACT_HIGH || (high === -EXACT_HIGH && low !== 0));
  return isSafe ? writeInt64Number(low, high, out, o) : writeInt64(low, high, out, o);
}

/** As writeUint64, as a number up to 2^53 - 1. */
export function writeUint64Safe(low: number, high: number, out: DataView, o: number): number {
  return high >>> 0 < EXACT_HIGH ? writeUint64Number(low, high, out, o) : writeUint64(low, high, out, o);
}

// Up to here high * 2^32 + low is exact as a double.
const EXACT_HIGH = 1 << 21;

/** high * 2^32 + low in decimal. */
function writeWide(low: number, high: number, out: DataView, o: number): number {
  if (high < EXACT_HIGH) return writeWhole(high * 4294967296 + low, out, o);
  // Long division by 10^9 in steps of 16 bits: every intermediate stays below 2^53.
  const highest = Math.floor(high / 1e9);
  const middle = (high - highest * 1e9) * 65536 + (low >>> 16);
  const middleQuotient = Math.floor(middle / 1e9);
  const lowest = (middle - middleQuotient * 1e9) * 65536 + (low & 65535);
  const lowestQuotient = Math.floor(lowest / 1e9);
  const quotient = highest * 4294967296 + middleQuotient * 65536 + lowestQuotient;
  return writeDigits(lowest - lowestQuotient * 1e9, 9, out, writeWhole(quotient, out, o));
}

/** A whole number in 0 … 2^53. */
function writeWhole(value: number, out: DataView, o: number): number {
  if (value < 4294967296) return writeUint32(value, out, o);
  const quotient = Math.floor(value / 1e9);
  return writeDigits(value - quotient * 1e9, 9, out, writeUint32(quotient, out, o));
}

/** The shortest decimal that reads back as the same double; NaN and the infinities as strings. */
export function writeDouble(value: number, out: DataView, o: number): number {
  if ((value | 0) === value) {
    if (value === 0 && 1 / value < 0) out.setUint8(o++, MINUS);
    return writeInt32(value, out, o);
  }
  const size = Math.abs(value);
  if (size < 1e9) {
    if (size < 1e7) {
      // Prices and the like; the reason why this is right stands below.
      const hundredths = (size * 100 + 0.5) | 0;
      if (hundredths / 100 === size) {
        if (value < 0) out.setUint8(o++, MINUS);
        return writeHundredths(hundredths, out, o);
      }
    }
    // At most 6 decimals and 15 digits: the division is exact to the bit (both numbers are whole and below 2^53), and
    // no two decimals of 15 digits are the same double, so none is shorter.
    const scaled = Math.round(size * 1e6);
    if (scaled / 1e6 === size) {
      if (value < 0) out.setUint8(o++, MINUS);
      return writeFraction(scaled, 6, 1e6, out, o);
    }
    if (size >= 1e-6 && size < 1e6) {
      // Coordinates and the like: likewise.
      const billionths = Math.round(size * 1e9);
      if (billionths / 1e9 === size) {
        if (value < 0) out.setUint8(o++, MINUS);
        return writeFraction(billionths, 9, 1e9, out, o);
      }
    }
  } else if (size < Number.MAX_SAFE_INTEGER && Math.floor(size) === size) {
    if (value < 0) out.setUint8(o++, MINUS);
    return writeWhole(size, out, o);
  }
  return writeAscii(Number.isFinite(value) ? String(value) : `"${value}"`, out, o);
}

const POWERS = [1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13];

/** The shortest decimal that reads back as the same float; NaN and the infinities as strings. */
export function writeFloat(value: number, out: DataView, o: number): number {
  if ((value | 0) === value) return writeDouble(value, out, o);
  const size = Math.abs(value);
  if (size >= 1e-5 && size < 1e8) {
    if (value < 0) out.setUint8(o++, MINUS);
    if (size < 1e4) {
      const hundredths = (size * 100 + 0.5) | 0;
      if (Math.fround(hundredths / 100) === size) return writeHundredths(hundredths, out, o);
    }
    // From 6 significant digits, which always tell decimals of that length apart, up to 9, which always suffice.
    const whole = size >= 1 ? digitCount(size) : -leadingZeros(size);
    for (let decimals = Math.max(0, 6 - whole); ; decimals++) {
      const power = POWERS[decimals] as number;
      const scaled = Math.round(size * power);
      if (Math.fround(scaled / power) === size) return writeFraction(scaled, decimals, power, out, o);
    }
  }
  if (!Number.isFinite(value)) return writeDouble(value, out, o);
  // Below the smallest normal float there are fewer than 6 digits to tell apart.
  let digits = size < 2 ** -126 ? 1 : 6;
  while (Math.fround(Number(value.toPrecision(digits))) !== value) digits++;
  return writeAscii(String(Number(value.toPrecision(digits))), out, o);
}

/** Zeros between the decimal point and the first digit of a number in 10^-5 … 1. */
function leadingZeros(size: number): number {
  return size >= 1e-1 ? 0 : size >= 1e-2 ? 1 : size >= 1e-3 ? 2 : size >= 1e-4 ? 3 : 4;
}

/** A number with one or two decimals, in hundredths. */
function writeHundredths(scaled: number, out: DataView, o: number): number {
  const whole = (scaled / 100) >>> 0;
  const rest = scaled - whole * 100;
  o = writeUint32(whole, out, o);
  out.setUint8(o, POINT);
  writePair(rest, out, o + 1);
  return rest % 10 === 0 ? o + 2 : o + 3;
}

/** scaled / power, where power is 10^decimals, without trailing zeros; `scaled` is below 2^53. */
function writeFraction(scaled: number, decimals: number, power: number, out: DataView, o: number): number {
  const whole = Math.floor(scaled / power);
  let rest = scaled - whole * power;
  o = writeWhole(whole, out, o);
  if (rest === 0) return o;
  out.setUint8(o++, POINT);
  if (decimals > 9) {
    // More digits than 32 bits hold, in two pieces.
    const lower = POWERS[decimals - 9] as number;
    const upper = Math.floor(rest / lower);
    o = writeDigits(upper, 9, out, o);
    rest -= upper * lower;
    decimals -= 9;
  }
  o = writeDigits(rest, decimals, out, o);
  while (out.getUint8(o - 1) === ZERO) o--;
  return o;
}

/** `value`, below 2^32, in exactly `count` digits, zeros in front. */
export function writeDigits(value: number, count: number, out: DataView, o: number): number {
  let rest = value >>> 0;
  let at = o + count;
  for (; at - o >= 4; at -= 4) {
    const upper = (rest / 10000) >>> 0;
    out.setUint32(at - 4, FOURS[rest - upper * 10000] as number, true);
    rest = upper;
  }
  if (at - o >= 2) {
    const upper = (rest / 100) >>> 0;
    out.setUint16(at - 2, PAIRS[rest - upper * 100] as number, true);
    rest = upper;
    at -= 2;
  }
  if (at !== o) out.setUint8(o, ZERO + rest);
  return o + count;
}

function digitCount(value: number): number {
  if (value < 1e5) return value < 10 ? 1 : value < 100 ? 2 : value < 1000 ? 3 : value < 10000 ? 4 : 5;
  return value < 1e6 ? 6 : value < 1e7 ? 7 : value < 1e8 ? 8 : value < 1e9 ? 9 : 10;
}

function writeAscii(text: string, out: DataView, o: number): number {
  for (let i = 0; i < text.length; i++) out.setUint8(o + i, text.charCodeAt(i));
  return o + text.length;
}
