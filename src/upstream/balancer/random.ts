import type { Random } from "../../core/random.ts";
import { shareOf, type Balancer, type Candidate } from "./balancer.ts";
import { Draw, type DrawEntry } from "./draw.ts";

/** Any instance, as likely as its share is large. */
export function createRandom<C extends Candidate>(random: Random): Balancer<C> {
  const draw = new Draw<C, DrawEntry<C>>(random);
  return {
    add: (candidate) => draw.add({ candidate, share: shareOf(candidate), index: 0 }),
    remove: (candidate) => draw.remove(candidate),
    change: (candidate) => draw.change(candidate),
    pick: (tried) => draw.draw(tried)?.candidate ?? null,
  };
}
