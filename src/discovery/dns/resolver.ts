import type { Clock } from "../../core/clock.ts";
import type { Random } from "../../core/random.ts";
import type { Endpoint, Resolver, ResolverListener } from "../../upstream/resolver.ts";
import { isSameList, readEndpoints } from "../endpoint-list.ts";
import type { DiscoveryEvent } from "../events.ts";
import type { DnsTarget } from "../target.ts";
import { createDnsLookup, type DnsAnswer, type DnsLookup } from "./lookup.ts";

export interface DnsOptions {
  /** The DNS is asked again after the records' TTL, but no sooner and no later than these say. */
  readonly minTtlMs: number;
  readonly maxTtlMs: number;
}

export interface DnsResolverOptions extends DnsOptions {
  readonly target: DnsTarget;
  readonly clock: Clock;
  readonly random: Random;
  readonly onEvent?: (event: DiscoveryEvent) => void;
  /** Left out: the DNS. */
  readonly lookup?: DnsLookup;
}

const FIRST_RETRY_MS = 1000;
const RETRY_FACTOR = 1.6;
/** A wait is shortened by up to this share, so that many gateways do not ask together. */
const JITTER_RATIO = 0.1;

/**
 * The addresses that the DNS knows for a name, asked for anew when their TTL is over, and sooner where an instance
 * cannot be reached. Whatever fails, a name that is gone included, leaves the last list in force.
 */
export function createDnsResolver(options: DnsResolverOptions): Resolver {
  return new DnsResolver(options);
}

class DnsResolver implements Resolver {
  private readonly options: DnsResolverOptions;
  private readonly lookup: DnsLookup;
  private told: readonly Endpoint[] | null = null;
  private isTroubled = false;
  private retryMs = FIRST_RETRY_MS;
  private askedMs = 0;
  /** When the next question is due; null while one is under way. */
  private nextMs: number | null = null;
  private cancelNext: () => void = () => {};
  private listener: ResolverListener | null = null;

  constructor(options: DnsResolverOptions) {
    this.options = options;
    this.lookup = options.lookup ?? createDnsLookup(options.target);
  }

  start(listener: ResolverListener): void {
    this.listener = listener;
    void this.ask();
  }

  /** Asks as soon as the least TTL since the last question is over. */
  refresh(): void {
    const { clock, minTtlMs } = this.options;
    if (this.listener === null || this.isTroubled || this.nextMs === null) return;
    const waitMs = Math.max(0, this.askedMs + minTtlMs - clock.now());
    if (clock.now() + waitMs < this.nextMs) this.askLater(waitMs);
  }

  close(): void {
    this.listener = null;
    this.cancelNext();
    this.lookup.close();
  }

  private async ask(): Promise<void> {
    const { clock, minTtlMs, maxTtlMs } = this.options;
    this.nextMs = null;
    this.askedMs = clock.now();
    try {
      const answer = await this.lookup.ask();
      if (this.listener === null) return;
      this.retryMs = FIRST_RETRY_MS;
      this.tell(answer);
      this.askLater(Math.min(Math.max(answer.ttlMs, minTtlMs), maxTtlMs));
    } catch (error) {
      if (this.listener === null) return;
      this.trouble((error as Error).message);
      this.askLater(this.retryMs);
      this.retryMs = Math.min(this.retryMs * RETRY_FACTOR, maxTtlMs);
    }
  }

  private askLater(ms: number): void {
    const { clock, random } = this.options;
    const waitMs = ms * (1 - JITTER_RATIO * random());
    this.nextMs = clock.now() + waitMs;
    this.cancelNext();
    this.cancelNext = clock.after(waitMs, () => void this.ask());
  }

  private tell(answer: DnsAnswer): void {
    const { target, onEvent } = this.options;
    if (this.isTroubled) {
      this.isTroubled = false;
      onEvent?.({ type: "recovered", source: target.name });
      this.listener?.onRecovered();
    }
    const { endpoints } = readEndpoints(answer.endpoints, target.connections);
    if (this.told !== null && isSameList(this.told, endpoints)) return;
    this.told = endpoints;
    onEvent?.({ type: "endpoints", source: target.name, count: endpoints.length });
    this.listener?.onEndpoints(endpoints);
  }

  private trouble(reason: string): void {
    if (this.isTroubled) return;
    this.isTroubled = true;
    this.options.onEvent?.({ type: "trouble", source: this.options.target.name, reason });
    this.listener?.onTrouble(reason);
  }
}
