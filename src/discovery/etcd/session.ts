import type { Clock } from "../../core/clock.ts";
import { Code } from "../../core/code.ts";
import type { Random } from "../../core/random.ts";
import type { ListReason } from "../events.ts";
import { EtcdError, type EtcdClient, type EtcdStream } from "./client.ts";
import { prefixEnd, type PrefixLimits } from "./keys.ts";
import { type EtcdList, listPrefix, PrefixTooLarge } from "./list.ts";
import { etcdRpc, type WatchEvent, type WatchRequest, type WatchResponse } from "./rpc.ts";
import type { Watch } from "./watch.ts";

export interface SessionOptions {
  /** Owned by the session, which closes it. */
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly relistMs: number;
  readonly limits: PrefixLimits;
  /** Told once, when the connection cannot be trusted any more; not after `close`. */
  onFailed(error: EtcdError): void;
}

// A hung etcd is found after silence and an unanswered read: 4 s. HTTP/2 pings would have to be rarer: etcd closes
// connections that ping more often than every 5 s (its --grpc-keepalive-min-time).
const SILENCE_MS = 2000;
const PROBE_TIMEOUT_MS = 2000;
const RETRY_MS = 1000;
/** A period of reads is shortened by up to this share, so that many gateways do not read at the same moments. */
const RELIST_JITTER_RATIO = 0.2;

/** A watch as this session follows it. */
interface Followed {
  readonly watch: Watch;
  /** Counts its lists; an answer to any but the last is stale. */
  lists: number;
  /** Of the watch on the stream; undefined until it was asked for. */
  id: string | undefined;
  /** Parts of a response that etcd split; they make sense only together. */
  fragments: WatchEvent[];
  cancelRetry: () => void;
}

/**
 * All watches over one connection and one watch stream.
 *
 * Each watch is listed at a revision and followed from the next one. A broken stream ends the session, and the next
 * session lists again rather than resuming at the revision where this one was: etcd may have come back with other data
 * (wiped, restored) and a revision beyond ours, which a resumed watch would never notice. The list is compared with
 * what is known, so that listeners hear of differences only.
 * Whatever is odd within a session (a revision that goes back, a canceled watch) ends in a list as well.
 */
export class Session {
  private readonly options: SessionOptions;
  private readonly stream: EtcdStream<WatchRequest>;
  private readonly followed = new Map<Watch, Followed>();
  private readonly byId = new Map<string, Followed>();
  /** Watches that were asked for, in order: etcd answers in this order, and a refusal may carry no id. */
  private readonly asked: { readonly id: string; readonly followed: Followed }[] = [];
  private lastId = 0;
  private lastHeardMs: number;
  private cancelProbe: () => void = () => {};
  private cancelRelist: () => void = () => {};
  /** Since when watches run, by the clock; undefined before. */
  goodSinceMs: number | undefined;
  private ended = false;

  constructor(options: SessionOptions) {
    this.options = options;
    this.lastHeardMs = options.clock.now();
    this.stream = options.client.stream(etcdRpc.watch, {
      onMessage: (response) => this.onResponse(response),
      onEnd: (error) => this.fail(error),
    });
    this.probeLater(SILENCE_MS);
    this.relistLater();
  }

  follow(watch: Watch): void {
    const followed: Followed = { watch, lists: 0, id: undefined, fragments: [], cancelRetry: () => {} };
    this.followed.set(watch, followed);
    void this.list(followed, watch.state.revision === 0n ? "start" : "reconnect");
  }

