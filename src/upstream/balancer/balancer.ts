/** A ready connection as a balancer sees it. */
export interface Candidate {
  /** Address of the instance; several connections may share it. */
  readonly endpoint: string;
  /** Relative share, above 0. */
  readonly weight: number;
  /** Attempts that run on this connection. */
  readonly inFlight: number;
  /** False while its instance is ejected. */
  readonly isHealthy: boolean;
  /** The balancer's own mark; 0 at first. */
  turn: number;
}

/** A policy: chooses one of the ready connections. */
export interface Balancer {
  /** `candidates` is not empty, `tried` holds the endpoints that this call has tried. */
  pick<C extends Candidate>(candidates: readonly C[], tried: readonly string[]): C;
}

/**
 * The best class of candidates, never empty where there is any: instances that this call has not tried before those
 * that it has, and among each, healthy ones before ejected ones.
 */
export function preferred<C extends Candidate>(candidates: readonly C[], tried: readonly string[]): readonly C[] {
  let best = -1;
  let count = 0;
  for (const candidate of candidates) {
    const rank = rankOf(candidate, tried);
    if (rank > best) {
      best = rank;
      count = 1;
    } else if (rank === best) {
      count++;
    }
  }
  // The usual case, in which nothing is allocated.
  if (count === candidates.length) return candidates;
  return candidates.filter((candidate) => rankOf(candidate, tried) === best);
}

function rankOf(candidate: Candidate, tried: readonly string[]): number {
  const isFresh = tried.length === 0 || !tried.includes(candidate.endpoint);
  return (isFresh ? 2 : 0) + (candidate.isHealthy ? 1 : 0);
}
