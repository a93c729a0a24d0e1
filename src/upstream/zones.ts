import type { Code } from "../core/code.ts";
import type { Random } from "../core/random.ts";
import { BEST_RANK, rankOf, type Balancer, type Candidate } from "./balancer/balancer.ts";

/** How the gateway's own zone is preferred. */
export interface ZonePreference {
  /** With fewer of the zone's instances in good health, in percent, what they would be missing goes elsewhere. */
  readonly spillBelow: number;
  /** With fewer listed instances in the zone there is no preference. */
  readonly minEndpoints: number;
}

export interface ZoneCounts {
  /** Listed instances of the own zone, and those in good health, there and everywhere. */
  readonly localListed: number;
  readonly localGood: number;
  readonly good: number;
}

/**
 * What part of the calls stays in the zone: all as long as enough of its instances are in good health, then in
 * proportion to those that are (Envoy, "Priority levels", whose overprovisioning factor of 1.4 is `spillBelow` of 71).
 */
export function localRatio({ localListed, localGood, good }: ZoneCounts, preference: ZonePreference): number {
  if (localGood === 0) return 0;
  if (localListed < preference.minEndpoints) return localGood / good;
  return Math.min(1, (localGood * 100) / (localListed * preference.spillBelow));
}

interface ZoneCandidate extends Candidate {
  readonly isLocal: boolean;
}

export interface ZonedOptions<C extends ZoneCandidate> {
  readonly create: () => Balancer<C>;
  /** In [0, 1]; read at each pick. */
  readonly ratio: () => number;
  readonly random: Random;
}

/** One policy for the instances of the gateway's zone and one for all others; the ratio says which of them is asked first. */
export class ZonedBalancer<C extends ZoneCandidate> implements Balancer<C> {
  private readonly local: Balancer<C>;
  private readonly others: Balancer<C>;
  private readonly options: ZonedOptions<C>;

  constructor(options: ZonedOptions<C>) {
    this.options = options;
    this.local = options.create();
    this.others = options.create();
  }

  add(candidate: C): void {
    this.of(candidate).add(candidate);
  }

  remove(candidate: C): void {
    this.of(candidate).remove(candidate);
  }

  change(candidate: C): void {
    this.of(candidate).change(candidate);
  }

  list(candidates: readonly C[]): void {
    this.local.list?.(candidates.filter(({ isLocal }) => isLocal));
    this.others.list?.(candidates.filter(({ isLocal }) => !isLocal));
  }

  pick(tried: readonly string[], hashKey: number): C | null {
    const staysLocal = this.staysLocal(hashKey);
    const first = (staysLocal ? this.local : this.others).pick(tried, hashKey);
    if (first !== null && rankOf(first, tried) === BEST_RANK) return first;
    const second = (staysLocal ? this.others : this.local).pick(tried, hashKey);
    if (first === null || second === null) return first ?? second;
    return rankOf(second, tried) > rankOf(first, tried) ? second : first;
  }

  done(candidate: C, startMs: number, code: Code): void {
    this.of(candidate).done?.(candidate, startMs, code);
  }

  close(): void {
    this.local.close?.();
    this.others.close?.();
  }

  private staysLocal(hashKey: number): boolean {
    const ratio = this.options.ratio();
    if (ratio >= 1 || ratio === 0) return ratio >= 1;
    // The same request stays on its side; by other bits than those that place it there.
    const lot = hashKey < 0 ? this.options.random() : (Math.imul(hashKey, 0x9e3779b1) >>> 0) / 2 ** 32;
    return lot < ratio;
  }

  private of({ isLocal }: C): Balancer<C> {
    return isLocal ? this.local : this.others;
  }
}
