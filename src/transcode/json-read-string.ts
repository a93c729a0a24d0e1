import { input } from "./json-read-input.ts";
import { endOfEscape, endOfString, ESCAPED, hexDigit, wrong } from "./json-read-syntax.ts";
import { lengthOfVarint, ROOM, varint32, wire } from "./wire.ts";

// Up to here a string is copied while it is scanned, its length being one byte; from here on scan and copy are apart.
const SHORT = 112;

/** Reads a string at `input.at` as protobuf's string: length and bytes. */
export function readString(o: number): number {
  const { bytes, at, view } = input;
  if (bytes[at] !== 0x22) wrong(at, "a string");
  const out = wire.view;
  const shift = o - at;
  let i = at + 1;
  for (const limit = i + SHORT; i < limit; i += 4) {
    const four = view.getInt32(i, true);
    const found = findSpecial(four);
    out.setInt32(i + shift, four, true);
    if (found === 0) continue;
    i += placeOf(found);
    if (bytes[i] !== 0x22) break;
    out.setUint8(o, i - at - 1);
    input.at = i + 1;
    return i + shift;
  }
  return readLong(at, i, o);
}

/**
 * Whether one of four bytes is below 0x20, a quote or a backslash: the high bit of each is set; perhaps also of one that
 * follows it, never of one before (Bit Twiddling Hacks, "Determine if a word has a byte less than n", "... has a zero
 * byte").
 */
function findSpecial(four: number): number {
  const quote = four ^ 0x22222222;
  const escape = four ^ 0x5c5c5c5c;
  const low = (four - 0x20202020) & ~four;
  return (low | ((quote - 0x01010101) & ~quote) | ((escape - 0x01010101) & ~escape)) & 0x80808080;
}

/** Which byte is the first that `findSpecial` found. */
function placeOf(found: number): number {
  return (31 - Math.clz32(found & -found)) >> 3;
}

/** As readString; the bytes before `i` were seen and are plain. */
function readLong(at: number, i: number, o: number): number {
  const { bytes } = input;
  i = endOfPlain(i);
  if (bytes[i] === 0x22) {
    input.at = i + 1;
    return putBytes(bytes, at + 1, i, o);
  }
  const end = endOfEscaped(i);
  // Escapes only ever shorten a text. The length goes in last, when it is known: what it counts then moves back.
  const room = lengthOfVarint(end - at);
  wire.grow(o, room + (end - at) + ROOM);
  const written = unescape(at, end, wire.view, o + room) - (o + room);
  const body = varint32(written, o);
  if (body < o + room) wire.bytes.copyWithin(body, o + room, o + room + written);
  input.at = end + 1;
  return body + written;
}

/** Offset of the quote that closes a string, or of the first escape or control character before it. */
function endOfPlain(i: number): number {
  const { view } = input;
  for (;;) {
    const found = findSpecial(view.getInt32(i, true));
    if (found !== 0) return i + placeOf(found);
    i += 4;
  }
}

/** Offset of the quote that closes a string; at `i` stands its first escape, or a control character. */
function endOfEscaped(i: number): number {
  const { bytes } = input;
  while (bytes[i] === 0x5c) i = endOfPlain(endOfEscape(i));
  return endOfString(i);
}

/** Writes [from, to) of `text` as length and bytes. */
export function putBytes(text: Buffer, from: number, to: number, o: number): number {
  const length = to - from;
  const out = wire.grow(o, length + 5 + ROOM);
  o = varint32(length, o);
  text.copy(out, o, from, to);
  return o + length;
}

/**
 * Decodes the string that starts with the quote at `at` and ends with the one at `end`, scanned by `endOfString`
 * before, into `out` at `o`; gives the offset behind it. Up to four bytes more are written.
 */
function unescape(at: number, end: number, out: DataView, o: number): number {
  const { bytes, view } = input;
  let i = at + 1;
  for (;;) {
    for (;;) {
      const four = view.getInt32(i, true);
      const found = findSpecial(four);
      out.setInt32(o, four, true);
      const plain = found === 0 ? 4 : placeOf(found);
      i += plain;
      o += plain;
      if (found !== 0) break;
    }
    if (i >= end) return o;
    const letter = bytes[i + 1] as number;
    if (letter !== 0x75) {
      out.setUint8(o++, ESCAPED[letter] as number);
      i += 2;
      continue;
    }
    let code = hex4(i + 2);
    i += 6;
    if (code >= 0xd800 && code < 0xe000) {
      const isPair = code < 0xdc00 && bytes[i] === 0x5c && bytes[i + 1] === 0x75;
      const low = isPair ? hex4(i + 2) : 0;
      if (low < 0xdc00 || low >= 0xe000) wrong(at, "a string without lone surrogates");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
      i += 6;
    }
    o = putCodePoint(code, out, o);
  }
}

