import { refuse } from "./json-read-error.ts";
import { wire } from "./wire.ts";

// The second entry of a map with the same key is refused. The entries before stand in the output, one behind the other,
// and as written there, keys are equal exactly where their values are. A few are compared one by one; from here on, a
// set is cheaper.
const FEW = 8;

/** The keys of a map so far: how many, or what they are. */
export type Keys = number | Set<string>;

/**
 * Takes note of the key of the entry at `entry`, which is written up to `o`: tag of `tagLength` bytes, a byte for the
 * length, key. The map's first entry is at `first`. A key that was there is blamed at `at`.
 */
export function addKey(keys: Keys, first: number, entry: number, tagLength: number, o: number, at: number): Keys {
  const key = entry + tagLength + 1;
  if (typeof keys === "number") {
    if (keys < FEW) {
      if (hasKey(first, entry, tagLength, key, o)) refuse("FIELD_INVALID", at, "given twice");
      return keys + 1;
    }
    keys = keysOf(first, entry, tagLength);
  }
  const text = textOf(key, o);
  if (keys.has(text)) refuse("FIELD_INVALID", at, "given twice");
  return keys.add(text);
}

/** As addKey gave, for an entry whose value is then taken back: its key, up to `o`, is remembered all the same. */
export function keepKey(keys: Keys, first: number, entry: number, tagLength: number, o: number): Set<string> {
  const all = typeof keys === "number" ? keysOf(first, entry, tagLength) : keys;
  return all.add(textOf(entry + tagLength + 1, o));
}

function keysOf(first: number, entry: number, tagLength: number): Set<string> {
  const keys = new Set<string>();
  while (first < entry) {
    first = nextEntry(first, tagLength);
    keys.add(textOf(keyAt, keyEnd(keyAt)));
  }
  return keys;
}

/**
 * A key with its tag as a string that differs where keys differ. The tag in front keeps V8 from taking a key of digits
 * for an array index, whose hash a client could choose.
 */
function textOf(key: number, end: number): string {
  return wire.bytes.latin1Slice(key, end);
}

// Where the key stands of the entry that `nextEntry` went over.
let keyAt = 0;

/** Offset of the entry behind the one at `entry`. */
function nextEntry(entry: number, tagLength: number): number {
  const length = varintAt(entry + tagLength);
  keyAt = pastVarint;
  return keyAt + length;
}

/** Where a key ends whose tag is at `key`. */
function keyEnd(key: number): number {
  const wireType = (wire.bytes[key] as number) & 7;
  if (wireType === 1) return key + 9;
  if (wireType === 5) return key + 5;
  const value = varintAt(key + 1);
  return wireType === 2 ? pastVarint + value : pastVarint;
}

// Where the varint ended that `varintAt` read.
let pastVarint = 0;

function varintAt(at: number): number {
  const { bytes } = wire;
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++] as number;
    value |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  pastVarint = at;
  return value;
}

/** Whether one of the entries in [first, entry) has the key in [key, o). */
function hasKey(first: number, entry: number, tagLength: number, key: number, o: number): boolean {
  const { bytes } = wire;
  while (first < entry) {
    first = nextEntry(first, tagLength);
    let i = key;
    // A key says itself how long it is, so no other one starts with it.
    for (let known = keyAt; i < o && bytes[known] === bytes[i]; known++) i++;
    if (i === o) return true;
  }
  return false;
}
