import type { Clock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import { shareOf, type Balancer, type Candidate } from "./balancer.ts";
import { createConsistentHash } from "./hash/consistent-hash.ts";
import type { HashTableBuild } from "./hash/hash-table.ts";
import { maglevBuild } from "./hash/maglev.ts";
import { ringBuild } from "./hash/ring.ts";
import { createLeastRequest } from "./least-request.ts";
import { createModuleBalancer, type CreatePicker } from "./module.ts";
import type { Hashing, LoadBalancing, SlowStart } from "./options.ts";
import { createPickFirst } from "./pick-first.ts";
import { createRandom } from "./random.ts";
import { createRoundRobin } from "./round-robin.ts";
import { Ramp } from "./slow-start.ts";

/** What an upstream asks for, with what its module exports in place of the module's path. */
export type BalancerSpec =
  | Exclude<LoadBalancing, { readonly policy: "module" }>
  | { readonly policy: "module"; readonly createPicker: CreatePicker };

export interface BalancerContext {
  readonly clock: Clock;
  readonly random: Random;
  /** Attempts that run on all instances. */
  readonly totalInFlight: () => number;
  readonly onModuleFailure: (reason: string) => void;
}

/** The balancer that an upstream asks for, without a candidate yet. */
export function createBalancer<C extends Candidate>(spec: BalancerSpec, context: BalancerContext): Balancer<C> {
  const { clock, random, totalInFlight } = context;
  const ramp = (slowStart: SlowStart | null = null) => (slowStart === null ? null : new Ramp(slowStart, clock));
  const hash = ({ boundedLoad }: Hashing, build: HashTableBuild<C>) =>
    createConsistentHash({ build, boundedLoad, totalInFlight, random, clock });
  switch (spec.policy) {
    case "least_request":
      return createLeastRequest({ random, clock, ramp: ramp(spec.slowStart), decayMs: null });
    case "p2c_ewma":
      return createLeastRequest({ random, clock, ramp: ramp(spec.slowStart), decayMs: spec.decayMs });
    case "round_robin":
      return createRoundRobin<C>(({ connections }) => connections, ramp(spec.slowStart));
    case "weighted_round_robin":
      return createRoundRobin<C>(shareOf, ramp(spec.slowStart));
    case "random":
      return createRandom(random);
    case "pick_first":
      return createPickFirst();
    case "ring_hash":
      return hash(spec, ringBuild(spec.pointsPerEndpoint));
    case "maglev":
      return hash(spec, maglevBuild(spec.tableSize));
    case "module":
      return createModuleBalancer<C>({
        createPicker: spec.createPicker,
        fallback: createLeastRequest({ random, clock, ramp: null, decayMs: null }),
        clock,
        onFailure: context.onModuleFailure,
      });
    default:
      return spec satisfies never;
  }
}
