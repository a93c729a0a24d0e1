import type { AttemptListener, AttemptRequest, CallHandle, Pick } from "../call/call.ts";
import type { Clock } from "../core/clock.ts";
import { gatewayError } from "../core/errors.ts";
import { notProcessed } from "./connection/attempt-end.ts";

export interface StreamQueueHost {
  readonly endpoint: string;
  readonly upstream: string;
  readonly clock: Clock;
  /** How many attempts of the whole upstream may wait, and whether so many do. */
  readonly queue: number;
  readonly isQueueFull: boolean;
  /** Counts one that waits, or (-1) no longer does. */
  onQueue(change: 1 | -1): void;
  /** One has waited so long; ms. */
  onQueued(waitMs: number): void;
  /** A connection that takes one more; null: none does. */
  roomy(): Pick | null;
}

// Entries that are gone are only passed over until there are so many.
const MAX_GONE = 64;

/**
 * Attempts that wait, first come first served, because each connection of their instance has as many calls as its peer
 * takes at once (MAX_CONCURRENT_STREAMS). Waiting is held against nobody.
 */
export class StreamQueue implements Pick {
  readonly endpoint: string;
  private readonly host: StreamQueueHost;
  private entries: QueuedAttempt[] = [];
  private first = 0;

  constructor(host: StreamQueueHost) {
    this.endpoint = host.endpoint;
    this.host = host;
  }

  get isEmpty(): boolean {
    return this.entries.length === 0;
  }

  /** Never throws; where too many wait the attempt ends, not processed, in a moment. */
  start(request: AttemptRequest, listener: AttemptListener): CallHandle {
    const { upstream, queue, isQueueFull, clock } = this.host;
    const attempt = new QueuedAttempt(request, listener, clock.now(), () => this.leave(attempt));
    if (isQueueFull) {
      const error = gatewayError("UPSTREAM_QUEUE_FULL", { upstream, queue }, { retryAfterSeconds: 1 });
      const end = { code: error.grpc, message: "", trailers: [], error, outcome: "not_processed" } as const;
      queueMicrotask(() => attempt.end(end));
      return attempt;
    }
    attempt.isWaiting = true;
    this.entries.push(attempt);
    this.host.onQueue(1);
    return attempt;
  }

  /** Room may have been made: starts as many as there is room for. */
  serve(): void {
    while (this.first < this.entries.length) {
      const attempt = this.entries[this.first] as QueuedAttempt; // within the list
      const pick = attempt.isWaiting ? this.host.roomy() : null;
      if (attempt.isWaiting && pick === null) return;
      this.first++;
      if (this.first > MAX_GONE) {
        this.entries = this.entries.slice(this.first);
        this.first = 0;
      }
      if (pick === null) continue;
      this.leave(attempt);
      attempt.begin(pick);
    }
    this.entries = [];
    this.first = 0;
  }

  /** No connection is left: all of them are to go elsewhere. */
  dissolve(): void {
    // An error with its stack for each of a thousand instances that go at once would take 20 ms.
    if (this.isEmpty) return;
    const { entries, first } = this;
    this.entries = [];
    this.first = 0;
    const end = notProcessed(this.host, "its connections are gone");
    for (let i = first; i < entries.length; i++) {
      const attempt = entries[i] as QueuedAttempt; // within the list
      if (!attempt.isWaiting) continue;
      this.leave(attempt);
      attempt.end(end);
    }
  }

  private leave(attempt: QueuedAttempt): void {
    if (!attempt.isWaiting) return;
    attempt.isWaiting = false;
    this.host.onQueue(-1);
    this.host.onQueued(this.host.clock.now() - attempt.sinceMs);
  }
}

/** What its owner does while it waits is done when it begins. */
class QueuedAttempt implements CallHandle {
  readonly sinceMs: number;
  isWaiting = false;
  private readonly request: AttemptRequest;
  private readonly listener: AttemptListener;
  private readonly onCancel: () => void;
  private inner: CallHandle | null = null;
  private isOver = false;
  private unsent: Uint8Array[] = [];
  private isHalfClosed = false;
  private isPaused = false;

  constructor(request: AttemptRequest, listener: AttemptListener, sinceMs: number, onCancel: () => void) {
    this.request = request;
    this.listener = listener;
    this.sinceMs = sinceMs;
    this.onCancel = onCancel;
  }

  begin(pick: Pick): void {
    const inner = pick.start(this.request, this.listener);
    this.inner = inner;
    if (this.isPaused) inner.pause();
    let isWritable = true;
    for (const message of this.unsent) isWritable = inner.send(message);
    // `send` said false to the owner of each of these.
    if (this.unsent.length > 0 && isWritable) queueMicrotask(() => this.listener.onWritable());
    this.unsent = [];
    if (this.isHalfClosed) inner.halfClose();
  }

  end(end: Parameters<AttemptListener["onEnd"]>[0]): void {
    if (this.isOver) return;
    this.isOver = true;
    this.listener.onEnd(end);
  }

  send(message: Uint8Array): boolean {
    if (this.inner !== null) return this.inner.send(message);
    this.unsent.push(message);
    return false;
  }

  halfClose(): void {
    this.isHalfClosed = true;
    this.inner?.halfClose();
  }

  pause(): void {
    this.isPaused = true;
    this.inner?.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.inner?.resume();
  }

  cancel(because?: "timeout"): void {
    this.isOver = true;
    if (this.inner !== null) this.inner.cancel(because);
    else this.onCancel();
  }
}
