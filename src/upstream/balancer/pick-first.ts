import { BEST_RANK, rankOf, type Balancer, type Candidate } from "./balancer.ts";

/**
 * All to one instance: the first of discovery's list that is ready, for as long as it is and in good health; then to the
 * next (gRPC's `pick_first`, with the others connected already).
 */
export function createPickFirst<C extends Candidate>(): Balancer<C> {
  let list: readonly C[] = [];
  const ready = new Set<C>();
  let current: C | null = null;
  return {
    list(candidates) {
      list = candidates;
    },
    add: (candidate) => void ready.add(candidate),
    remove(candidate) {
      ready.delete(candidate);
      if (current === candidate) current = null;
    },
    change() {},
    pick(tried) {
      if (current !== null && rankOf(current, tried) === BEST_RANK) return current;
      let best: C | null = null;
      let bestRank = -1;
      for (const candidate of list) {
        if (!ready.has(candidate)) continue;
        const rank = rankOf(candidate, tried);
        if (rank <= bestRank) continue;
        best = candidate;
        bestRank = rank;
        if (rank === BEST_RANK) break;
      }
      // One call's retry elsewhere does not move the others.
      if (best !== null && (current === null || !current.isHealthy)) current = best;
      return best;
    },
  };
}