  unfollow(watch: Watch): void {
    const followed = this.followed.get(watch);
    if (followed === undefined) return;
    followed.cancelRetry();
    this.followed.delete(watch);
    this.cancelWatch(followed);
  }

  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.cancelProbe();
    this.cancelRelist();
    for (const followed of this.followed.values()) followed.cancelRetry();
    this.options.client.close();
  }

  private fail(error: EtcdError): void {
    if (this.ended) return;
    this.close();
    this.options.onFailed(error);
  }

  /** Reads the prefix and follows it from there on. */
  private async list(followed: Followed, reason: ListReason): Promise<void> {
    const { watch } = followed;
    const number = ++followed.lists;
    const knownBefore = watch.state.revision;
    const list = await this.read(followed);
    if (list === undefined || this.isStale(followed, number)) return;
    if (reason === "periodic") {
      // The read shows all that was known when it began, unless etcd lost data.
      if (list.revision < knownBefore) return this.fail(revisionWentBack(knownBefore, list.revision));
      // Events that came during the read are news to it; it says nothing then.
      if (list.revision < watch.state.revision) return;
    }
    const changed = watch.state.applyList(list);
    watch.listener.onEntries(watch.state.entries, { type: "list", reason, revision: list.revision, changed });
    // A periodic list that differs may have overtaken an event, or the watch has lost one: a new watch is sure.
    if (changed || reason !== "periodic") this.createWatch(followed);
  }

  private async read(followed: Followed): Promise<EtcdList | undefined> {
    const number = followed.lists;
    try {
      const list = await listPrefix(this.options.client, followed.watch.prefix, this.options.limits);
      this.heard();
      return list;
    } catch (error) {
      if (!(error instanceof EtcdError) && !(error instanceof PrefixTooLarge)) throw error;
      if (this.isStale(followed, number)) return undefined;
      if (error instanceof PrefixTooLarge) this.leave(followed, error);
      else if (error.isConnectionLost) this.fail(error);
      else this.retryLater(followed, error.message, RETRY_MS); // etcd refuses this prefix; the others go on
      return undefined;
    }
  }

  private isStale(followed: Followed, number: number): boolean {
    return this.ended || this.followed.get(followed.watch) !== followed || followed.lists !== number;
  }

  private retryLater(followed: Followed, reason: string, ms: number): void {
    followed.watch.trouble(reason);
    followed.cancelRetry();
    followed.cancelRetry = this.options.clock.after(ms, () => void this.list(followed, "retry"));
  }

  /** Follows a prefix with too many keys no further: what was known stays. */
  private leave(followed: Followed, error: PrefixTooLarge): void {
    this.cancelWatch(followed);
    this.retryLater(followed, error.message, this.options.relistMs);
  }

  private createWatch(followed: Followed): void {
    this.cancelWatch(followed);
    const id = String(++this.lastId);
    followed.id = id;
    this.byId.set(id, followed);
    this.asked.push({ id, followed });
    const key = Buffer.from(followed.watch.prefix);
    const start_revision = String(followed.watch.state.revision + 1n);
    this.stream.send({
      create_request: {
        key,
        range_end: prefixEnd(key),
        start_revision,
        watch_id: id,
        fragment: true,
        progress_notify: true,
      },
    });
  }

  private cancelWatch(followed: Followed): void {
    if (followed.id === undefined) return;
    this.byId.delete(followed.id);
    this.stream.send({ cancel_request: { watch_id: followed.id } });
    followed.id = undefined;
    followed.fragments = [];
  }

  private onResponse(response: WatchResponse): void {
    this.heard();
    const asked = response.created ? this.asked.shift() : undefined;
    const id = asked?.id ?? response.watch_id;
    const followed = this.byId.get(id);
    if (followed === undefined) return; // canceled by us while this was on its way
    if (response.canceled) return this.onCanceled(followed, id, response);
    if (response.created) {
      this.goodSinceMs ??= this.options.clock.now();
      followed.watch.recovered();
    }
    for (const event of response.events) followed.fragments.push(event);
    const { limits } = this.options;
    // A list is shorter than so long a history.
    if (followed.fragments.length > limits.keys) return void this.list(followed, "retry");
    if (response.fragment || followed.fragments.length === 0) return;
    const count = followed.watch.state.applyEvents(followed.fragments);
    followed.fragments = [];
    if (followed.watch.state.exceeds(limits)) {
      return this.leave(followed, new PrefixTooLarge(followed.watch.prefix, limits));
    }
    if (count === 0) return;
    const { entries, revision } = followed.watch.state;
    followed.watch.listener.onEntries(entries, { type: "change", revision, count });
  }

  private onCanceled(followed: Followed, id: string, response: WatchResponse): void {
    this.byId.delete(id);
    followed.id = undefined;
    followed.fragments = [];
    if (response.compact_revision !== "0") {
      followed.watch.listener.onCompacted(BigInt(response.compact_revision));
      void this.list(followed, "compacted");
    } else {
      this.retryLater(followed, response.cancel_reason || "etcd canceled the watch", RETRY_MS);
    }
  }

  private heard(): void {
    this.lastHeardMs = this.options.clock.now();
  }

  private probeLater(ms: number): void {
    this.cancelProbe = this.options.clock.after(ms, () => {
      const silentMs = this.options.clock.now() - this.lastHeardMs;
      if (silentMs < SILENCE_MS) this.probeLater(SILENCE_MS - silentMs);
      else void this.probe();
    });
  }

  /** A small linearizable read: it needs this member, its leader and a majority. */
  private async probe(): Promise<void> {
    const [first] = this.followed.keys();
    let known = 0n;
    for (const { state } of this.followed.keys()) if (state.revision > known) known = state.revision;
    try {
      const request = { key: Buffer.from(first?.prefix ?? "/"), count_only: true };
      const { header } = await this.options.client.call(etcdRpc.range, request, PROBE_TIMEOUT_MS);
      if (BigInt(header.revision) < known) return this.fail(revisionWentBack(known, BigInt(header.revision)));
    } catch (error) {
      if (!(error instanceof EtcdError)) throw error;
      if (error.isConnectionLost) return this.fail(error);
    }
    if (this.ended) return;
    this.heard();
    this.probeLater(SILENCE_MS);
  }

  /** A belt to the braces of the watch: what it lost in some way nobody thought of is found. */
  private relistLater(): void {
    const { clock, random, relistMs } = this.options;
    this.cancelRelist = clock.after(relistMs * (1 - RELIST_JITTER_RATIO * random()), () => {
      for (const followed of this.followed.values()) {
        if (followed.id !== undefined) void this.list(followed, "periodic");
      }
      this.relistLater();
    });
  }
}

function revisionWentBack(from: bigint, to: bigint): EtcdError {
  const message = `etcd's revision went back from ${from} to ${to}: its data was lost or restored`;
  return new EtcdError(Code.Unavailable, message);
}
