import { isAscii, isUtf8 } from "node:buffer";
import { sink } from "./sink.ts";
import { WireError } from "./wire-scan.ts";

/** Bytes that stay free in the sink after a function that makes its own room: for brackets, commas and one number. */
export const TAIL_ROOM = 64;

// From this length on, V8's and Node's native loops beat ours by more than the calls cost (bench: strings of 16 … 256).
const NATIVE_LENGTH = 96;

const QUOTE = 34;
const BACKSLASH = 92;

/** Writes bytes [p, q) of UTF-8 text as a JSON string at `o` of the sink; gives the offset behind it. */
export function writeString(bytes: Buffer, p: number, q: number, o: number): number {
  const length = q - p;
  if (length > NATIVE_LENGTH) return writeLongString(bytes, p, q, o);
  const worst = length * 6 + 2 + TAIL_ROOM;
  let out: Buffer = sink.bytes;
  if (o + worst > out.length) out = sink.grow(o, worst);
  out[o++] = QUOTE;
  const start = p;
  while (p < q) {
    const byte = bytes[p] as number;
    if (byte < 32 || byte === QUOTE || byte === BACKSLASH || byte > 126) {
      return writeShortRest(bytes, p, q, out, o + p - start);
    }
    out[o + p - start] = byte;
    p++;
  }
  o += length;
  out[o] = QUOTE;
  return o + 1;
}

/** The rest of a short string, from a byte on that needs more than a copy. */
function writeShortRest(bytes: Buffer, p: number, q: number, out: Buffer, o: number): number {
  while (p < q) {
    const byte = bytes[p++] as number;
    if (byte > 127) {
      const more = checkSequence(bytes, p, q, byte);
      sink.ascii = false;
      out[o++] = byte;
      for (const last = p + more; p < last; p++) out[o++] = bytes[p] as number;
    } else if (byte < 32 || byte === QUOTE || byte === BACKSLASH) {
      o = writeEscape(byte, out, o);
    } else {
      out[o++] = byte;
    }
  }
  out[o] = QUOTE;
  return o + 1;
}

/** How many bytes follow the first byte of a character; refuses what is not UTF-8 (Unicode, table 3-7). */
function checkSequence(bytes: Buffer, p: number, q: number, first: number): number {
  const more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
  if (first < 0xc2 || first > 0xf4 || p + more > q) throw notUtf8();
  const second = bytes[p] as number;
  const lowest = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const highest = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (second < lowest || second > highest) throw notUtf8();
  for (let i = 1; i < more; i++) if (((bytes[p + i] as number) & 0xc0) !== 0x80) throw notUtf8();
  return more;
}

const SHORT_ESCAPES = new Map([
  [8, 98],
  [9, 116],
  [10, 110],
  [12, 102],
  [13, 114],
  [QUOTE, QUOTE],
  [BACKSLASH, BACKSLASH],
]);

function writeEscape(byte: number, out: Buffer, o: number): number {
  out[o] = BACKSLASH;
  const short = SHORT_ESCAPES.get(byte);
  if (short !== undefined) {
    out[o + 1] = short;
    return o + 2;
  }
  return o + 1 + out.latin1Write(`u00${byte < 16 ? "0" : ""}${byte.toString(16)}`, o + 1);
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

function notUtf8(): WireError {
  return new WireError("a string is not valid UTF-8");
}

const BASE64 = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const PADDING = 61;

/** Writes bytes [p, q) in base64 as a JSON string at `o` of the sink; gives the offset behind it. */
export function writeBase64(bytes: Buffer, p: number, q: number, o: number): number {
  const length = q - p;
  const out = sink.grow(o, Math.ceil(length / 3) * 4 + 2 + TAIL_ROOM);
  out[o++] = QUOTE;
  if (length > NATIVE_LENGTH) {
    o += out.latin1Write(bytes.base64Slice(p, q), o);
    out[o] = QUOTE;
    return o + 1;
  }
  for (; q - p >= 3; p += 3, o += 4) {
    const group = ((bytes[p] as number) << 16) | ((bytes[p + 1] as number) << 8) | (bytes[p + 2] as number);
    out[o] = BASE64[group >> 18] as number;
    out[o + 1] = BASE64[(group >> 12) & 63] as number;
    out[o + 2] = BASE64[(group >> 6) & 63] as number;
    out[o + 3] = BASE64[group & 63] as number;
  }
  if (q > p) {
    const group = ((bytes[p] as number) << 16) | (q - p === 2 ? (bytes[p + 1] as number) << 8 : 0);
    out[o] = BASE64[group >> 18] as number;
    out[o + 1] = BASE64[(group >> 12) & 63] as number;
    out[o + 2] = q - p === 2 ? (BASE64[(group >> 6) & 63] as number) : PADDING;
    out[o + 3] = PADDING;
    o += 4;
  }
  out[o] = QUOTE;
  return o + 1;
}
