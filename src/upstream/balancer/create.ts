import type { Random } from "../../core/random.ts";
import type { Balancer, Candidate } from "./balancer.ts";
import { createLeastRequest } from "./least-request.ts";
import type { LoadBalancing } from "./options.ts";
import { createRoundRobin } from "./round-robin.ts";

export interface BalancerContext {
  readonly random: Random;
}

/** The balancer that an upstream asks for, without a candidate yet. */
export function createBalancer<C extends Candidate>(
  { policy }: LoadBalancing,
  { random }: BalancerContext,
): Balancer<C> {
  switch (policy) {
    case "least_request":
      return createLeastRequest(random);
    case "round_robin":
      return createRoundRobin(({ connections }) => connections);
    case "weighted_round_robin":
      return createRoundRobin(({ connections, weight }) => connections * weight);
    default:
      return policy satisfies never;
  }
}
