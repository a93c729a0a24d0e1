// Repeated keys of a map, where the last one wins: seen by hash while the entries are written, which is wrong once in
// 2^32 pairs of keys; the slow path, which then sorts it out by the keys themselves, is right in either case.

/** Thrown where a message is not in the order that is written in one pass; `normalise` puts it in order. */
export const IRREGULAR = new Error("repeated field, split list or repeated key");

const INITIAL_SLOTS = 1 << 8;
const KEEP_SLOTS = 1 << 14;
// FNV-1a, begun at random: keys are often users' text, and nobody should be able to choose them to collide.
const START = (Math.random() * 2 ** 32) | 0;
const FNV_PRIME = 0x01000193;

// Open addressing, two cells a slot: map number (0 = free), hash of the key. Every map has its own number, so that
// maps, maps within maps and earlier messages share the table; what earlier messages left is dropped when it is full.
let slots = new Int32Array(INITIAL_SLOTS * 2);
let used = 0;
let lastMap = 0;
let lastMapBefore = 0;

export const keys = {
  /** True while a normalised message is written: no key repeats. */
  distinct: false,

  /** A message begins: the maps of the one before are over. */
  reset(): void {
    lastMapBefore = lastMap;
    if (lastMap < 2 ** 30) return;
    lastMap = lastMapBefore = used = 0;
    slots.fill(0);
  },

  /** Gives the number of a map that begins. */
  open(): number {
    return ++lastMap;
  },

  /** Throws IRREGULAR where the map had this key, the JSON text out[from, to), before. */
  add(map: number, out: Buffer, from: number, to: number): void {
    if (keys.distinct) return;
    let hash = START;
    for (let i = from; i < to; i++) hash = Math.imul(hash ^ (out[i] as number), FNV_PRIME);
    if (used * 4 >= slots.length) rebuild();
    insert(map, hash);
  },
};

function insert(map: number, hash: number): void {
  const mask = slots.length - 2;
  // The lowest bits of FNV-1a mix worst; the map's number spreads the same keys of neighbouring maps.
  let at = ((hash ^ (hash >>> 15) ^ Math.imul(map, 0x9e3779b1)) << 1) & mask;
  while (slots[at] !== 0) {
    if (slots[at] === map && slots[at + 1] === hash) throw IRREGULAR;
    at = (at + 2) & mask;
  }
  slots[at] = map;
  slots[at + 1] = hash;
  used++;
}

/** Keeps the keys of this message, in a table that they fill to a quarter at most. */
function rebuild(): void {
  const old = slots;
  let live = 0;
  for (let i = 0; i < old.length; i += 2) if ((old[i] as number) > lastMapBefore) live++;
  let count = old.length > KEEP_SLOTS * 2 ? INITIAL_SLOTS : old.length / 2;
  while (count < live * 4) count *= 2;
  slots = new Int32Array(count * 2);
  used = 0;
  for (let i = 0; i < old.length; i += 2) {
    if ((old[i] as number) > lastMapBefore) insert(old[i] as number, old[i + 1] as number);
  }
}
