import { createHash } from "node:crypto";
import { hostname } from "node:os";
import type { UpstreamReadiness } from "./admin/server.ts";
import type { CallTarget } from "./call/call.ts";
import { RetryBudget } from "./call/retry-budget.ts";
import type { UpstreamConfig } from "./config/config.ts";
import type { Clock } from "./core/clock.ts";
import type { Random } from "./core/random.ts";
import type { ResolverSource } from "./resolvers.ts";
import type { UpstreamGauges } from "./telemetry/metrics.ts";
import { importPolicy } from "./upstream/balancer/import-policy.ts";
import type { CreatePicker } from "./upstream/balancer/module.ts";
import type { ConnectionFactory } from "./upstream/connection/connection.ts";
import { createHttp2Connection } from "./upstream/connection/http2.ts";
import type { UpstreamEvent } from "./upstream/event.ts";
import { createUpstream, type Upstream, type UpstreamSettings } from "./upstream/upstream.ts";

interface PoolOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly resolvers: ResolverSource;
  readonly onEvent: (event: UpstreamEvent) => void;
}

interface Entry {
  readonly name: string;
  readonly upstream: Upstream;
  /** Has been ready at least once. */
  wasReady: boolean;
  /** Takes back its end, where no snapshot in force has it. */
  cancelRelease: (() => void) | null;
}

/** The running upstreams, carried over from snapshot to snapshot where their configuration did not change. */
export class UpstreamPool {
  /** Where the gateway is; "" where that is unknown. Before `take`. */
  zone = "";
  private readonly options: PoolOptions;
  /** Keyed by everything in the configuration that cannot change without new connections. */
  private readonly entries = new Map<string, Entry>();
  /** Policies of one's own by their paths. */
  private readonly modules = new Map<string, CreatePicker>();
  private current: readonly string[] = [];
  /** Every upstream of the first configuration was ready: from then on one that is not takes nobody out of service. */
  private wasReady = false;
  private grpcJs: typeof import("./upstream/connection/grpc-js.ts") | null = null;

  constructor(options: PoolOptions) {
    this.options = options;
  }

  /** Imports what these upstreams need; before `take`. */
  async prepare(configs: readonly UpstreamConfig[]): Promise<void> {
    await this.options.resolvers.prepare(configs);
    for (const { loadBalancing } of configs) {
      if (loadBalancing.policy !== "module") continue;
      this.modules.set(loadBalancing.path, await importPolicy(loadBalancing.path));
    }
    // It costs a start 100 ms.
    if (configs.some(({ transport }) => transport === "grpc-js")) {
      this.grpcJs ??= await import("./upstream/connection/grpc-js.ts");
    }
  }

  /** The upstreams of a configuration by name: those that run already, and new ones, which begin to connect now. */
  take(configs: readonly UpstreamConfig[]): ReadonlyMap<string, CallTarget> {
    const targets = new Map<string, CallTarget>();
    const keys: string[] = [];
    for (const config of configs) {
      const key = keyOf(config);
      keys.push(key);
      let entry = this.entries.get(key);
      if (entry === undefined) {
        entry = this.open(config);
        this.entries.set(key, entry);
      } else {
        entry.upstream.update(this.settingsOf(config));
        entry.upstream.budget.update(config.policy.retry.budget);
      }
      targets.set(config.name, entry.upstream);
    }
    this.current = keys;
    return targets;
  }

  /** Ends, after `afterMs`, whatever the last `take` did not ask for: calls of older snapshots have that long. */
  release(afterMs: number): void {
    for (const [key, entry] of this.entries) {
      entry.cancelRelease?.();
      entry.cancelRelease = null;
      if (this.current.includes(key)) continue;
      entry.cancelRelease = this.options.clock.after(afterMs, () => {
        this.entries.delete(key);
        entry.upstream.destroy();
      });
    }
  }

  destroy(): void {
    for (const { upstream } of this.entries.values()) upstream.destroy();
    this.entries.clear();
  }

