import { type Clock, systemClock } from "../../core/clock.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import { openEtcd, parseEtcdEndpoints } from "./client.ts";
import { createRedial, type Redial } from "./redial.ts";
import { Session } from "./session.ts";
import { Watch, type WatchListener } from "./watch.ts";

export interface EtcdClusterOptions {
  /** Members, `http://host:port` or `host:port` each; at least one. */
  readonly endpoints: readonly string[];
  readonly clock?: Clock;
  readonly random?: Random;
  /** How often all is read again though nothing seems lost; 60 s by default. */
  readonly relistMs?: number;
}

/** An etcd cluster whose prefixes are watched: one connection and one watch stream for all of them. */
export interface EtcdCluster {
  readonly clock: Clock;
  /**
   * Follows the keys that start with `prefix` through every failure of etcd, until the result is called. While there
   * is no prefix to watch, there is no connection.
   */
  watchPrefix(prefix: string, listener: WatchListener): () => void;
  /** Ends all watches; nothing is told after. */
  close(): void;
}

/** Throws an Error that names an endpoint which cannot be read. */
export function createEtcdCluster(options: EtcdClusterOptions): EtcdCluster {
  return new WatchedCluster(options);
}

const RELIST_MS = 60_000;
/** A connection that held for so long was a good one; shorter, it counts as one more failure in a row. */
const STABLE_MS = 2000;

class WatchedCluster implements EtcdCluster {
  readonly clock: Clock;
  readonly #relistMs: number;
  readonly #redial: Redial;
  readonly #watches = new Set<Watch>();
  #session: Session | undefined;
  #cancelDial: (() => void) | undefined;

  constructor(options: EtcdClusterOptions) {
    this.clock = options.clock ?? systemClock;
    this.#relistMs = options.relistMs ?? RELIST_MS;
    this.#redial = createRedial(parseEtcdEndpoints(options.endpoints), options.random ?? systemRandom);
  }

  watchPrefix(prefix: string, listener: WatchListener): () => void {
    const watch = new Watch(prefix, listener);
    this.#watches.add(watch);
    if (this.#session !== undefined) this.#session.follow(watch);
    else if (this.#cancelDial === undefined) this.#dial();
    return () => {
      if (!this.#watches.delete(watch)) return;
      if (this.#watches.size === 0) this.close();
      else this.#session?.unfollow(watch);
    };
  }

  close(): void {
    this.#watches.clear();
    this.#cancelDial?.();
    this.#cancelDial = undefined;
    this.#session?.close();
    this.#session = undefined;
  }

  #dial(): void {
    this.#cancelDial = undefined;
    const session = new Session({
      client: openEtcd(this.#redial.address),
      clock: this.clock,
      relistMs: this.#relistMs,
      onFailed: (reason) => this.#onFailed(session, reason),
    });
    this.#session = session;
    for (const watch of this.#watches) session.follow(watch);
  }

  #onFailed(session: Session, reason: string): void {
    this.#session = undefined;
    const { goodSinceMs } = session;
    if (goodSinceMs !== undefined && this.clock.now() - goodSinceMs >= STABLE_MS) this.#redial.succeeded();
    this.#cancelDial = this.clock.after(this.#redial.failed(), () => this.#dial());
    // A listener may end its watch, or the last of all, while it is told.
    for (const watch of [...this.#watches]) watch.trouble(reason);
  }
}
