import type { Clock } from "../../core/clock.ts";
import type { Code } from "../../core/code.ts";
import { thrownText } from "../../core/thrown.ts";
import { NO_HASH_KEY, type Balancer, type Candidate } from "./balancer.ts";

/** A ready instance as a module sees it: the same object for as long as it is ready, with figures of the moment. */
export interface ReadyEndpoint {
  /** `host:port` */
  readonly address: string;
  /** Relative share as discovery tells it, above 0. */
  readonly weight: number;
  /** Ready connections. */
  readonly connections: number;
  /** Attempts that run on it now. */
  readonly inFlight: number;
  /** False while it is ejected or gives no sign of life. */
  readonly isHealthy: boolean;
}

/** What a module chooses with. */
export interface Picker {
  /**
   * One of the endpoints that it was made with. `tried` are addresses that this call has tried; `hashKey` is what
   * `hash_on` makes of the request, a whole number in [0, 2^32), or undefined.
   */
  pick(tried: readonly string[], hashKey: number | undefined): ReadyEndpoint;
  /** An attempt has ended, by its gRPC status; 1, CANCELLED, where the client went. */
  done?(endpoint: ReadyEndpoint, latencyMs: number, code: number): void;
}

/** The default export of a module: called with the ready endpoints, at least one, whenever they are others. */
export type CreatePicker = (endpoints: readonly ReadyEndpoint[]) => Picker;

export interface ModuleOptions<C extends Candidate> {
  readonly createPicker: CreatePicker;
  /** Chooses where the module fails. */
  readonly fallback: Balancer<C>;
  readonly clock: Clock;
  /** Called once, with what it did first that it may not. */
  readonly onFailure: (reason: string) => void;
}

/** A policy that somebody else wrote. What it throws, or gives that is no ready endpoint, ends here. */
export function createModuleBalancer<C extends Candidate>(options: ModuleOptions<C>): Balancer<C> {
  return new ModuleBalancer(options);
}

class ModuleBalancer<C extends Candidate> implements Balancer<C> {
  private readonly options: ModuleOptions<C>;
  private readonly endpoints = new Map<C, EndpointView>();
  private readonly candidates = new Map<ReadyEndpoint, C>();
  /** Null until it is asked for, after a change. */
  private picker: Picker | null = null;
  private hasFailed = false;

  constructor(options: ModuleOptions<C>) {
    this.options = options;
  }

  add(candidate: C): void {
    const endpoint = new EndpointView(candidate);
    this.endpoints.set(candidate, endpoint);
    this.candidates.set(endpoint, candidate);
    this.options.fallback.add(candidate);
    this.picker = null;
  }

  remove(candidate: C): void {
    const endpoint = this.endpoints.get(candidate);
    if (endpoint !== undefined) this.candidates.delete(endpoint);
    this.endpoints.delete(candidate);
    this.options.fallback.remove(candidate);
    this.picker = null;
  }

  change(candidate: C): void {
    this.options.fallback.change(candidate);
    this.picker = null;
  }

  pick(tried: readonly string[], hashKey: number): C | null {
    const { createPicker, fallback } = this.options;
    if (this.endpoints.size === 0) return null;
    try {
      this.picker ??= createPicker([...this.endpoints.values()]);
      const picked = this.picker.pick(tried, hashKey === NO_HASH_KEY ? undefined : hashKey);
      const chosen = this.candidates.get(picked);
      if (chosen !== undefined) return chosen;
      this.fail("pick() gave none of the ready endpoints");
      this.watch(picked);
    } catch (error) {
      this.fail(thrownText(error));
    }
    return fallback.pick(tried, hashKey);
  }

  done(candidate: C, startMs: number, code: Code): void {
    const { fallback, clock } = this.options;
    fallback.done?.(candidate, startMs, code);
    const endpoint = this.endpoints.get(candidate);
    if (endpoint === undefined) return;
    try {
      this.watch(this.picker?.done?.(endpoint, clock.now() - startMs, code));
    } catch (error) {
      this.fail(thrownText(error));
    }
  }

  /** A promise that is rejected and has nobody to hear it would end the process. */
  private watch(given: unknown): void {
    if (given instanceof Promise) given.catch((error: unknown) => this.fail(thrownText(error)));
  }

  private fail(reason: string): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    this.options.onFailure(reason);
  }
}

/** Hands out figures of the moment. */
class EndpointView implements ReadyEndpoint {
  private readonly candidate: Candidate;

  constructor(candidate: Candidate) {
    this.candidate = candidate;
  }
  get address(): string {
    return this.candidate.endpoint;
  }
  get weight(): number {
    return this.candidate.weight;
  }
  get connections(): number {
    return this.candidate.connections;
  }
  get inFlight(): number {
    return this.candidate.inFlight;
  }
  get isHealthy(): boolean {
    return this.candidate.isHealthy;
  }
}
