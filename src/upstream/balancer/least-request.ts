import type { Random } from "../../core/random.ts";
import { preferred, type Balancer, type Candidate } from "./balancer.ts";

/**
 * The less loaded of two connections drawn at random (Mitzenmacher, "The Power of Two Choices"); load is
 * (in flight + 1) / weight, and a coin decides between equals, or the first of an idle pair would get everything. No
 * latency in it: at low load its noise decides, and an instance that fails at once looks fast.
 */
export function createLeastRequest(random: Random): Balancer {
  return {
    pick<C extends Candidate>(candidates: readonly C[], tried: readonly string[]): C {
      const eligible = preferred(candidates, tried);
      const count = eligible.length;
      const first = Math.floor(random() * count);
      const a = eligible[first] as C; // a balancer is asked only where there are candidates
      if (count === 1) return a;
      // Any but the first: one of the `count - 1` that follow it around the circle.
      const b = eligible[(first + 1 + Math.floor(random() * (count - 1))) % count] as C; // within the list
      const difference = loadOf(a) - loadOf(b);
      if (difference === 0) return random() < 0.5 ? a : b;
      return difference < 0 ? a : b;
    },
  };
}

function loadOf(candidate: Candidate): number {
  return (candidate.inFlight + 1) / candidate.weight;
}
