import type { Endpoint, Resolver, ResolverListener } from "../../upstream/resolver.ts";
import { isSameList, MAX_ENDPOINTS } from "../endpoint-list.ts";
import type { DiscoveryEvent } from "../events.ts";
import type { EtcdCluster } from "./cluster.ts";
import { type Decoded, decodeValue } from "./decode.ts";
import { servicePrefix } from "./keys.ts";
import type { EtcdEntry } from "./prefix-state.ts";

export interface EtcdResolverOptions {
  readonly cluster: EtcdCluster;
  /** `shop` watches `shop/`. */
  readonly service: string;
  /** Stands before the service, such as `/etcd3_naming/`; none by default. */
  readonly prefix?: string;
  /** Connections per endpoint; 1 by default. */
  readonly connections?: number;
  readonly onEvent?: (event: DiscoveryEvent) => void;
}

/** A deployment writes many keys at once; its changes are told together, at most so often. */
const COALESCE_MS = 10;

/** Bad values of one list that are told one by one: whoever floods a prefix does not flood the log. */
const MAX_REPORTS = 20;

interface BadValue {
  readonly key: string;
  readonly reason: string;
}

/** Endpoints as they are registered in etcd under a service's prefix. The last list outlives every failure of etcd. */
export function createEtcdResolver(options: EtcdResolverOptions): Resolver {
  return new EtcdResolver(options);
}

class EtcdResolver implements Resolver {
  private readonly options: EtcdResolverOptions;
  private readonly prefix: string;
  /** What the current keys say; an entry that did not change is not decoded, nor reported, again. */
  private decoded = new Map<EtcdEntry, Decoded>();
  private told: readonly Endpoint[] | undefined;
  private leftOut = 0;
  private stop: () => void = () => {};
  private cancelTell: (() => void) | undefined;

  constructor(options: EtcdResolverOptions) {
    this.options = options;
    this.prefix = servicePrefix(options.service, options.prefix ?? "");
  }

  start(listener: ResolverListener): void {
    const source = this.prefix;
    const { cluster } = this.options;
    this.stop = cluster.watchPrefix(source, {
      onEntries: (entries, cause) => {
        this.emit(cause.type === "list" ? { ...cause, source, keys: entries.size } : { ...cause, source });
        if (cause.type === "list") this.tell(entries, listener);
        else this.cancelTell ??= cluster.clock.after(COALESCE_MS, () => this.tell(entries, listener));
      },
      onCompacted: (revision) => this.emit({ type: "compacted", source, revision }),
      onTrouble: (reason) => {
        this.emit({ type: "trouble", source, reason });
        listener.onTrouble(reason);
      },
      onRecovered: () => {
        this.emit({ type: "recovered", source });
        listener.onRecovered();
      },
    });
  }

  close(): void {
    this.stop();
    this.cancelTell?.();
  }

  private tell(entries: ReadonlyMap<string, EtcdEntry>, listener: ResolverListener): void {
    this.cancelTell?.();
    this.cancelTell = undefined;
    const endpoints = this.endpointsOf(entries);
    if (this.told !== undefined && isSameList(this.told, endpoints)) return;
    this.told = endpoints;
    this.emit({ type: "endpoints", source: this.prefix, count: endpoints.length });
    listener.onEndpoints(endpoints);
  }

  /**
   * Each address once, in the order of addresses. Where several keys hold one address, the one written last speaks for
   * it: an instance that restarts registers anew before its old lease expires.
   */
  private endpointsOf(entries: ReadonlyMap<string, EtcdEntry>): readonly Endpoint[] {
    const connections = this.options.connections ?? 1;
    const newest = new Map<string, { endpoint: Endpoint; modRevision: bigint }>();
    const decoded = new Map<EtcdEntry, Decoded>();
    const refused: BadValue[] = [];
    for (const entry of entries.values()) {
      let value = this.decoded.get(entry);
      if (value === undefined) {
        value = decodeValue(entry.key, entry.value);
        for (const reason of value.refused) refused.push({ key: entry.key, reason });
      }
      decoded.set(entry, value);
      for (const { address, weight, zone } of value.endpoints) {
        const rival = newest.get(address);
        if (rival !== undefined && rival.modRevision > entry.modRevision) continue;
        newest.set(address, { endpoint: { address, connections, weight, zone }, modRevision: entry.modRevision });
      }
    }
    this.decoded = decoded;
    this.report(refused);
    const endpoints = [...newest.values()].map(({ endpoint }) => endpoint);
    endpoints.sort((a, b) => (a.address < b.address ? -1 : 1));
    this.bound(endpoints);
    return endpoints;
  }

  private report(refused: readonly BadValue[]): void {
    const source = this.prefix;
    for (const { key, reason } of refused.slice(0, MAX_REPORTS)) this.emit({ type: "bad_value", source, key, reason });
    const more = refused.length - MAX_REPORTS;
    if (more > 0) this.emit({ type: "bad_value", source, key: "", reason: `${more} more values were left out` });
  }

  private bound(endpoints: Endpoint[]): void {
    const leftOut = Math.max(0, endpoints.length - MAX_ENDPOINTS);
    endpoints.length -= leftOut;
    if (leftOut > 0 && leftOut !== this.leftOut) {
      this.emit({ type: "too_many", source: this.prefix, count: leftOut });
    }
    this.leftOut = leftOut;
  }

  private emit(event: DiscoveryEvent): void {
    this.options.onEvent?.(event);
  }
}
