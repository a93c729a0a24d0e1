import { systemRandom } from "../core/random.ts";

// Repeated keys of a map, where the last one wins: seen by hash while the entries are written. In large maps keys of one
// hash are compared, since of 100,000 keys two have the same; in small ones that is once in 2^32 pairs, and the slow
// path, which then sorts it out by the keys themselves, is right in either case.

/** Thrown where a message is not in the order that is written in one pass; wire-normalise.ts puts it in order. */
export const IRREGULAR = new Error("repeated field, split list or repeated key");

// The hash begins at random: keys are often users' text, and nobody should be able to choose them to collide.
const START = (systemRandom() * 2 ** 32) | 0;
const FNV_PRIME = 0x01000193;

// The hashes of the maps that are open, one map's behind the other's, each map's number first: 0 while it is small.
// Small maps are searched one by one.
const SMALL = 12;
let open = new Int32Array(1 << 10);
let top = 0;

// The keys of larger maps, by open addressing, two cells a slot: number of the map (0 = free), hash. Beside each where
// the key begins in the sink, or NOWHERE.
const INITIAL_SLOTS = 1 << 8;
const KEEP_SLOTS = 1 << 14;
const NOWHERE = -1;
let slots = new Int32Array(INITIAL_SLOTS * 2);
let places = new Int32Array(INITIAL_SLOTS);
let used = 0;
let largeMaps = 0;

export const keys = {
  /** True while a normalised message is written: no key repeats. */
  distinct: false,

  /** A message begins. */
  reset(): void {
    top = 0;
    if (largeMaps === 0) return;
    largeMaps = used = 0;
    if (slots.length > KEEP_SLOTS * 2) allocate(INITIAL_SLOTS);
    else slots.fill(0);
  },

  /** A map begins; gives what `add` and `close` want. */
  open(): number {
    if (top + SMALL + 1 > open.length) {
      const larger = new Int32Array(open.length * 2);
      larger.set(open);
      open = larger;
    }
    open[top] = 0;
    return top++;
  },

  /** Throws IRREGULAR where the map had this key, the JSON text out[from, to), before. */
  add(map: number, out: DataView, from: number, to: number): void {
    if (keys.distinct) return;
    const hash = hashOf(out, from, to);
    if (open[map] !== 0) {
      insert(open[map] as number, hash, out, from, to);
      return;
    }
    for (let i = map + 1; i < top; i++) if (open[i] === hash) throw IRREGULAR;
    if (top - map <= SMALL) {
      open[top++] = hash;
      return;
    }
    const large = (open[map] = ++largeMaps);
    for (let i = map + 1; i < top; i++) fill(freeSlot(large, open[i] as number), large, open[i] as number, NOWHERE);
    insert(large, hash, out, from, to);
    top = map + 1;
  },

  close(map: number): void {
    top = map;
  },
};

/** FNV-1a, four bytes a step. */
function hashOf(bytes: DataView, from: number, to: number): number {
  let hash = START ^ (to - from);
  for (; to - from >= 4; from += 4) {
    hash = Math.imul(hash ^ bytes.getInt32(from, true), FNV_PRIME);
    hash ^= hash >>> 15;
  }
  for (; from < to; from++) hash = Math.imul(hash ^ bytes.getUint8(from), FNV_PRIME);
  return hash ^ (hash >>> 15);
}

function insert(map: number, hash: number, out: DataView, from: number, to: number): void {
  if (used * 4 >= slots.length) enlarge();
  const mask = slots.length - 2;
  let at = firstSlot(map, hash);
  while (slots[at] !== 0) {
    if (slots[at] === map && slots[at + 1] === hash && isSame(out, places[at >> 1] as number, from, to))
      throw IRREGULAR;
    at = (at + 2) & mask;
  }
  fill(at, map, hash, from);
}

/** The map's number spreads the same keys of neighbouring maps. */
function firstSlot(map: number, hash: number): number {
  return ((hash ^ Math.imul(map, 0x9e3779b1)) << 1) & (slots.length - 2);
}

function freeSlot(map: number, hash: number): number {
  if (used * 4 >= slots.length) enlarge();
  let at = firstSlot(map, hash);
  while (slots[at] !== 0) at = (at + 2) & (slots.length - 2);
  return at;
}

function fill(at: number, map: number, hash: number, place: number): void {
  slots[at] = map;
  slots[at + 1] = hash;
  places[at >> 1] = place;
  used++;
}

/** Whether the key at `place` is out[from, to): both end with a quote, and have no other. */
function isSame(out: DataView, place: number, from: number, to: number): boolean {
  if (place === NOWHERE) return true;
  for (let i = from; i < to; i++) if (out.getUint8(place + i - from) !== out.getUint8(i)) return false;
  return true;
}

function enlarge(): void {
  const old = slots;
  const oldPlaces = places;
  allocate(old.length);
  used = 0;
  for (let i = 0; i < old.length; i += 2) {
    const map = old[i] as number;
    const hash = old[i + 1] as number;
    if (map !== 0) fill(freeSlot(map, hash), map, hash, oldPlaces[i >> 1] as number);
  }
}

function allocate(count: number): void {
  slots = new Int32Array(count * 2);
  places = new Int32Array(count);
}
