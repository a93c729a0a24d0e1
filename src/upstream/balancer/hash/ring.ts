import { mix } from "../../../core/hash.ts";
import type { Candidate } from "../balancer.ts";
import { hashesOf, STRIDE, type HashTable, type HashTableBuild } from "./hash-table.ts";

const POINTS_PER_BUCKET = 2;
// What 400 instances have by default. 160,000 would take 10 ms to place, since that is random access, and these 4.
const MAX_POINTS = 65_536;
const GOLDEN = 0x9e3779b9;

/**
 * A ring with `pointsPerEndpoint` points for an instance of average capacity (Karger et al., "Consistent Hashing and
 * Random Trees", 1997; ketama), fewer where there are more than 65,536 in all: a key belongs to the first point from
 * its hash on. An instance that goes hands its keys to those that follow its points, and no other key moves.
 */
export function ringBuild<C extends Candidate>(pointsPerEndpoint: number): HashTableBuild<C> {
  return function* (candidates, capacities): Generator<void, HashTable<C>> {
    const sum = capacities.reduce((total, capacity) => total + capacity, 0);
    const points = Math.min(MAX_POINTS, candidates.length * pointsPerEndpoint);
    const counts = capacities.map((capacity) => Math.max(1, Math.round((capacity * points) / sum)));
    const ring = new Ring(
      candidates,
      counts.reduce((total, count) => total + count, 0),
    );
    let work = 0;
    for (const step of [ring.count, ring.place]) {
      for (const [owner, count] of counts.entries()) {
        step.call(ring, owner, count);
        work += count;
        if (work < STRIDE) continue;
        work = 0;
        yield;
      }
      if (step === ring.count) ring.divide();
      yield;
    }
    return ring;
  };
}

// Loops stand in methods, and not in the generator: V8 does not optimise one that is running.
class Ring<C extends Candidate> implements HashTable<C> {
  readonly candidates: readonly C[];
  readonly owners: Uint32Array;
  private readonly hashes: Uint32Array;
  private readonly seeds: readonly (readonly [number, number])[];
  /** Points are sorted by bucket first, which for even hashes is nearly all, and with which look-ups begin. */
  private readonly shift: number;
  private readonly starts: Uint32Array;
  private filled = new Uint32Array(0);

  constructor(candidates: readonly C[], size: number) {
    this.candidates = candidates;
    this.owners = new Uint32Array(size);
    this.hashes = new Uint32Array(size);
    this.seeds = candidates.map(hashesOf);
    this.shift = 32 - Math.max(1, Math.ceil(Math.log2(size / POINTS_PER_BUCKET)));
    this.starts = new Uint32Array(2 ** (32 - this.shift) + 1);
  }

  /** First of three: how many points each bucket gets. */
  count(owner: number, points: number): void {
    const { starts, shift } = this;
    const [first, second] = this.seeds[owner] as readonly [number, number]; // one for each
    for (let i = 0; i < points; i++) (starts[(pointOf(first, second, i) >>> shift) + 1] as number)++;
  }

  /** Second: where each bucket begins. */
  divide(): void {
    const { starts } = this;
    for (let bucket = 1; bucket < starts.length; bucket++) (starts[bucket] as number) += starts[bucket - 1] as number;
    this.filled = starts.slice();
  }

  /** Third: the points in their order. */
  place(owner: number, points: number): void {
    const { starts, filled, hashes, owners, shift } = this;
    const [first, second] = this.seeds[owner] as readonly [number, number]; // one for each
    for (let i = 0; i < points; i++) {
      const hash = pointOf(first, second, i);
      const bucket = hash >>> shift;
      let at = (filled[bucket] as number)++;
      const start = starts[bucket] as number; // a bucket for every hash
      for (; at > start && this.isBehind(at - 1, hash, owner); at--) {
        hashes[at] = hashes[at - 1] as number;
        owners[at] = owners[at - 1] as number;
      }
      hashes[at] = hash;
      owners[at] = owner;
    }
  }

  locate(hashKey: number): number {
    const { starts, hashes, shift } = this;
    let at = starts[hashKey >>> shift] as number; // a bucket for every hash
    while (at < hashes.length && (hashes[at] as number) < hashKey) at++;
    return at === hashes.length ? 0 : at;
  }

  // Equal points come in an order of their own, or it would be that of discovery's list.
  private isBehind(at: number, hash: number, owner: number): boolean {
    const other = this.hashes[at] as number; // within the ring
    if (other !== hash) return other > hash;
    const addressOf = (index: number) => this.candidates[index]?.endpoint ?? "";
    return addressOf(this.owners[at] as number) > addressOf(owner);
  }
}

function pointOf(first: number, second: number, index: number): number {
  return mix(mix(first + Math.imul(index, GOLDEN)) ^ Math.imul(second, index + 1));
}
