import { systemRandom } from "../core/random.ts";
import { refuse } from "./json-read-error.ts";
import { wire } from "./wire.ts";

// The second entry of a map with the same key is refused. The entries before stand in the output, one behind the other,
// and as written there, keys are equal exactly where their values are. A few are compared one by one; from here on, a
// table of hashes finds the one to compare with.
const FEW = 8;

/**
 * The keys of a map so far: how many; below zero, the number of the map in the table; or what they are, where some are
 * not in the output.
 */
export type Keys = number | Set<string>;

// The table, by open addressing, a power of two of slots, three cells a slot: number of the map (0 = free), hash, offset of the entry.
const INITIAL_CELLS = 3 << 8;
const KEEP_CELLS = 3 << 14;
let cells = new Int32Array(INITIAL_CELLS);
let used = 0;
let lastMap = 0;

// The hash begins at random: keys are clients' text, and nobody should be able to choose them to collide.
const START = (systemRandom() * 2 ** 32) | 0;
const FNV_PRIME = 0x01000193;

/** Forgets the maps of the text before. */
export function resetKeys(): void {
  if (lastMap === 0) return;
  lastMap = used = 0;
  if (cells.length > KEEP_CELLS) cells = new Int32Array(INITIAL_CELLS);
  else cells.fill(0);
}

/**
 * Takes note of the key of the entry at `entry`, which is written up to `o`: tag of `tagLength` bytes, a byte for the
 * length, key. The map's first entry is at `first`. A key that was there is blamed at `at`.
 */
export function addKey(keys: Keys, first: number, entry: number, tagLength: number, o: number, at: number): Keys {
  const key = entry + tagLength + 1;
  if (typeof keys !== "number") {
    const text = textOf(key, o);
    if (keys.has(text)) refuse("FIELD_INVALID", at, "given twice");
    return keys.add(text);
  }
  if (keys >= 0) {
    if (keys < FEW) {
      if (hasKey(first, entry, tagLength, key, o)) refuse("FIELD_INVALID", at, "given twice");
      return keys + 1;
    }
    keys = ~lastMap++;
    for (let known = first; known < entry;) {
      const next = nextEntry(known, tagLength);
      insert(~keys, known, tagLength, keyAt, keyEnd(keyAt));
      known = next;
    }
  }
  if (insert(~keys, entry, tagLength, key, o)) refuse("FIELD_INVALID", at, "given twice");
  return keys;
}

/** Puts the key in [key, end) of an entry into the table; true where the map had it. */
function insert(map: number, entry: number, tagLength: number, key: number, end: number): boolean {
  if (used * 12 >= cells.length) enlarge();
  const { bytes } = wire;
  let hash = START;
  for (let i = key; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), FNV_PRIME);
  hash ^= hash >>> 15;
  for (let cell = cellOf(map, hash); ; cell = nextCell(cell)) {
    const owner = cells[cell] as number;
    if (owner === 0) {
      put(cell, map + 1, hash, entry);
      return false;
    }
    if (owner === map + 1 && cells[cell + 1] === hash && isSame(cells[cell + 2] as number, tagLength, key, end))
      return true;
  }
}

function put(cell: number, owner: number, hash: number, entry: number): void {
  cells[cell] = owner;
  cells[cell + 1] = hash;
  cells[cell + 2] = entry;
  used++;
}

function cellOf(map: number, hash: number): number {
  // The map's number spreads the same keys of neighbouring maps.
  return ((hash ^ Math.imul(map, 0x9e3779b1)) & (cells.length / 3 - 1)) * 3;
}

function nextCell(cell: number): number {
  return cell + 3 === cells.length ? 0 : cell + 3;
}

function enlarge(): void {
  const old = cells;
  cells = new Int32Array(old.length * 2);
  used = 0;
  for (let i = 0; i < old.length; i += 3) {
    const [owner, hash, entry] = [old[i] as number, old[i + 1] as number, old[i + 2] as number];
    if (owner === 0) continue;
    let cell = cellOf(owner - 1, hash);
    while (cells[cell] !== 0) cell = nextCell(cell);
    put(cell, owner, hash, entry);
  }
}

/** Whether the key of the entry at `entry` is the one in [key, end). */
function isSame(entry: number, tagLength: number, key: number, end: number): boolean {
  const { bytes } = wire;
  nextEntry(entry, tagLength);
  // A key says itself how long it is, so no other one starts with it.
  for (let known = keyAt; key < end && bytes[known] === bytes[key]; known++) key++;
  return key === end;
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
  while (first < entry) {
    if (isSame(first, tagLength, key, o)) return true;
    first = nextEntry(first, tagLength);
  }
  return false;
}
