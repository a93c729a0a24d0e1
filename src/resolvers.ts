import type { UpstreamConfig } from "./config/config.ts";
import type { Clock } from "./core/clock.ts";
import type { Random } from "./core/random.ts";
import { createDnsResolver } from "./discovery/dns/resolver.ts";
import type { EtcdCluster } from "./discovery/etcd/cluster.ts";
import { EndpointCache } from "./discovery/endpoint-cache.ts";
import { createModuleResolver } from "./discovery/module/resolver.ts";
import { defaultDnsOptions } from "./discovery/dns/options.ts";
import { createStaticResolver } from "./discovery/static.ts";
import type { Log } from "./telemetry/log.ts";
import type { Metrics } from "./telemetry/metrics.ts";
import { observeCache, observeDiscovery } from "./telemetry/subscribe.ts";
import type { Resolver } from "./upstream/resolver.ts";

/** Where upstreams get their resolvers from. */
export interface ResolverSource {
  /** Imports what the resolvers of these upstreams need; before `create`. */
  prepare(configs: readonly UpstreamConfig[]): Promise<void>;
  /** The resolver of one upstream, not yet started. */
  create(config: UpstreamConfig): Resolver;
  /** Ends what outlives single resolvers; after these. */
  close(): Promise<void>;
}

export interface ResolversOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
}

interface SharedCluster {
  readonly cluster: EtcdCluster;
  users: number;
}

/** Resolvers that look for themselves. */
export class Resolvers implements ResolverSource {
  private readonly options: ResolversOptions;
  /** One client, and so one watch stream, per etcd cluster; closed with the last resolver that uses it. */
  private readonly clusters = new Map<string, SharedCluster>();
  /** By file. */
  private readonly caches = new Map<string, EndpointCache>();
  private etcd: EtcdParts | null = null;

  constructor(options: ResolversOptions) {
    this.options = options;
  }

  async prepare(configs: readonly UpstreamConfig[]): Promise<void> {
    if (configs.some(({ target }) => target.kind === "etcd")) this.etcd ??= await importEtcd();
    const { clock, log } = this.options;
    for (const file of new Set(configs.flatMap(({ cacheFile }) => cacheFile ?? []))) {
      const cache = this.caches.get(file) ?? (await EndpointCache.open({ file, clock, onEvent: observeCache(log) }));
      this.caches.set(file, cache);
      cache.retain(new Set(configs.filter(({ cacheFile }) => cacheFile === file).map(({ name }) => name)));
    }
  }

  create(config: UpstreamConfig): Resolver {
    const resolver = this.createUncached(config);
    const cache = config.cacheFile === null ? undefined : this.caches.get(config.cacheFile);
    if (cache === undefined) return resolver;
    const { name, target } = config;
    const connections = "connections" in target ? target.connections : null;
    return cache.wrap({ upstream: name, source: sourceOf(config), connections }, resolver);
  }

  async close(): Promise<void> {
    await Promise.all([...this.caches.values()].map((cache) => cache.close()));
  }

  private createUncached(config: UpstreamConfig): Resolver {
    const { target } = config;
    switch (target.kind) {
      case "pass":
        return createStaticResolver(target);
      case "etcd":
        return this.createEtcd(config, target);
      case "dns": {
        const { clock, random, log, metrics } = this.options;
        const { minTtlMs, maxTtlMs } = config.dns ?? defaultDnsOptions;
        const onEvent = observeDiscovery(config.name, log, metrics);
        return createDnsResolver({ target, minTtlMs, maxTtlMs, clock, random, onEvent });
      }
      case "module": {
        const { clock, log, metrics } = this.options;
        const onEvent = observeDiscovery(config.name, log, metrics);
        return createModuleResolver({ target, upstream: config.name, clock, onEvent });
      }
      default:
        return target satisfies never;
    }
  }

  private createEtcd(config: UpstreamConfig, target: UpstreamConfig["target"] & { kind: "etcd" }): Resolver {
    const { clock, random, log, metrics } = this.options;
    if (this.etcd === null) throw new Error("prepare() was not called with this configuration");
    const { createEtcdCluster, createEtcdResolver } = this.etcd;
    const { endpoints = [], tls = null, auth = null, prefix = "" } = config.etcd ?? {};
    const key = JSON.stringify([endpoints, tls, auth]);
    const shared = this.clusters.get(key) ?? {
      cluster: createEtcdCluster({ endpoints, tls, auth, clock, random }),
      users: 0,
    };
    this.clusters.set(key, shared);
    shared.users++;
    const resolver = createEtcdResolver({
      cluster: shared.cluster,
      service: target.service,
      prefix,
      connections: target.connections,
      onEvent: observeDiscovery(config.name, log, metrics),
    });
    return {
      start: (listener) => resolver.start(listener),
      close: () => {
        resolver.close();
        shared.users--;
        if (shared.users > 0) return;
        shared.cluster.close();
        this.clusters.delete(key);
      },
    };
  }
}

/** What brings grpc-js with it: imported where a configuration uses it only, since that costs a start 100 ms. */
type EtcdParts = Pick<typeof import("./discovery/etcd/cluster.ts"), "createEtcdCluster"> &
  Pick<typeof import("./discovery/etcd/resolver.ts"), "createEtcdResolver">;

async function importEtcd(): Promise<EtcdParts> {
  const { createEtcdCluster } = await import("./discovery/etcd/cluster.ts");
  const { createEtcdResolver } = await import("./discovery/etcd/resolver.ts");
  return { createEtcdCluster, createEtcdResolver };
}

/** Which upstreams can have one resolver in common; the same in every process with the same configuration. */
export function resolverKey({ name, target, etcd, dns, cacheFile }: UpstreamConfig): string {
  return JSON.stringify([name, target, etcd, dns, cacheFile]);
}

/** What is looked up and where, without secrets: what a cached list is of. */
function sourceOf({ target, etcd }: UpstreamConfig): string {
  switch (target.kind) {
    case "etcd":
      return JSON.stringify(["etcd", etcd?.endpoints, etcd?.prefix, target.service]);
    case "dns":
      return JSON.stringify(["dns", target.servers, target.name, target.port]);
    case "module":
      return JSON.stringify(["module", target.file]);
    case "pass":
      return "";
    default:
      return target satisfies never;
  }
}

/** Whether a resolver asks anybody: where there are workers, the primary's then asks for all. */
export function isShared({ target }: UpstreamConfig): boolean {
  return target.kind !== "pass";
}
