import type { Endpoint, Resolver, ResolverListener } from "../upstream/resolver.ts";
import type { DiscoveryMessage } from "./messages.ts";

export interface HubOptions {
  /** To every worker. */
  readonly tell: (message: DiscoveryMessage) => void;
  /** For the log; `name` is the upstream's. */
  readonly onTrouble: (name: string, reason: string) => void;
  readonly onRecovered: (name: string) => void;
  /** Runs `fn` once after `ms`; the result cancels it. */
  readonly after: (ms: number, fn: () => void) => () => void;
}

export interface HubSource {
  readonly key: string;
  readonly name: string;
  readonly create: () => Resolver;
}

interface Entry {
  readonly resolver: Resolver;
  endpoints: readonly Endpoint[] | null;
  trouble: string | null;
  /** Takes back its end, where no configuration in force has it. */
  cancelRelease: (() => void) | null;
}

/** The primary's side of discovery: one resolver for each upstream, whatever the number of workers. */
export class DiscoveryHub {
  private readonly options: HubOptions;
  private readonly entries = new Map<string, Entry>();

  constructor(options: HubOptions) {
    this.options = options;
  }

  /** Starts those of a configuration that do not run yet; those that it does not have end after `releaseMs`. */
  take(sources: readonly HubSource[], releaseMs: number): void {
    const wanted = new Map(sources.map((source) => [source.key, source]));
    for (const [key, entry] of this.entries) {
      entry.cancelRelease?.();
      entry.cancelRelease = wanted.has(key) ? null : this.options.after(releaseMs, () => this.end(key, entry));
    }
    for (const source of wanted.values()) if (!this.entries.has(source.key)) this.start(source);
  }

  /** An instance of this resolver's list cannot be reached. */
  refresh(key: string): void {
    this.entries.get(key)?.resolver.refresh?.();
  }

  /** All that a worker which starts now has missed. */
  *known(): Iterable<DiscoveryMessage> {
    for (const [key, { endpoints, trouble }] of this.entries) {
      if (endpoints !== null) yield { type: "endpoints", key, endpoints };
      if (trouble !== null) yield { type: "trouble", key, reason: trouble };
    }
  }

  close(): void {
    for (const { resolver, cancelRelease } of this.entries.values()) {
      cancelRelease?.();
      resolver.close();
    }
    this.entries.clear();
  }

  private start({ key, name, create }: HubSource): void {
    const { tell, onTrouble, onRecovered } = this.options;
    const entry: Entry = { resolver: create(), endpoints: null, trouble: null, cancelRelease: null };
    this.entries.set(key, entry);
    const listener: ResolverListener = {
      onEndpoints(endpoints) {
        entry.endpoints = endpoints;
        tell({ type: "endpoints", key, endpoints });
      },
      onTrouble(reason) {
        entry.trouble = reason;
        onTrouble(name, reason);
        tell({ type: "trouble", key, reason });
      },
      onRecovered() {
        entry.trouble = null;
        onRecovered(name);
        tell({ type: "recovered", key });
      },
    };
    entry.resolver.start(listener);
  }

  private end(key: string, { resolver }: Entry): void {
    this.entries.delete(key);
    resolver.close();
    this.options.tell({ type: "ended", key });
  }
}