function putCodePoint(code: number, out: DataView, o: number): number {
  if (code < 0x80) {
    out.setUint8(o, code);
    return o + 1;
  }
  if (code < 0x800) {
    out.setUint8(o, 0xc0 | (code >> 6));
    out.setUint8(o + 1, 0x80 | (code & 63));
    return o + 2;
  }
  if (code < 0x10000) {
    out.setUint8(o, 0xe0 | (code >> 12));
    out.setUint8(o + 1, 0x80 | ((code >> 6) & 63));
    out.setUint8(o + 2, 0x80 | (code & 63));
    return o + 3;
  }
  out.setUint8(o, 0xf0 | (code >> 18));
  out.setUint8(o + 1, 0x80 | ((code >> 12) & 63));
  out.setUint8(o + 2, 0x80 | ((code >> 6) & 63));
  out.setUint8(o + 3, 0x80 | (code & 63));
  return o + 4;
}

function hex4(at: number): number {
  const { bytes } = input;
  let value = 0;
  for (let k = at; k < at + 4; k++) value = (value << 4) | hexDigit(bytes[k] as number);
  return value;
}

const INITIAL_SCRATCH = 1024;
const KEEP_SCRATCH = 1 << 16;
let scratch = Buffer.allocUnsafeSlow(INITIAL_SCRATCH);
let scratchView = new DataView(scratch.buffer);

/** Reads the string at `input.at` into `input.text`, `from` and `to`, escapes decoded. */
export function span(expected: string): void {
  const { bytes, at } = input;
  if (bytes[at] !== 0x22) wrong(at, expected);
  let i = endOfPlain(at + 1);
  if (bytes[i] === 0x22) {
    input.text = bytes;
    input.from = at + 1;
    input.to = i;
  } else {
    i = endOfEscaped(i);
    const size = i - at + 4;
    if (size > scratch.length || scratch.length > KEEP_SCRATCH) {
      const fresh = Buffer.allocUnsafeSlow(Math.max(size, INITIAL_SCRATCH));
      scratch = fresh;
      scratchView = new DataView(fresh.buffer);
    }
    input.to = unescape(at, i, scratchView, 0);
    scratch[input.to] = 0;
    input.text = scratch;
    input.from = 0;
  }
  input.at = i + 1;
}

/** Reads base64 or base64url at `input.at`, with or without padding, as protobuf's bytes: length and bytes. */
export function readBytes(o: number): number {
  const { bytes, at } = input;
  if (bytes[at] === 0x22) {
    // Base64 needs no escape, so the next quote is the last; where it is not, the text before it is none, either.
    const end = bytes.indexOf(0x22, at + 1);
    if (end > at + LONG_BASE64 && end < input.end) {
      const to = end - (bytes[end - 1] !== 0x3d ? 0 : bytes[end - 2] !== 0x3d ? 1 : 2);
      const size = ((to - at - 1) * 3) >> 2;
      const isWhole = to === end || ((end - at - 1) & 3) === 0;
      const out = wire.grow(o, size + 5 + ROOM);
      const body = varint32(size, o);
      if (isWhole && ((to - at - 1) & 3) !== 1 && decodeBase64(bytes, at + 1, to, out, body) === size) {
        input.at = end + 1;
        return body + size;
      }
    }
  }
  span(BASE64);
  return putBase64(at, o);
}

// From here on Node's decoder is faster than ours.
const LONG_BASE64 = 100;

/** Node's decoder takes both alphabets and skips what is in neither; then fewer bytes come out than should. */
function decodeBase64(text: Buffer, from: number, to: number, out: Buffer, o: number): number {
  return out.base64Write(text.latin1Slice(from, to), o);
}

const BASE64 = "base64";

/** Writes what the base64 text of `span` stands for, as length and bytes; `at` is where to blame it. */
export function putBase64(at: number, o: number): number {
  const { text, from } = input;
  let to = input.to;
  // Padding may be left out, but not be wrong.
  if (to > from && text[to - 1] === 0x3d) {
    if (((to - from) & 3) !== 0) wrong(at, BASE64);
    to -= text[to - 2] === 0x3d ? 2 : 1;
  }
  const length = to - from;
  const size = (length * 3) >> 2;
  if ((length & 3) === 1) wrong(at, BASE64);
  const out = wire.grow(o, size + 5 + ROOM);
  o = varint32(size, o);
  if (length > LONG_BASE64) {
    if (decodeBase64(text, from, to, out, o) !== size) wrong(at, BASE64);
    return o + size;
  }
  const end = o + size;
  for (let i = from; i < to; i += 4) {
    const left = to - i;
    const c = left > 2 ? (SIXBITS[text[i + 2] as number] as number) : 0;
    const d = left > 3 ? (SIXBITS[text[i + 3] as number] as number) : 0;
    const bits =
      ((SIXBITS[text[i] as number] as number) << 18) |
      ((SIXBITS[text[i + 1] as number] as number) << 12) |
      (c << 6) |
      d;
    if (bits < 0) wrong(at, BASE64);
    out[o++] = bits >> 16;
    if (left > 2) out[o++] = bits >> 8;
    if (left > 3) out[o++] = bits;
  }
  return end;
}

// -1 << 18 and the like stay negative, whatever they are combined with.
const SIXBITS = new Int8Array(256).fill(-1);
for (let i = 0; i < 64; i++) {
  SIXBITS["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".charCodeAt(i)] = i;
}
SIXBITS[0x2d] = 62;
SIXBITS[0x5f] = 63;
