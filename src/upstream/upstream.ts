import { isDeepStrictEqual } from "node:util";
import type { CallEvent, CallTarget, Pick } from "../call/call.ts";
import type { RetryBudget } from "../call/retry-budget.ts";
import type { Clock } from "../core/clock.ts";
import { gatewayError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import type { Code } from "../core/code.ts";
import { Dialler } from "./dialler.ts";
import { NO_HASH_KEY, type Balancer } from "./balancer/balancer.ts";
import { createBalancer, type BalancerSpec } from "./balancer/create.ts";
import type { ConnectionFactory, ConnectionState } from "./connection/connection.ts";
import type { UpstreamEvent } from "./event.ts";
import { Fleet, type FleetOptions } from "./fleet.ts";
import { Census } from "./health/census.ts";
import type { HealthOptions } from "./health/options.ts";
import { findOutliers } from "./health/statistics.ts";
import { InstanceList, type InstanceListHost } from "./instance-list.ts";
import { Instance, isLocal, type InstanceListener, type InstanceOptions } from "./instance.ts";
import type { Member } from "./member.ts";
import type { Endpoint, Resolver, ResolverListener } from "./resolver.ts";
import { WaitQueue } from "./wait-queue.ts";
import { localRatio, ZonedBalancer } from "./zones.ts";

/** What may change without touching a connection. */
export interface UpstreamSettings {
  readonly loadBalancing: BalancerSpec;
  /** Calls that may wait for a ready instance at one time. */
  readonly queue: number;
  /** How long instances that discovery lost at once are kept while they stay connected, ms; 0 not at all. */
  readonly removalGuardMs: number;
  /** But for `check`, which stays as it was first. */
  readonly health: HealthOptions;
}

export interface UpstreamOptions extends UpstreamSettings {
  readonly name: string;
  readonly fleet: FleetOptions;
  /** Owned by the upstream: started by it at once, closed with it. */
  readonly resolver: Resolver;
  readonly budget: RetryBudget;
  readonly connect: ConnectionFactory;
  /** As in ConnectionOptions, for each connection. */
  readonly connectTimeoutMs: number;
  readonly maxMessageBytes: number;
  readonly maxConnectionsPerEndpoint: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly onEvent: (event: UpstreamEvent) => void;
}

export interface UpstreamStatus {
  /** Instances in the list. */
  readonly endpoints: number;
  /** Instances with a ready connection. */
  readonly ready: number;
  /** Those of them that are not ejected, and do not say that they do not serve. */
  readonly healthy: number;
  /** Calls that wait for one. */
  readonly waiting: number;
  /** Attempts that wait because every connection of their instance has as many as it takes. */
  readonly queued: number;
  /** `ok`, `waiting` for the first list, or why discovery does not work now. */
  readonly discovery: string;
}

/** The instances of one service: kept connected, and chosen from for each attempt. */
export interface Upstream extends CallTarget {
  status(): UpstreamStatus;
  update(settings: UpstreamSettings): void;
  /** Ends discovery and takes no more calls; those in flight end by themselves. */
  close(): void;
  /** Ends everything now. */
  destroy(): void;
}

export function createUpstream(options: UpstreamOptions): Upstream {
  return new DiscoveredUpstream(options);
}

// Instances that take no more calls, passed over by one pick before it waits.
const MAX_PASSED = 3;
// Calls that wait cut the backoff of broken connections short, but not each of them anew.
const HURRY_INTERVAL_MS = 250;
// Connections that fail one after the other are one reason to look for instances anew.
const LOOK_INTERVAL_MS = 1000;

class DiscoveredUpstream implements Upstream, ResolverListener, InstanceListener, InstanceListHost {
  readonly name: string;
  readonly budget: RetryBudget;
  private readonly options: UpstreamOptions;
  private readonly instanceOptions: InstanceOptions;
  private readonly dialler: Dialler;
  private readonly census: Census;
  private readonly fleet: Fleet;
  private readonly list: InstanceList;
  /** Instances with a ready connection: what the balancer knows. */
  private readonly ready = new Set<Instance>();
  /** Connections of removed instances with attempts in flight. */
  private readonly draining = new Set<Member>();
  private readonly waiting = new WaitQueue();
  private loadBalancing: BalancerSpec;
  private balancer: Balancer<Instance>;
  queue: number;
  private localListed = 0;
  /** Attempts that wait for a stream. */
  private queued = 0;
  private hasList = false;
  private trouble: string | null = null;
  private isClosed = false;
  private lastHurryMs = -Infinity;
  private lastLookMs = -Infinity;
  private stopInterval: () => void;

  constructor(options: UpstreamOptions) {
    const { name, connect, connectTimeoutMs, maxMessageBytes, clock } = options;
    this.name = name;
    this.budget = options.budget;
    this.options = options;
    this.dialler = new Dialler(clock);
    this.instanceOptions = {
      connect,
      connection: { upstream: name, connectTimeoutMs, maxMessageBytes, clock },
      dialler: this.dialler,
      clock,
      load: { inFlight: 0 },
      random: options.random,
      zone: options.fleet.zone,
      maxConnections: options.maxConnectionsPerEndpoint,
      health: { ...options.health },
    };
    this.census = new Census(options.health.panicThreshold, (isPanicking) =>
      options.onEvent({ upstream: name, type: "panic", isPanicking, healthy: this.census.good }),
    );
    this.stopInterval = this.nextInterval();
    this.fleet = new Fleet(options.fleet, (listed, used) =>
      options.onEvent({ upstream: name, type: "endpoints_limited", listed, used }),
    );
    this.list = new InstanceList(options.removalGuardMs, clock, this);
    this.loadBalancing = options.loadBalancing;
    this.balancer = this.createBalancer(options.loadBalancing);
    this.queue = options.queue;
    options.resolver.start(this);
  }

  pick(tried: readonly string[], hashKey = NO_HASH_KEY): Pick | null {
    const instance = this.balancer.pick(tried, hashKey);
    if (instance === null) return null;
    const member = instance.choose();
    return member.connection.hasRoom ? member : this.pickBeside(instance, tried, hashKey);
  }

  /** That one takes no more calls now: another that does, or a place in its queue. */
  private pickBeside(full: Instance, tried: readonly string[], hashKey: number): Pick {
    let passed = tried;
    let last = full;
    for (let passes = 0; passes < MAX_PASSED; passes++) {
      last.waitForRoom();
      passed = [...passed, last.endpoint];
      const other = this.balancer.pick(passed, hashKey);
      if (other === null || !other.isHealthy || passed.includes(other.endpoint)) break;
      const member = other.choose();
      if (member.connection.hasRoom) return member;
      last = other;
    }
    return full.waitForRoom();
  }

  wait(ready: () => void): () => void {
    const { name: upstream, queue } = this;
    if (this.isClosed) throw gatewayError("UPSTREAM_UNAVAILABLE", { upstream }, { retryAfterSeconds: 1 });
    if (this.waiting.size >= queue) {
      throw gatewayError("UPSTREAM_QUEUE_FULL", { upstream, queue }, { retryAfterSeconds: 1 });
    }
    this.hurry();
    return this.waiting.add(ready);
  }

  onCallEvent(type: CallEvent): void {
    this.options.onEvent({ upstream: this.name, type });
  }

  status(): UpstreamStatus {
    return {
      endpoints: this.list.size,
      ready: this.ready.size,
      healthy: this.census.good,
      waiting: this.waiting.size,
      queued: this.queued,
      discovery: this.trouble ?? (this.hasList ? "ok" : "waiting"),
    };
  }

  update({ loadBalancing, queue, removalGuardMs, health }: UpstreamSettings): void {
    this.queue = queue;
    this.instanceOptions.health.outlier = health.outlier;
    this.census.threshold = health.panicThreshold;
    this.judge();
    this.list.removalGuardMs = removalGuardMs;
    if (isDeepStrictEqual(loadBalancing, this.loadBalancing)) return;
    this.loadBalancing = loadBalancing;
    this.balancer.close?.();
    this.balancer = this.createBalancer(loadBalancing);
    this.balancer.list?.(this.list.inOrder);
    for (const instance of this.ready) this.balancer.add(instance);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.options.resolver.close();
    this.dialler.close();
    this.stopInterval();
    for (const instance of this.list) this.drain(instance.close());
    this.list.clear();
    this.balancer.close?.();
    // They find that no instance will come.
    this.waiting.wake();
  }

  destroy(): void {
    this.close();
    for (const member of this.draining) member.connection.destroy();
  }

  // What discovery tells.

  onEndpoints(all: readonly Endpoint[]): void {
    if (this.isClosed) return;
    this.hasList = true;
    this.list.update(this.fleet.choose(all), all.length);
  }

  onTrouble(reason: string): void {
    this.trouble = reason;
    this.options.onEvent({ upstream: this.name, type: "discovery_trouble", reason });
  }

  onRecovered(): void {
    this.trouble = null;
    this.options.onEvent({ upstream: this.name, type: "discovery_recovered" });
  }

  // What becomes of the list.

  createInstance(endpoint: Endpoint): Instance {
    this.options.onEvent({ upstream: this.name, type: "endpoint_added", endpoint: endpoint.address });
    return new Instance(endpoint, this.instanceOptions, this);
  }

  onListed(instance: Instance, endpoint: Endpoint): void {
    const { weight } = instance;
    this.drain(instance.update(endpoint));
    if (weight !== instance.weight && instance.isReady) this.balancer.change(instance);
    this.place(instance, isLocal(endpoint, this.instanceOptions));
  }

  onRemoved(instance: Instance): void {
    this.census.forget(instance);
    this.drain(instance.close());
    this.options.onEvent({ upstream: this.name, type: "endpoint_removed", endpoint: instance.endpoint });
  }

  onListChanged(added: number, removed: number): void {
    const { list } = this;
    this.localListed = list.inOrder.reduce((count, instance) => count + Number(instance.isLocal), 0);
    this.balancer.list?.(list.inOrder);
    this.judge();
    this.options.onEvent({ upstream: this.name, type: "list_updated", endpoints: list.size, added, removed });
  }

  onHeld(endpoints: number): void {
    this.options.onEvent({ upstream: this.name, type: "removal_held", endpoints });
  }

  // What instances tell.

  onConnectionState(instance: Instance, member: Member, state: ConnectionState, reason: string | undefined): void {
    const { endpoint, index } = member;
    if (state === "backoff" && !instance.isReady) instance.isCold = true;
    this.tellBalancer(instance);
    this.count(instance);
    this.options.onEvent({ upstream: this.name, type: "connection_state", endpoint, index, state, reason });
    if (state === "ready") this.waiting.wake();
    else if (reason !== undefined) this.lookAnew();
    this.list.check(instance);
  }

  onSuspect({ endpoint, index, isSuspect }: Member): void {
    this.options.onEvent({ upstream: this.name, type: "connection_suspect", endpoint, index, isSuspect });
  }

  onHealth(instance: Instance): void {
    const { endpoint, isServing } = instance;
    this.tellBalancer(instance);
    this.count(instance);
    this.options.onEvent({ upstream: this.name, type: "endpoint_health", endpoint, isServing });
    if (instance.isReady) this.waiting.wake();
  }

  get isPanicking(): boolean {
    return this.census.isPanicking;
  }

  hasHealthyBeside(instance: Instance): boolean {
    for (const other of this.ready) if (other !== instance && other.isHealthy) return true;
    return false;
  }

  mayEject(instance: Instance): boolean {
    if (!this.list.has(instance)) return false;
    let ejected = 1;
    for (const other of this.ready) if (other.outlier.isEjected) ejected++;
    // With more of them out, the trouble is not theirs.
    return instance.isReady && ejected * 100 <= this.ready.size * instance.outlierOptions.maxEjectionPercent;
  }

  onEjected(instance: Instance, forMs: number): void {
    this.count(instance);
    this.options.onEvent({ upstream: this.name, type: "endpoint_ejected", endpoint: instance.endpoint, forMs });
  }

  onReadmitted(instance: Instance): void {
    this.count(instance);
    this.options.onEvent({ upstream: this.name, type: "endpoint_readmitted", endpoint: instance.endpoint });
  }

  onDone(instance: Instance, startMs: number, code: Code): void {
    this.balancer.done?.(instance, startMs, code);
  }

  get isQueueFull(): boolean {
    return this.queued >= this.queue;
  }

  onQueue(change: 1 | -1): void {
    this.queued += change;
  }

  onQueued(waitMs: number): void {
    this.options.onEvent({ upstream: this.name, type: "call_queued", waitMs });
  }

  onDrained(member: Member): void {
    this.draining.delete(member);
  }

  private count(instance: Instance): void {
    if (this.list.has(instance)) this.census.count(instance);
    this.judge();
  }

  private judge(): void {
    this.census.judge(this.list.size, this.ready.size);
  }

  private nextInterval(): () => void {
    const { outlier } = this.instanceOptions.health;
    return this.options.clock.after(outlier.intervalMs, () => {
      const present = [...this.ready].map((instance) => instance.outlier).filter(({ isEjected }) => !isEjected);
      for (const found of findOutliers(present, outlier)) found.standsOut();
      for (const instance of this.list) instance.endInterval();
      this.stopInterval = this.nextInterval();
    });
  }

  /** It is in this zone now. */
  private place(instance: Instance, isNowLocal: boolean): void {
    if (instance.isLocal === isNowLocal) return;
    const isAdded = this.ready.has(instance);
    if (isAdded) this.balancer.remove(instance);
    this.census.forget(instance);
    instance.isLocal = isNowLocal;
    this.census.count(instance);
    if (isAdded) this.balancer.add(instance);
  }

  private drain(members: readonly Member[]): void {
    for (const member of members) if (member.inFlight > 0) this.draining.add(member);
  }

  private hurry(): void {
    const now = this.options.clock.now();
    if (now - this.lastHurryMs < HURRY_INTERVAL_MS) return;
    this.lastHurryMs = now;
    for (const instance of this.list) {
      for (const member of instance.members) this.dialler.dial(member.connection);
    }
  }

  private createBalancer(spec: BalancerSpec): Balancer<Instance> {
    const { clock, random, onEvent, fleet } = this.options;
    const create = () =>
      createBalancer<Instance>(spec, {
        clock,
        random,
        totalInFlight: () => this.instanceOptions.load.inFlight,
        onModuleFailure: (reason) => onEvent({ upstream: this.name, type: "policy_failed", reason }),
      });
    const { zone, zonePreference } = fleet;
    if (zonePreference === null || zone === "") return create();
    const ratio = () => {
      const { localGood, good } = this.census;
      return localRatio({ localListed: this.localListed, localGood, good }, zonePreference);
    };
    return new ZonedBalancer({ create, ratio, random });
  }

  private tellBalancer(instance: Instance): void {
    const wasReady = this.ready.has(instance);
    if (instance.isReady && wasReady) this.balancer.change(instance);
    else if (instance.isReady) {
      if (instance.isCold) instance.sinceMs = this.options.clock.now();
      instance.isCold = false;
      this.ready.add(instance);
      this.balancer.add(instance);
    } else if (wasReady) {
      this.ready.delete(instance);
      this.balancer.remove(instance);
    }
  }

  private lookAnew(): void {
    const { clock, resolver } = this.options;
    if (resolver.refresh === undefined || this.isClosed || clock.now() - this.lastLookMs < LOOK_INTERVAL_MS) return;
    this.lastLookMs = clock.now();
    resolver.refresh();
  }
}
