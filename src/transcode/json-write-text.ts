import { isAscii, isUtf8 } from "node:buffer";
import { sink } from "./sink.ts";
import { viewOf, WireError } from "./wire-scan.ts";

/** Bytes that stay free in the sink after a function that makes its own room: for brackets, commas and one number. */
export const TAIL_ROOM = 64;

// From this length on V8's and Node's loops beat ours by more than their calls cost.
const NATIVE_LENGTH = 256;

const QUOTE = 34;
const BACKSLASH = 92;

/** Writes bytes [p, q) of UTF-8 text as a JSON string at `o` of the sink; gives the offset behind it. */
export function writeString(bytes: Buffer, p: number, q: number, o: number): number {
  const length = q - p;
  if (length > NATIVE_LENGTH) return writeLongString(bytes, p, q, o);
  const worst = length * 6 + 2 + TAIL_ROOM;
  if (o + worst > sink.size) sink.grow(o, worst);
  const out = sink.view;
  out.setUint8(o++, QUOTE);
  if (length >= 4) {
    // Four bytes at once while none needs more than a copy; the last four may overlap what was copied already.
    const text = viewOf(bytes);
    const shift = o - p;
    for (const last = q - 4; ; p += 4) {
      if (p > last) p = last;
      const four = text.getInt32(p, true);
      if (!arePlain(four)) return writeRest(bytes, p, q, out, p + shift);
      out.setInt32(p + shift, four, true);
      if (p === last) break;
    }
    o = q + shift;
    out.setUint8(o, QUOTE);
    return o + 1;
  }
  for (; p < q; p++, o++) {
    const byte = bytes[p] as number;
    if (byte < 32 || byte === QUOTE || byte === BACKSLASH || byte > 126) return writeRest(bytes, p, q, out, o);
    out.setUint8(o, byte);
  }
  out.setUint8(o, QUOTE);
  return o + 1;
}

/**
 * Whether four bytes are all ASCII, and none a quote, a backslash or below 0x20: a byte that is one of these comes out
 * of its subtraction with the high bit set (Hacker's Delight, "Find First 0-Byte"). A borrow from the byte below makes
 * a difference only where that byte is one already.
 */
function arePlain(four: number): boolean {
  const below = four - 0x20202020;
  const quotes = (four ^ 0x22222222) - 0x01010101;
  const backslashes = (four ^ 0x5c5c5c5c) - 0x01010101;
  return ((four | below | quotes | backslashes) & 0x80808080) === 0;
}

/**
 * The rest of a string that is not long, from a byte on that needs more than a copy. Four bytes are looked at at once:
 * four of ASCII, two characters of two bytes, one of three; whatever else comes one by one.
 */
function writeRest(bytes: Buffer, p: number, q: number, out: DataView, o: number): number {
  const text = viewOf(bytes);
  let onlyAscii = true;
  while (p < q) {
    if (q - p >= 4) {
      const four = text.getInt32(p, true);
      out.setInt32(o, four, true);
      let done = 0;
      if ((four & 0x80) === 0) {
        // up to the first byte that needs more than a copy
        const marks = (findSpecial(four) | four) & 0x80808080;
        done = marks === 0 ? 4 : (31 - Math.clz32(marks & -marks)) >> 3;
      } else if (areTwoPairs(four)) {
        onlyAscii = false;
        done = 4;
      } else if (isTriple(four)) {
        onlyAscii = false;
        done = 3;
      }
      p += done;
      o += done;
      if (done > 0) continue;
    }
    const byte = bytes[p++] as number;
    if (byte < 128) {
      if (byte < 32 || byte === QUOTE || byte === BACKSLASH) o = writeEscape(byte, out, o);
      else out.setUint8(o++, byte);
      continue;
    }
    // Well-formed UTF-8: Unicode, table 3-7.
    const last = p + (byte < 0xe0 ? 0 : byte < 0xf0 ? 1 : 2);
    if (byte < 0xc2 || byte > 0xf4 || last >= q) throw notUtf8();
    let next = bytes[p] as number;
    if (next < (SECOND_FROM[byte & 63] as number) || next > (SECOND_TO[byte & 63] as number)) throw notUtf8();
    onlyAscii = false;
    out.setUint8(o++, byte);
    for (; p < last; p++) {
      out.setUint8(o++, next);
      next = bytes[p + 1] as number;
      if ((next & 0xc0) !== 0x80) throw notUtf8();
    }
    out.setUint8(o++, next);
    p++;
  }
  if (!onlyAscii) sink.ascii = false;
  out.setUint8(o, QUOTE);
  return o + 1;
}

