import type { Endpoint, Resolver, ResolverListener } from "../upstream/resolver.ts";
import type { DiscoveryMessage } from "./messages.ts";

interface Told {
  /** Null before the first list. */
  endpoints: readonly Endpoint[] | null;
  trouble: string | null;
  listener: ResolverListener | null;
}

/** A worker's side of discovery: resolvers that say what the primary's said. */
export class DiscoveryFeed {
  private readonly told = new Map<string, Told>();
  private readonly onRefresh: (key: string) => void;

  /** `onRefresh`: tells the primary to look anew. */
  constructor(onRefresh: (key: string) => void) {
    this.onRefresh = onRefresh;
  }

  take(message: DiscoveryMessage): void {
    if (message.type === "ended") return void this.told.delete(message.key);
    const told = this.of(message.key);
    switch (message.type) {
      case "endpoints":
        told.endpoints = message.endpoints;
        return told.listener?.onEndpoints(message.endpoints);
      case "trouble":
        told.trouble = message.reason;
        return told.listener?.onTrouble(message.reason);
      case "recovered":
        told.trouble = null;
        return told.listener?.onRecovered();
      default:
        message satisfies never;
    }
  }

  resolver(key: string): Resolver {
    let told: Told | null = null;
    return {
      start: (listener) => {
        told = this.of(key);
        told.listener = listener;
        if (told.endpoints !== null) listener.onEndpoints(told.endpoints);
        if (told.trouble !== null) listener.onTrouble(told.trouble);
      },
      refresh: () => this.onRefresh(key),
      close() {
        if (told !== null) told.listener = null;
      },
    };
  }

  private of(key: string): Told {
    const told = this.told.get(key) ?? { endpoints: null, trouble: null, listener: null };
    this.told.set(key, told);
    return told;
  }
}