  /** Ends everything, and what resolvers have in common. */
  async close(): Promise<void> {
    this.destroy();
    await this.options.resolvers.close();
  }

  gauges(): UpstreamGauges[] {
    return this.inForce().map(({ name, upstream }) => {
      const { endpoints, ready, healthy, waiting, queued } = upstream.status();
      return { name, endpoints, ready, healthy, waiting, queued };
    });
  }

  /**
   * Ready once every upstream was ready at least once, and for as long as any is. One upstream that fails later does
   * not take the gateway out of service for the others: its requests get 503, and it is named here.
   */
  readiness(): { ready: boolean; upstreams: UpstreamReadiness[] } {
    const entries = this.inForce();
    const upstreams = entries.map((entry): UpstreamReadiness => {
      const { endpoints, ready, discovery } = entry.upstream.status();
      entry.wasReady ||= ready > 0;
      return {
        name: entry.name,
        ready: ready > 0,
        endpoints,
        readyEndpoints: ready,
        missing: ready > 0 ? "" : endpoints > 0 ? "no instance accepts calls" : missingEndpoints(discovery),
      };
    });
    this.wasReady ||= entries.every((entry) => entry.wasReady);
    return { ready: this.wasReady && upstreams.some((upstream) => upstream.ready), upstreams };
  }

  private inForce(): Entry[] {
    return this.current.flatMap((key) => this.entries.get(key) ?? []);
  }

  private open(config: UpstreamConfig): Entry {
    const { clock, random, resolvers, onEvent } = this.options;
    const upstream = createUpstream({
      name: config.name,
      resolver: resolvers.create(config),
      budget: new RetryBudget(config.policy.retry.budget, clock),
      connect: this.connectionOf(config),
      connectTimeoutMs: config.connectTimeoutMs,
      maxMessageBytes: config.maxMessageBytes,
      maxConnectionsPerEndpoint: config.maxConnectionsPerEndpoint,
      ...this.settingsOf(config),
      fleet: {
        zone: this.zone,
        zonePreference: config.zone,
        client: config.subset?.client ?? hostname(),
        subsetSize: config.subset?.size ?? Infinity,
        maxEndpoints: config.maxEndpoints,
      },
      clock,
      random,
      onEvent,
    });
    return { name: config.name, upstream, wasReady: false, cancelRelease: null };
  }

  private settingsOf({ loadBalancing, policy, removalGuardMs, health }: UpstreamConfig): UpstreamSettings {
    const queue = policy.waitForReady.queue;
    if (loadBalancing.policy !== "module") return { loadBalancing, queue, removalGuardMs, health };
    const createPicker = this.modules.get(loadBalancing.path);
    if (createPicker === undefined) throw new Error("prepare() was not called with this configuration");
    return { loadBalancing: { policy: "module", createPicker }, queue, removalGuardMs, health };
  }

  private connectionOf({ transport, keepalive, tls }: UpstreamConfig): ConnectionFactory {
    if (transport === "grpc-js") {
      if (this.grpcJs === null) throw new Error("prepare() was not called with this configuration");
      return this.grpcJs.createGrpcJsConnection(tls);
    }
    return createHttp2Connection({ keepalive, tls });
  }
}

/** All of it but for what `settingsOf` and new routes take up; so a key that is new is one that needs new connections. */
function keyOf({ tls, health, ...config }: UpstreamConfig): string {
  const { loadBalancing, removalGuardMs, policy, schema, serviceRoutes, autoRoutes, position, ...rest } = config;
  // The contents of certificates count, not their files' names: a reload after they were renewed makes new connections.
  const credentials = tls === null ? null : createHash("sha256").update(JSON.stringify(tls)).digest("base64");
  return JSON.stringify([rest, health.check, credentials]);
}

function missingEndpoints(discovery: string): string {
  if (discovery === "ok") return "discovery tells no instance that takes calls";
  return discovery === "waiting" ? "discovery has not answered yet" : `discovery: ${discovery}`;
}
