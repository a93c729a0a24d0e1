import { input } from "./json-read-input.ts";
import { endOfString, ESCAPED, hexDigit, wrong } from "./json-read-syntax.ts";
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
  const end = endOfString(i);
  // Escapes only ever shorten a text. The length goes in last, when it is known: what it counts then moves back.
  const room = lengthOfVarint(end - at);
  wire.grow(o, room + (end - at) + ROOM);
  const written = unescape(at, end, wire.bytes, o + room) - (o + room);
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
 * before, into `out` at `o`; gives the offset behind it.
 */
function unescape(at: number, end: number, out: Buffer, o: number): number {
  const { bytes } = input;
  let i = at + 1;
  while (i < end) {
    const byte = bytes[i] as number;
    if (byte !== 0x5c) {
      out[o++] = byte;
      i++;
      continue;
    }
    const letter = bytes[i + 1] as number;
    if (letter !== 0x75) {
      out[o++] = ESCAPED[letter] as number;
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
  return o;
}

function putCodePoint(code: number, out: Buffer, o: number): number {
  if (code < 0x80) {
    out[o++] = code;
  } else if (code < 0x800) {
    out[o++] = 0xc0 | (code >> 6);
    out[o++] = 0x80 | (code & 63);
  } else if (code < 0x10000) {
    out[o++] = 0xe0 | (code >> 12);
    out[o++] = 0x80 | ((code >> 6) & 63);
    out[o++] = 0x80 | (code & 63);
  } else {
    out[o++] = 0xf0 | (code >> 18);
    out[o++] = 0x80 | ((code >> 12) & 63);
    out[o++] = 0x80 | ((code >> 6) & 63);
    out[o++] = 0x80 | (code & 63);
  }
  return o;
}

function hex4(at: number): number {
  const { bytes } = input;
  let value = 0;
  for (let k = at; k < at + 4; k++) value = (value << 4) | hexDigit(bytes[k] as number);
  return value;
}

let scratch = Buffer.allocUnsafeSlow(1024);
const KEEP_SCRATCH = 1 << 16;

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
    i = endOfString(i);
    const size = i - at + 1;
    if (size > scratch.length || scratch.length > KEEP_SCRATCH) scratch = Buffer.allocUnsafeSlow(Math.max(size, 1024));
    input.to = unescape(at, i, scratch, 0);
    scratch[input.to] = 0;
    input.text = scratch;
    input.from = 0;
  }
  input.at = i + 1;
}

/** Reads base64 or base64url at `input.at`, with or without padding, as protobuf's bytes: length and bytes. */
export function readBytes(o: number): number {
  const { at } = input;
  span(BASE64);
  return putBase64(at, o);
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
  // Node's decoder takes both alphabets and skips what is in neither; then fewer bytes come out than should.
  if (length > 100) {
    if (out.base64Write(text.latin1Slice(from, to), o) !== size) wrong(at, BASE64);
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
