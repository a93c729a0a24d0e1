// As in sink.ts: readers append to one buffer that all of them share, for a request is written in one go without an
// await.

const INITIAL_BYTES = 1 << 16;
// A message that needed more gives its memory back, so that one large request is not paid for ever.
const KEEP_BYTES = 1 << 20;

/**
 * Bytes that are free behind the offset which a reader is given, unless its own comment says more: a tag, and any
 * value of bounded size. What may be longer makes room itself, and leaves as much free again.
 */
export const ROOM = 128;

const initial = Buffer.allocUnsafeSlow(INITIAL_BYTES);

/** Where wire bytes are written. `grow` may replace `bytes` and `view`: read them again after any call that may write. */
export const wire = {
  bytes: initial,
  /** The same bytes: it writes up to eight of them at once. */
  view: new DataView(initial.buffer),
  length: 0,

  reset(): void {
    wire.length = 0;
    if (wire.bytes.length > KEEP_BYTES) replace(Buffer.allocUnsafeSlow(INITIAL_BYTES));
  },

  /** Makes room for `extra` bytes after offset `used`, keeping [0, used); gives the buffer to write to. */
  grow(used: number, extra: number): Buffer {
    if (used + extra <= wire.bytes.length) return wire.bytes;
    const larger = Buffer.allocUnsafeSlow(Math.max(wire.bytes.length * 2, used + extra + 1024));
    larger.set(wire.bytes.subarray(0, used));
    replace(larger);
    return larger;
  },

  /** A copy of what was written since `reset`, owned by the caller. */
  take(): Buffer {
    const copy = Buffer.allocUnsafe(wire.length);
    wire.bytes.copy(copy, 0, 0, wire.length);
    return copy;
  },
};

function replace(bytes: typeof initial): void {
  wire.bytes = bytes;
  wire.view = new DataView(bytes.buffer);
}

/** Writes an unsigned 32-bit varint at `o`; gives the offset behind it. Up to five bytes. */
export function varint32(value: number, o: number): number {
  const out = wire.bytes;
  value >>>= 0;
  while (value > 127) {
    out[o++] = (value & 127) | 128;
    value >>>= 7;
  }
  out[o++] = value;
  return o;
}

/** Writes a 64-bit varint, given as two halves of 32 bits, at `o`; gives the offset behind it. Up to ten bytes. */
export function varint64(low: number, high: number, o: number): number {
  const out = wire.bytes;
  high >>>= 0;
  while (high !== 0) {
    out[o++] = (low & 127) | 128;
    low = (low >>> 7) | (high << 25);
    high >>>= 7;
  }
  return varint32(low, o);
}

/** Writes an integer within ±2^53 as int64 at `o`; gives the offset behind it. Up to ten bytes. */
export function varintOf(value: number, o: number): number {
  return varint64(value >>> 0, Math.floor(value / 0x1_0000_0000), o);
}

/**
 * Fills in a length prefix: one byte was kept for it at `at`, what it counts ends at `o`. Gives the new end: content of
 * 128 bytes or more moves. Keeps ROOM free.
 */
export function close(at: number, o: number): number {
  const length = o - at - 1;
  if (length < 128) {
    wire.bytes[at] = length;
    return o;
  }
  const more = lengthOfVarint(length) - 1;
  wire.grow(o, more + ROOM).copyWithin(at + 1 + more, at + 1, o);
  varint32(length, at);
  return o + more;
}

/** A place in a message type: how many bytes the length prefix took that was written there last. */
export interface Sized {
  size: number;
}

/** As `close`, where `size` bytes were kept; takes note of how many it needed, so that lists of messages rarely move. */
export function closeSized(at: number, o: number, size: number, place: Sized): number {
  const length = o - at - size;
  const needed = lengthOfVarint(length);
  if (needed !== size) {
    wire.grow(o, needed + ROOM).copyWithin(at + needed, at + size, o);
    place.size = needed;
  }
  if (needed === 1) wire.bytes[at] = length;
  else varint32(length, at);
  return o + needed - size;
}

/** How many bytes a varint of up to 32 bits takes. */
export function lengthOfVarint(value: number): number {
  return value < 1 << 7 ? 1 : value < 1 << 14 ? 2 : value < 1 << 21 ? 3 : value < 1 << 28 ? 4 : 5;
}

/** The bytes of a field's tag, as a varint. Wire types: 0 varint, 1 64-bit, 2 length, 3 group, 4 its end, 5 32-bit. */
export function tagBytes(field: number, wireType: number): number[] {
  const bytes: number[] = [];
  let tag = ((field << 3) | wireType) >>> 0;
  for (; tag > 127; tag >>>= 7) bytes.push((tag & 127) | 128);
  return [...bytes, tag];
}
