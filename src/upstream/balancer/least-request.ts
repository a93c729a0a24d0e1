import type { Random } from "../../core/random.ts";
import { rankOf, type Balancer, type Candidate } from "./balancer.ts";
import { Draw, type DrawEntry } from "./draw.ts";

/**
 * The less loaded of two instances drawn at random in proportion to their shares (Mitzenmacher, "The Power of Two
 * Choices"); load is what is in flight per share, and between equals the first drawn is taken: so idle instances get
 * exactly their shares. No latency in it: at low load its noise decides, and an instance that fails at once looks fast.
 */
export function createLeastRequest<C extends Candidate>(random: Random): Balancer<C> {
  const draw = new Draw<C, DrawEntry<C>>(random);
  return {
    add: (candidate) => draw.add({ candidate, share: shareOf(candidate), index: 0 }),
    remove: (candidate) => draw.remove(candidate),
    change: (candidate) => draw.change(candidate, shareOf(candidate)),
    pick(tried) {
      const a = draw.draw(tried);
      if (a === undefined) return null;
      const b = draw.draw(tried, a);
      if (b === undefined || rankOf(b.candidate, tried) < rankOf(a.candidate, tried)) return a.candidate;
      return loadOf(b) < loadOf(a) ? b.candidate : a.candidate;
    },
  };
}

function shareOf({ weight, connections }: Candidate): number {
  return weight * connections;
}

function loadOf({ candidate, share }: DrawEntry<Candidate>): number {
  return candidate.inFlight / share;
}
