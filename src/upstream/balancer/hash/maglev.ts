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
    const count = candidates.length;
    const owners = new Uint32Array(count === 0 ? 0 : size).fill(NOBODY);
    const largest = capacities.reduce((most, capacity) => Math.max(most, capacity), 0);
    const next = new Uint32Array(count);
    const skips = new Uint32Array(count);
    const turns = new Float64Array(count);
    const steps = new Float64Array(count);
    for (const [owner, candidate] of candidates.entries()) {
      const [first, second] = hashesOf(candidate);
      next[owner] = first % size;
      skips[owner] = (second % (size - 1)) + 1;
      steps[owner] = (capacities[owner] as number) / largest; // one for each
    }
    // The order of turns decides who gets contested places: it must not be that of discovery's list.
    const order = Uint32Array.from(candidates.keys()).sort((a, b) =>
      (candidates[a]?.endpoint ?? "") < (candidates[b]?.endpoint ?? "") ? -1 : 1,
    );
    yield;
    let work = 0;
    for (let left = owners.length; left > 0;) {
      for (let turn = 0; turn < count && left > 0; turn++) {
        const owner = order[turn] as number; // within the list
        turns[owner] = (turns[owner] as number) + (steps[owner] as number); // within the list
        if ((turns[owner] as number) < 1) continue;
        turns[owner] = (turns[owner] as number) - 1;
        const skip = skips[owner] as number;
        let place = next[owner] as number;
        for (; owners[place] !== NOBODY; place = (place + skip) % size) work++;
        owners[place] = owner;
        next[owner] = (place + skip) % size;
        left--;
        if (++work < STRIDE) continue;
        work = 0;
        yield;
      }
    }
    return { candidates, owners, locate: (hashKey) => hashKey % size };
  };
}
