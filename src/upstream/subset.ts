import type { Endpoint } from "./resolver.ts";

/**
 * Which instances of a large fleet a gateway talks to: rendezvous hashing (gRFC A68) of its own name with each
 * address, so that gateways spread evenly over the instances without knowing of each other, and an instance that comes
 * or goes moves one place of a subset at most. Processes with one name have one subset.
 */
export class Subset {
  private readonly client: number;
  /** By address; of those of the last list. */
  private scores = new Map<string, number>();

  constructor(client: string) {
    this.client = hash(client, 0x9e3779b9);
  }

  /** So many of the list, in its order; those with weight 0 stay and do not count. */
  choose(endpoints: readonly Endpoint[], size: number): readonly Endpoint[] {
    const live = endpoints.filter(({ weight }) => weight > 0);
    if (live.length <= size) return endpoints;
    const scores = new Map<string, number>();
    for (const { address } of live) scores.set(address, this.scores.get(address) ?? hash(address, this.client));
    this.scores = scores;
    const ranked = [...scores].sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1));
    const chosen = new Set(ranked.slice(0, size).map(([address]) => address));
    return endpoints.filter(({ address, weight }) => weight === 0 || chosen.has(address));
  }
}

/** MurmurHash3 (x86, 32 bits) of the text's UTF-16 units, one at a time; each bit of it depends on all of both inputs. */
function hash(text: string, seed: number): number {
  let h = seed;
  for (let i = 0; i < text.length; i++) {
    let k = Math.imul(text.charCodeAt(i), 0xcc9e2d51);
    k = Math.imul((k << 15) | (k >>> 17), 0x1b873593);
    h ^= k;
    h = (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
  }
  h ^= text.length;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
