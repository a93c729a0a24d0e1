import type { Random } from "../../src/core/random.ts";

/** Uniform numbers in [0, 1) that depend on the seed alone (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * The seed of a test with random input: `SEED` of the environment, a number, or `random` for another one in each run
 * (`npm run fuzz`). Without it the same as ever, so that a run of all tests says nothing of luck. Print it where the test
 * fails.
 */
export function freshSeed(): number {
  const asked = process.env["SEED"];
  if (asked === "random") return Math.floor(Math.random() * 2 ** 31);
  return asked === undefined ? 20_261_122 : Number(asked);
}
