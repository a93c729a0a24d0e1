import type { Clock } from "../core/clock.ts";
import type { Instance } from "./instance.ts";
import { RemovalGuard } from "./removal-guard.ts";
import type { Endpoint } from "./resolver.ts";

/** What becomes of instances as lists come. */
export interface InstanceListHost {
  createInstance(endpoint: Endpoint): Instance;
  /** It is in a list, for the first time or again. */
  onListed(instance: Instance, endpoint: Endpoint): void;
  /** It is in the list no more, and closed by this. */
  onRemoved(instance: Instance): void;
  /** After each change. */
  onListChanged(added: number, removed: number): void;
  /** So many that a list misses are kept, since it is in doubt. */
  onHeld(count: number): void;
}

/** The instances of an upstream: those of discovery's last list, and those that are kept while that list is in doubt. */
export class InstanceList implements Iterable<Instance> {
  /** In discovery's order, with those that are kept behind. */
  inOrder: readonly Instance[] = [];
  private readonly byAddress = new Map<string, Instance>();
  private readonly held = new Set<Instance>();
  private readonly guard: RemovalGuard;
  private readonly host: InstanceListHost;
  /** Endpoints that the last list had, whether they are used or not. */
  private known = 0;

  constructor(removalGuardMs: number, clock: Clock, host: InstanceListHost) {
    this.guard = new RemovalGuard(removalGuardMs, clock, () => this.letGo([...this.held]));
    this.host = host;
  }

  set removalGuardMs(ms: number) {
    this.guard.limitMs = ms;
  }

  get size(): number {
    return this.byAddress.size;
  }

  has(instance: Instance): boolean {
    return this.byAddress.get(instance.endpoint) === instance;
  }

  [Symbol.iterator](): Iterator<Instance> {
    return this.byAddress.values();
  }

  /** Takes over a list of `listed` endpoints of which these are to be used. */
  update(endpoints: readonly Endpoint[], listed: number): void {
    const isInDoubt = this.guard.doubts(this.known, listed);
    this.known = listed;
    const weights = new Map(endpoints.map(({ address, weight }) => [address, weight]));
    this.held.clear();
    let removed = 0;
    for (const instance of this) {
      const weight = weights.get(instance.endpoint);
      if (weight !== undefined && weight > 0) continue;
      if (weight === undefined && isInDoubt && instance.mayServe) {
        this.held.add(instance);
      } else {
        removed++;
        this.remove(instance);
      }
    }
    let added = 0;
    for (const endpoint of endpoints) {
      if (endpoint.weight === 0) continue;
      let instance = this.byAddress.get(endpoint.address);
      if (instance === undefined) {
        added++;
        instance = this.host.createInstance(endpoint);
        this.byAddress.set(endpoint.address, instance);
      }
      this.host.onListed(instance, endpoint);
    }
    this.inOrder = endpoints.flatMap(({ address }) => this.byAddress.get(address) ?? []).concat(...this.held);
    this.host.onListChanged(added, removed);
    if (this.held.size > 0) this.host.onHeld(this.held.size);
  }

  /** What is kept only because it serves goes when it does so no more. */
  check(instance: Instance): void {
    if (this.held.has(instance) && !instance.mayServe) this.letGo([instance]);
  }

  /** Forgets all of them; their owner closes them. */
  clear(): void {
    this.guard.end();
    this.byAddress.clear();
  }

  /** Discovery was right. */
  private letGo(instances: readonly Instance[]): void {
    for (const instance of instances) this.remove(instance);
    this.inOrder = this.inOrder.filter((instance) => !instances.includes(instance));
    this.host.onListChanged(0, instances.length);
  }

  private remove(instance: Instance): void {
    this.byAddress.delete(instance.endpoint);
    this.held.delete(instance);
    this.host.onRemoved(instance);
  }
}