/** Of four bytes, the high bits of those that need an escape; perhaps also of one that follows such a one. */
function findSpecial(four: number): number {
  const quotes = four ^ 0x22222222;
  const backslashes = four ^ 0x5c5c5c5c;
  const below = (four - 0x20202020) & ~four;
  return below | ((quotes - 0x01010101) & ~quotes) | ((backslashes - 0x01010101) & ~backslashes);
}

/** Whether four bytes are two characters of two bytes each, U+0080 and above. */
function areTwoPairs(four: number): boolean {
  return (four & 0xc0e0c0e0) === (0x80c080c0 | 0) && (four & 0x1e) !== 0 && (four & 0x1e0000) !== 0;
}

/** Whether the first three of four bytes are a character of three bytes: U+0800 and above, but no surrogate. */
function isTriple(four: number): boolean {
  if ((four & 0xc0c0f0) !== 0x8080e0) return false;
  const upper = ((four & 15) << 1) | ((four >> 13) & 1); // the upper 5 of its 16 bits
  return upper !== 0 && upper !== 0xd800 >> 11;
}

// Range of a character's second byte, by the low bits of its first.
const SECOND_FROM = new Uint8Array(64).fill(0x80);
const SECOND_TO = new Uint8Array(64).fill(0xbf);
SECOND_FROM[0xe0 & 63] = 0xa0;
SECOND_TO[0xed & 63] = 0x9f;
SECOND_FROM[0xf0 & 63] = 0x90;
SECOND_TO[0xf4 & 63] = 0x8f;

// The letter behind the backslash, by byte: \b \t \n \f \r \" \\; 0 where there is none.
const ESCAPE_LETTERS = new Uint8Array(128);
ESCAPE_LETTERS.set([98, 116, 110, 0, 102, 114], 8);
ESCAPE_LETTERS[QUOTE] = QUOTE;
ESCAPE_LETTERS[BACKSLASH] = BACKSLASH;

function writeEscape(byte: number, out: DataView, o: number): number {
  const letter = ESCAPE_LETTERS[byte] as number;
  out.setUint8(o, BACKSLASH);
  if (letter !== 0) {
    out.setUint8(o + 1, letter);
    return o + 2;
  }
  out.setUint32(o + 1, 0x75303030); // u000
  out.setUint8(o + 4, 48 + (byte >> 4));
  out.setUint8(o + 5, (byte & 15) < 10 ? 48 + (byte & 15) : 87 + (byte & 15));
  return o + 6;
}

/**
 * The bytes are taken for latin1, one character each: JSON.stringify then escapes exactly what must be escaped, by its
 * vectorised scan, and bytes above 0x7f come through as they are.
 */
function writeLongString(bytes: Buffer, p: number, q: number, o: number): number {
  const view = new Uint8Array(bytes.buffer, bytes.byteOffset + p, q - p);
  if (!isAscii(view)) {
    if (!isUtf8(view)) throw notUtf8();
    sink.ascii = false;
  }
  const text = JSON.stringify(bytes.latin1Slice(p, q));
  const out = sink.grow(o, text.length + TAIL_ROOM);
  return o + out.latin1Write(text, o);
}

export function notUtf8(): WireError {
  return new WireError("a string is not valid UTF-8");
}

const BASE64 = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const PADDING = 61;

/** Writes bytes [p, q) in base64 as a JSON string at `o` of the sink; gives the offset behind it. */
export function writeBase64(bytes: Buffer, p: number, q: number, o: number): number {
  const length = q - p;
  sink.grow(o, Math.ceil(length / 3) * 4 + 2 + TAIL_ROOM);
  const out = sink.view;
  out.setUint8(o++, QUOTE);
  if (length > NATIVE_LENGTH) {
    o += sink.bytes.latin1Write(bytes.base64Slice(p, q), o);
    out.setUint8(o, QUOTE);
    return o + 1;
  }
  for (; q - p >= 3; p += 3, o += 4) {
    const group = ((bytes[p] as number) << 16) | ((bytes[p + 1] as number) << 8) | (bytes[p + 2] as number);
    const last = (BASE64[group & 63] as number) << 24;
    out.setInt32(o, last | sextet(group, 6, 16) | sextet(group, 12, 8) | sextet(group, 18, 0), true);
  }
  if (q > p) {
    const both = q - p === 2;
    const group = ((bytes[p] as number) << 16) | (both ? (bytes[p + 1] as number) << 8 : 0);
    const third = both ? sextet(group, 6, 16) : PADDING << 16;
    out.setInt32(o, (PADDING << 24) | third | sextet(group, 12, 8) | sextet(group, 18, 0), true);
    o += 4;
  }
  out.setUint8(o, QUOTE);
  return o + 1;
}

/** The letter of six bits of a group, at its place in the text. */
function sextet(group: number, from: number, to: number): number {
  return (BASE64[(group >> from) & 63] as number) << to;
}
