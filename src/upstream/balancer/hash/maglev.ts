import type { Candidate } from "../balancer.ts";
import { hashesOf, STRIDE, type HashTable, type HashTableBuild } from "./hash-table.ts";

const NOBODY = 0xffffffff;

/**
 * A table of prime size that instances fill in turns, each by an order of its own (Eisenbud et al., "Maglev: A Fast and
 * Reliable Software Network Load Balancer", 2016, section 3.4): shares differ by no more than a place, at the price of a
 * few keys that move without need when the list changes. Weights as Envoy has them: who has half of the largest takes
 * every other turn.
 */
export function maglevBuild<C extends Candidate>(size: number): HashTableBuild<C> {
  return function* (candidates, capacities): Generator<void, HashTable<C>> {
    const table = new Maglev(candidates, capacities, size);
    while (!table.fill(STRIDE)) yield;
    return table;
  };
}

// The loop stands in a method, and not in the generator: V8 does not optimise one that is running.
class Maglev<C extends Candidate> implements HashTable<C> {
  readonly candidates: readonly C[];
  readonly owners: Uint32Array;
  private left: number;
  private turn = 0;
  /** Who has the first turn, the second, …: not the order of discovery's list, since it decides contested places. */
  private readonly order: Uint32Array;
  private readonly next: Uint32Array;
  private readonly skips: Uint32Array;
  private readonly credits: Float64Array;
  private readonly steps: Float64Array;

  constructor(candidates: readonly C[], capacities: readonly number[], size: number) {
    const { length } = candidates;
    const addressOf = (index: number) => candidates[index]?.endpoint ?? "";
    const largest = capacities.reduce((most, capacity) => Math.max(most, capacity), 0);
    const hashes = candidates.map(hashesOf);
    this.candidates = candidates;
    this.owners = new Uint32Array(length === 0 ? 0 : size).fill(NOBODY);
    this.left = this.owners.length;
    this.order = Uint32Array.from(candidates.keys()).sort((a, b) => (addressOf(a) < addressOf(b) ? -1 : 1));
    this.next = Uint32Array.from(hashes, ([first]) => first % size);
    this.skips = Uint32Array.from(hashes, ([, second]) => (second % (size - 1)) + 1);
    this.credits = new Float64Array(length);
    this.steps = Float64Array.from(capacities, (capacity) => capacity / largest);
  }

  /** Goes on for about so many places; whether all have an owner. */
  fill(places: number): boolean {
    const { owners, order, next, skips, credits, steps } = this;
    const size = owners.length;
    for (let work = 0; this.left > 0 && work < places; this.turn = (this.turn + 1) % order.length) {
      const owner = order[this.turn] as number; // within the list, as all that follows
      credits[owner] = (credits[owner] as number) + (steps[owner] as number);
      work++;
      if ((credits[owner] as number) < 1) continue;
      credits[owner] = (credits[owner] as number) - 1;
      const skip = skips[owner] as number;
      let place = next[owner] as number;
      for (; owners[place] !== NOBODY; place = (place + skip) % size) work++;
      owners[place] = owner;
      next[owner] = (place + skip) % size;
      this.left--;
    }
    return this.left === 0;
  }

  locate(hashKey: number): number {
    return hashKey % this.owners.length;
  }
}
