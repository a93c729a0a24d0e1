import { type Clock, systemClock } from "../../core/clock.ts";
import { type Random, systemRandom } from "../../core/random.ts";
import type { EtcdError } from "./client.ts";
import { PREFIX_LIMITS, type PrefixLimits } from "./keys.ts";
import { etcdMembers, type EtcdAccess, type EtcdMembers } from "./members.ts";
import { createRedial, type Redial } from "./redial.ts";
import { Session } from "./session.ts";
import { Watch, type WatchListener } from "./watch.ts";

export interface EtcdClusterOptions extends EtcdAccess {
  readonly clock?: Clock;
  readonly random?: Random;
  /** How often, at most, all is read again though nothing seems lost; 60 s by default. */
  readonly relistMs?: number;
  /** PREFIX_LIMITS by default. */
  readonly limits?: PrefixLimits;
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

/** Throws an Error that says what is wrong with the endpoints. */
export function createEtcdCluster(options: EtcdClusterOptions): EtcdCluster {
  return new WatchedCluster(options);
}

const RELIST_MS = 60_000;
/** A connection that held for so long was a good one; shorter, it counts as one more failure in a row. */
const STABLE_MS = 2000;
/** Where etcd says no, somebody has to change something; until then each try costs it a comparison of passwords. */
const REFUSED_WAIT_MS = 5000;

class WatchedCluster implements EtcdCluster {
  readonly clock: Clock;
  private readonly random: Random;
  private readonly relistMs: number;
  private readonly limits: PrefixLimits;
  private readonly members: EtcdMembers;
  private readonly redial: Redial;
  private readonly watches = new Set<Watch>();
  private session: Session | undefined;
  private cancelDial: (() => void) | undefined;

  constructor(options: EtcdClusterOptions) {
    this.clock = options.clock ?? systemClock;
    this.relistMs = options.relistMs ?? RELIST_MS;
    this.limits = options.limits ?? PREFIX_LIMITS;
    this.random = options.random ?? systemRandom;
    this.members = etcdMembers(options);
    this.redial = createRedial(this.members.addresses, this.random);
  }

  watchPrefix(prefix: string, listener: WatchListener): () => void {
    const watch = new Watch(prefix, listener);
    this.watches.add(watch);
    if (this.session !== undefined) this.session.follow(watch);
    else if (this.cancelDial === undefined) this.dial();
    return () => {
      if (!this.watches.delete(watch)) return;
      if (this.watches.size === 0) this.close();
      else this.session?.unfollow(watch);
    };
  }

  close(): void {
    this.watches.clear();
    this.cancelDial?.();
    this.cancelDial = undefined;
    this.session?.close();
    this.session = undefined;
  }

  private dial(): void {
    this.cancelDial = undefined;
    const session = new Session({
      client: this.members.open(this.redial.address),
      clock: this.clock,
      random: this.random,
      relistMs: this.relistMs,
      limits: this.limits,
      onFailed: (error) => this.onFailed(session, error),
    });
    this.session = session;
    for (const watch of this.watches) session.follow(watch);
  }

  private onFailed(session: Session, error: EtcdError): void {
    this.session = undefined;
    const { goodSinceMs } = session;
    const wasGood = goodSinceMs !== undefined && this.clock.now() - goodSinceMs >= STABLE_MS;
    // A token that expired is no trouble: the same member gives another at once.
    if (wasGood && error.isTokenRefused) return this.dial();
    if (wasGood) this.redial.succeeded();
    const waitMs = this.redial.failed();
    const isRefused = !error.isConnectionLost;
    this.cancelDial = this.clock.after(isRefused ? Math.max(waitMs, REFUSED_WAIT_MS) : waitMs, () => this.dial());
    // A listener may end its watch, or the last of all, while it is told.
    for (const watch of [...this.watches]) watch.trouble(error.message);
  }
}
