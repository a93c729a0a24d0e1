export type BalancerPolicy = "least_request" | "round_robin" | "weighted_round_robin";

export interface LoadBalancing {
  readonly policy: BalancerPolicy;
}
