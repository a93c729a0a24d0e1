import { preferred, type Balancer, type Candidate } from "./balancer.ts";

/**
 * Each connection in its turn, in exact proportion to weight. A connection's `turn` is the time of its next pick on a
 * clock that runs as picks are made (start-time fair queueing, as WFQ schedulers do): whoever joins starts at the
 * present, so others keep their order when the list changes, and whoever was passed over, ejected for one, does not
 * make up for it in a burst.
 */
export function createRoundRobin(): Balancer {
  let present = 0;
  return {
    pick<C extends Candidate>(candidates: readonly C[], tried: readonly string[]): C {
      const eligible = preferred(candidates, tried);
      let chosen = eligible[0] as C; // a balancer is asked only where there are candidates
      for (const candidate of eligible) {
        if (candidate.turn < present) candidate.turn = present;
        if (candidate.turn < chosen.turn) chosen = candidate;
      }
      present = chosen.turn;
      chosen.turn += 1 / chosen.weight;
      return chosen;
    },
  };
}
