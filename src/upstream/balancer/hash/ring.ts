import { mix } from "../../../core/hash.ts";
import type { Candidate } from "../balancer.ts";
import { hashesOf, STRIDE, type HashTable, type HashTableBuild } from "./hash-table.ts";

// Of the hundreds of points in a bucket's reach two or three lie in it.
const POINTS_PER_BUCKET = 2;
const GOLDEN = 0x9e3779b9;

/**
 * A ring with `pointsPerEndpoint` points for an instance of average capacity (Karger et al., "Consistent Hashing and
 * Random Trees", 1997; ketama): a key belongs to the first point from its hash on. An instance that goes hands its keys
 * to those that follow its points, and no other key moves.
 */
export function ringBuild<C extends Candidate>(pointsPerEndpoint: number): HashTableBuild<C> {
  return function* (candidates, capacities): Generator<void, HashTable<C>> {
    const sum = capacities.reduce((total, capacity) => total + capacity, 0);
    const counts = capacities.map((capacity) =>
      Math.max(1, Math.round((capacity * candidates.length * pointsPerEndpoint) / sum)),
    );
    const size = counts.reduce((total, count) => total + count, 0);
    // Points are sorted by bucket first, which for even hashes is nearly all, and which lookups begin with.
    const shift = 32 - Math.max(1, Math.ceil(Math.log2(size / POINTS_PER_BUCKET)));
    const starts = new Uint32Array(2 ** (32 - shift) + 1);
    const seeds = candidates.map(hashesOf);
    for (const [owner, count] of counts.entries()) {
      const [first, second] = seeds[owner] as readonly [number, number]; // one for each
      for (let i = 0; i < count; i++) (starts[(pointOf(first, second, i) >>> shift) + 1] as number)++;
      yield;
    }
    for (let bucket = 1; bucket < starts.length; bucket++) {
      (starts[bucket] as number) += starts[bucket - 1] as number; // within the buckets
      if (bucket % (8 * STRIDE) === 0) yield;
    }
    const hashes = new Uint32Array(size);
    const owners = new Uint32Array(size);
    const filled = starts.slice();
    for (const [owner, count] of counts.entries()) {
      const [first, second] = seeds[owner] as readonly [number, number]; // one for each
      for (let i = 0; i < count; i++) {
        const hash = pointOf(first, second, i);
        const bucket = hash >>> shift;
        let at = (filled[bucket] as number)++;
        const start = starts[bucket] as number; // within the buckets
        for (; at > start && isBehind(at - 1, hash, owner); at--) {
          hashes[at] = hashes[at - 1] as number;
          owners[at] = owners[at - 1] as number;
        }
        hashes[at] = hash;
        owners[at] = owner;
      }
      yield;
    }
    // Equal points come in an order of their own, or it would be that of discovery's list.
    function isBehind(at: number, hash: number, owner: number): boolean {
      const other = hashes[at] as number; // within the ring
      if (other !== hash) return other > hash;
      return (candidates[owners[at] as number]?.endpoint ?? "") > (candidates[owner]?.endpoint ?? "");
    }
    return {
      candidates,
      owners,
      locate(hashKey) {
        let at = starts[hashKey >>> shift] as number; // a bucket for every hash
        while (at < size && (hashes[at] as number) < hashKey) at++;
        return at === size ? 0 : at;
      },
    };
  };
}

function pointOf(first: number, second: number, index: number): number {
  return mix(mix(first + Math.imul(index, GOLDEN)) ^ Math.imul(second, index + 1));
}
