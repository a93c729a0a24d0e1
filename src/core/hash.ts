// What a request is known by goes to one instance from every gateway, so these depend on nothing but the text: FNV-1a
// (Fowler, Noll, Vo), whose last characters hardly reach the upper bits, and then MurmurHash3's finalizer, after which
// each bit depends on all. Neither withstands one who looks for collisions.

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** A whole number in [0, 2^32) that spreads evenly; the same in every process. */
export function hashText(text: string, seed = 0): number {
  let hash = FNV_OFFSET ^ seed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return mix(hash);
}

/** The same of `bytes[start, end)`; as of a text with these as its char codes. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = FNV_OFFSET;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), FNV_PRIME); // within the bytes
  return mix(hash);
}

/** Spreads any 32 bits evenly over [0, 2^32), one to one (MurmurHash3, `fmix32`). */
export function mix(bits: number): number {
  let hash = bits;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
