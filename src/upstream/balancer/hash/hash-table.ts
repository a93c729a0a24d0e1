import { hashText } from "../../../core/hash.ts";
import type { Candidate } from "../balancer.ts";

/** Who is asked first for a hash key, and who after that: candidates by place, around a circle. */
export interface HashTable<C> {
  readonly candidates: readonly C[];
  /** Indices into `candidates`; empty where there are none. */
  readonly owners: Uint32Array;
  /** The place in `owners` where a key begins. */
  locate(hashKey: number): number;
}

/**
 * Makes a table in steps of some microseconds each, for it takes milliseconds in all. `capacities` says what each gets
 * in proportion to the others, above 0.
 */
export type HashTableBuild<C> = (
  candidates: readonly C[],
  capacities: readonly number[],
) => Generator<void, HashTable<C>>;

/** Two independent hashes of an address: of 1,000 addresses two share one hash in one of 8,600 fleets. */
export function hashesOf({ endpoint }: Candidate): readonly [number, number] {
  return [hashText(endpoint), hashText(endpoint, 0x5bd1e995)];
}

/** Steps of a loop between two yields. */
export const STRIDE = 2_048;
