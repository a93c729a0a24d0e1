/** Uniform numbers in [0, 1); tests pass a seeded one (test/support/seeded-random.ts). */
export type Random = () => number;

export const systemRandom: Random = Math.random;
