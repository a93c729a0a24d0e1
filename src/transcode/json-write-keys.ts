import { systemRandom } from "../core/random.ts";

// Repeated keys of a map, where the last one wins: seen by hash while the entries are written, which is wrong once in
// 2^32 pairs of keys; the slow path, which then sorts it out by the keys themselves, is right in either case.

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

// The keys of larger maps, by open addressing, two cells a slot: number of the map (0 = free), hash.
const INITIAL_SLOTS = 1 << 8;
const KEEP_SLOTS = 1 << 14;
let slots = new Int32Array(INITIAL_SLOTS * 2);
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
    if (slots.length > KEEP_SLOTS * 2) slots = new Int32Array(INITIAL_SLOTS * 2);
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
      insert(open[map] as number, hash);
      return;
    }
    for (let i = map + 1; i < top; i++) if (open[i] === hash) throw IRREGULAR;
    if (top - map <= SMALL) {
      open[top++] = hash;
      return;
    }
    const large = (open[map] = ++largeMaps);
    for (let i = map + 1; i < top; i++) insert(large, open[i] as number);
    insert(large, hash);
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

function insert(map: number, hash: number): void {
  if (used * 4 >= slots.length) enlarge();
  const mask = slots.length - 2;
  // The map's number spreads the same keys of neighbouring maps.
  let at = ((hash ^ Math.imul(map, 0x9e3779b1)) << 1) & mask;
  while (slots[at] !== 0) {
    if (slots[at] === map && slots[at + 1] === hash) throw IRREGULAR;
    at = (at + 2) & mask;
  }
  slots[at] = map;
  slots[at + 1] = hash;
  used++;
}

function enlarge(): void {
  const old = slots;
  slots = new Int32Array(old.length * 2);
  used = 0;
  for (let i = 0; i < old.length; i += 2) if (old[i] !== 0) insert(old[i] as number, old[i + 1] as number);
}
