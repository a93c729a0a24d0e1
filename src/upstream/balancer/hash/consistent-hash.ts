import type { Clock } from "../../../core/clock.ts";
import type { Code } from "../../../core/code.ts";
import { hashText, mix } from "../../../core/hash.ts";
import type { Random } from "../../../core/random.ts";
import { BEST_RANK, NO_HASH_KEY, rankOf, shareOf, type Balancer, type Candidate } from "../balancer.ts";
import { Draw, type DrawEntry } from "../draw.ts";
import { FailureLoad } from "../failure-load.ts";
import type { HashTable, HashTableBuild } from "./hash-table.ts";
import { Sliced } from "./sliced.ts";

export interface ConsistentHashOptions<C> {
  readonly build: HashTableBuild<C>;
  /** How many times the average load per share an instance may have; null for no limit. */
  readonly boundedLoad: number | null;
  /** Attempts that run on all instances. */
  readonly totalInFlight: () => number;
  readonly random: Random;
  readonly clock: Clock;
}

interface Entry<C> extends DrawEntry<C> {
  readonly hash: number;
}

// Places that are looked at along the circle; where half of the instances are out that fails once in 4 billion picks.
const MAX_STEPS = 32;

/**
 * The same key to the same instance: the first that is ready, in good health, untried by this call and below its bound,
 * from the key's place in a table on (bounded loads: Mirrokni et al., "Consistent Hashing with Bounded Loads", 2018).
 * The table is of the whole list, ready or not, so that a connection that breaks moves the keys of its instance only,
 * and until it is back. It is made anew off the path when the list changes; meanwhile the old one serves.
 */
export function createConsistentHash<C extends Candidate>(options: ConsistentHashOptions<C>): Balancer<C> {
  return new ConsistentHash(options);
}

class ConsistentHash<C extends Candidate> implements Balancer<C> {
  private readonly options: ConsistentHashOptions<C>;
  private readonly ready: Draw<C, Entry<C>>;
  private readonly sliced: Sliced<HashTable<C>>;
  private table: HashTable<C> | null = null;
  /** What the last table was asked for, as text. */
  private listed = "";
  private totalShare = 0;
  private readonly failures: FailureLoad<C>;

  constructor(options: ConsistentHashOptions<C>) {
    this.options = options;
    this.ready = new Draw(options.random);
    this.failures = new FailureLoad(options.clock);
    this.sliced = new Sliced(options.clock, (table) => (this.table = table));
  }

  list(candidates: readonly C[]): void {
    const listed = candidates.map(({ endpoint, capacity }) => `${endpoint} ${capacity}`).join(",");
    if (listed === this.listed) return;
    this.listed = listed;
    const capacities = candidates.map(({ capacity }) => capacity);
    this.sliced.start(() => this.options.build(candidates, capacities));
  }

  add(candidate: C): void {
    const share = shareOf(candidate);
    this.totalShare += share;
    this.ready.add({ candidate, share, index: 0, hash: hashText(candidate.endpoint) });
  }

  remove(candidate: C): void {
    this.totalShare -= this.ready.get(candidate)?.share ?? 0;
    this.ready.remove(candidate);
    this.failures.remove(candidate);
  }

  change(candidate: C): void {
    this.totalShare += shareOf(candidate) - (this.ready.get(candidate)?.share ?? 0);
    this.ready.change(candidate);
  }

  pick(tried: readonly string[], hashKey: number): C | null {
    if (hashKey === NO_HASH_KEY) return this.ready.draw(tried)?.candidate ?? null;
    // The first one is waited for: or keys would move as soon as it is there.
    if (this.table === null) this.sliced.finishNow();
    const { table } = this;
    if (table !== null && table.owners.length > 0) {
      const { candidates, owners } = table;
      let at = table.locate(hashKey);
      for (let step = 0; step < MAX_STEPS; step++) {
        const candidate = candidates[owners[at] as number] as C; // every place has an owner
        if (this.ready.has(candidate) && rankOf(candidate, tried) === BEST_RANK && this.isBelowBound(candidate)) {
          return candidate;
        }
        if (++at === owners.length) at = 0;
      }
    }
    return this.highest(tried, hashKey);
  }

  done(candidate: C, startMs: number, code: Code): void {
    if (this.options.boundedLoad !== null) this.failures.done(candidate, startMs, code);
  }

  close(): void {
    this.sliced.close();
  }

  private isBelowBound(candidate: C): boolean {
    const { boundedLoad, totalInFlight } = this.options;
    if (boundedLoad === null) return true;
    const average = ((totalInFlight() + 1) * shareOf(candidate)) / this.totalShare;
    return candidate.inFlight + this.failures.of(candidate) < Math.ceil(boundedLoad * average);
  }

  /**
   * Without a table, or with hardly any instance ready: of the best the one whose address and the key hash highest
   * together (rendezvous hashing, Thaler and Ravishankar, 1998). As steady, but every instance is looked at.
   */
  private highest(tried: readonly string[], hashKey: number): C | null {
    let chosen: C | null = null;
    let bestRank = -1;
    let bestScore = -1;
    for (const { candidate, hash, share } of this.ready) {
      const rank = rankOf(candidate, tried);
      if (rank < bestRank) continue;
      // Higher the more it weighs: an exponential race, of which the shortest time wins.
      const score = share / -Math.log((mix(hash ^ hashKey) + 1) / (2 ** 32 + 1));
      if (rank === bestRank && score <= bestScore) continue;
      chosen = candidate;
      bestRank = rank;
      bestScore = score;
    }
    return chosen;
  }
}
