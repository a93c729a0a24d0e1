import { NO_HASH_KEY, type Balancer, type Candidate } from "../../src/upstream/balancer/balancer.ts";

/** An instance that is nothing but what a test says of it. */
export type FakeCandidate = { -readonly [K in keyof Candidate]: Candidate[K] };

export function candidate(endpoint: string, rest: Partial<Candidate> = {}): FakeCandidate {
  return { endpoint, weight: 1, connections: 1, capacity: 1, inFlight: 0, isHealthy: true, sinceMs: 0, ...rest };
}

/** Lists them and adds them as ready. */
export function fill<C extends Candidate>(balancer: Balancer<C>, candidates: readonly C[]): Balancer<C> {
  balancer.list?.(candidates);
  for (const one of candidates) balancer.add(one);
  return balancer;
}

/** How often each endpoint is picked. */
export function count(
  balancer: Balancer<FakeCandidate>,
  picks: number,
  tried: readonly string[] = [],
): Record<string, number> {
  const shares: Record<string, number> = {};
  for (let i = 0; i < picks; i++) {
    const endpoint = balancer.pick(tried, NO_HASH_KEY)?.endpoint ?? "none";
    shares[endpoint] = (shares[endpoint] ?? 0) + 1;
  }
  return shares;
}
