// First bytes of the representations of RFC 7541 section 6, as far as they are told by their upper bits.
export const INDEXED = 0x80;
export const LITERAL_INDEXED = 0x40;
export const SIZE_UPDATE = 0x20;
export const LITERAL_NEVER_INDEXED = 0x10;
export const LITERAL = 0x00;

/** The most that `writeInteger` writes for an index or for a table size up to 4,096. */
export const MAX_SHORT_INTEGER_BYTES = 3;

/** The most that `writeInteger` writes for a length, below 2^31. */
export const MAX_LENGTH_BYTES = 6;

// Up to here a loop over characters is faster than a call into native code (bench/micro/hpack.bench.ts).
const SHORT_TEXT = 8;

/**
 * RFC 7541 section 5.1: `value` with a prefix as wide as `mask`; `first` is what stands above the prefix. Gives the
 * offset behind it, as all of these do.
 */
export function writeInteger(out: Buffer, at: number, first: number, mask: number, value: number): number {
  if (value < mask) {
    out[at] = first | value;
    return at + 1;
  }
  out[at++] = first | mask;
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) out[at++] = (rest & 0x7f) | 0x80;
  out[at] = rest;
  return at + 1;
}

/**
 * A latin1 string as it is. It is never Huffman-coded: that saves a quarter of the bytes of what is mostly sent once,
 * and costs both ends more time than those bytes on a network of a data centre.
 */
export function writeString(out: Buffer, at: number, text: string): number {
  const { length } = text;
  at = writeInteger(out, at, 0, 0x7f, length);
  if (length > SHORT_TEXT) return at + out.latin1Write(text, at, length);
  for (let i = 0; i < length; i++) out[at + i] = text.charCodeAt(i);
  return at + length;
}
