import type { Code } from "../../core/code.ts";

/** An instance as a balancer sees it. */
export interface Candidate {
  /** `host:port`; unique. */
  readonly endpoint: string;
  /** Relative share as discovery tells it, above 0. */
  readonly weight: number;
  /** Ready connections; its share is in proportion to them, too. 0 while it is not ready. */
  readonly connections: number;
  /** Attempts that run on all its connections. */
  readonly inFlight: number;
  /** False while it is ejected or gives no sign of life. */
  readonly isHealthy: boolean;
  /** `weight` times all its connections, ready or not. */
  readonly capacity: number;
  /** When it came, or came back after it could not be reached; ms on the clock's axis. */
  readonly sinceMs: number;
}

/** Asks for no instance in particular. */
export const NO_HASH_KEY = -1;

/**
 * A policy: chooses one of the ready instances for each attempt. It keeps what it needs of each between `add` and
 * `remove`, so that neither a pick nor a change costs more where there are many.
 */
export interface Balancer<C extends Candidate> {
  /** It became ready. */
  add(candidate: C): void;
  /** It is ready no more; never for one that was not added. */
  remove(candidate: C): void;
  /** Its weight or number of connections is another now; only between `add` and `remove`. */
  change(candidate: C): void;
  /** The whole list, ready or not, in discovery's order; after every change of it. */
  list?(candidates: readonly C[]): void;
  /**
   * One of those added; null only where there is none. Instances that this call has not tried come first, and among
   * them those in good health. `hashKey` is what the request is known by, a whole number in [0, 2^32), or NO_HASH_KEY.
   */
  pick(tried: readonly string[], hashKey: number): C | null;
  /**
   * An attempt has ended; `code` is CANCELLED where its owner gave it up, which says nothing of the instance. `startMs`
   * is on the clock's axis. The instance may have been removed meanwhile.
   */
  done?(candidate: C, startMs: number, code: Code): void;
  /** Ends its timers; nothing is asked of it after this. */
  close?(): void;
}

/** Its part of what is shared, in proportion to that of others. */
export function shareOf({ weight, connections }: Candidate): number {
  return weight * connections;
}

/** How good a choice it is: not tried before by this call, then in good health. */
export function rankOf(candidate: Candidate, tried: readonly string[]): 0 | 1 | 2 | 3 {
  const isFresh = tried.length === 0 || !tried.includes(candidate.endpoint);
  return isFresh ? (candidate.isHealthy ? 3 : 2) : candidate.isHealthy ? 1 : 0;
}

export const BEST_RANK = 3;
