import type { AttemptListener, AttemptRequest, CallHandle } from "../../call/call.ts";
import { systemClock, type Clock } from "../../core/clock.ts";
import { systemRandom } from "../../core/random.ts";
import type { Connection, ConnectionEvents, ConnectionOptions, ConnectionState } from "./connection.ts";
import { notProcessed } from "./attempt-end.ts";

const BACKOFF_BASE_MS = 100;
// With the time to connect, an instance that is back is used again within two seconds.
const BACKOFF_CAP_MS = 1_900;
// A connection that was lost sooner than this has not proved anything: the backoff goes on where it was, or a peer that
// accepts and hangs up at once would be called without a pause.
const PROOF_MS = 1_000;

/** One socket's life, from its dial to its end; whoever wants another makes another. */
export interface ConnectionSession {
  /** Whether its socket still lives. */
  readonly isOpen: boolean;
  /** As of Connection. */
  readonly hasRoom: boolean;
  /** Starts one attempt; only once it is ready, and not after `close` or `onGone`. */
  start(request: AttemptRequest, listener: AttemptListener): CallHandle;
  /** Takes no more calls; the socket closes when those in flight have ended. */
  close(): void;
  /** Ends it and every call on it now. */
  destroy(): void;
}

export interface SessionListener {
  /** The peer's SETTINGS are here: calls may start. */
  onReady(): void;
  /** It was lost, takes no more calls (GOAWAY), or could not be made; told once, and not after `close`. */
  onGone(reason: string): void;
  /** As in ConnectionEvents. */
  onSuspect(isSuspect: boolean): void;
  /** Its socket is closed. */
  onClosed(): void;
}

/** A connection over sessions: each lives as long as one socket, and the next is made when it is lost. */
export class RemadeConnection implements Connection {
  private readonly options: ConnectionOptions;
  private readonly events: ConnectionEvents;
  private readonly open: (listener: SessionListener) => ConnectionSession;
  private readonly clock: Clock;
  private current: ConnectionState = "idle";
  private session: ConnectionSession | null = null;
  /** Earlier sessions with calls in flight, for `destroy`. */
  private readonly draining = new Set<ConnectionSession>();
  /** Tries since the last connection that proved itself. */
  private failures = 0;
  private readySinceMs = 0;
  /** The connect timeout or the backoff, whichever runs. */
  private stopTimer: (() => void) | null = null;

  /** `open` begins to connect and tells nothing before it has returned. */
  constructor(
    options: ConnectionOptions,
    events: ConnectionEvents,
    open: (listener: SessionListener) => ConnectionSession,
  ) {
    this.options = options;
    this.events = events;
    this.open = open;
    this.clock = options.clock ?? systemClock;
  }

  get state(): ConnectionState {
    return this.current;
  }

  get hasRoom(): boolean {
    return this.session === null || this.session.hasRoom;
  }

  connect(): void {
    if (this.current === "idle" || this.current === "backoff") this.tryConnect(undefined);
  }

  start(request: AttemptRequest, listener: AttemptListener): CallHandle {
    const { session } = this;
    if (this.current !== "ready" || session === null) return new RefusedAttempt(this.options, listener);
    return session.start(request, listener);
  }

  close(): void {
    if (this.current === "closed") return;
    this.endTimer();
    this.retire();
    this.change("closed");
  }

  destroy(): void {
    this.close();
    for (const session of this.draining) session.destroy();
    this.draining.clear();
  }

  private tryConnect(reason: string | undefined): void {
    this.endTimer();
    const session = this.open({
      onReady: () => {
        if (this.session !== session) return;
        this.endTimer();
        this.readySinceMs = this.clock.now();
        this.change("ready");
      },
      onGone: (why) => {
        if (this.session === session) this.onGone(why);
      },
      onSuspect: (isSuspect) => {
        if (this.session === session) this.events.onSuspect(isSuspect);
      },
      onClosed: () => this.draining.delete(session),
    });
    this.session = session;
    const { connectTimeoutMs } = this.options;
    this.stopTimer = this.clock.after(connectTimeoutMs, () =>
      this.onGone(`no connection within ${connectTimeoutMs} ms`),
    );
    this.change("connecting", reason);
  }

  private onGone(reason: string): void {
    this.endTimer();
    this.retire();
    const hasProved = this.current === "ready" && this.clock.now() - this.readySinceMs >= PROOF_MS;
    if (hasProved) {
      this.failures = 0;
      this.tryConnect(reason);
      return;
    }
    const fullMs = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** this.failures);
    this.failures = Math.min(this.failures + 1, 10);
    this.stopTimer = this.clock.after(fullMs * (0.5 + systemRandom() / 2), () => this.tryConnect(undefined));
    this.change("backoff", reason);
  }

  /** The session takes no more calls; those in flight on it end by themselves. */
  private retire(): void {
    const { session } = this;
    if (session === null) return;
    this.session = null;
    session.close();
    if (session.isOpen) this.draining.add(session);
  }

  private endTimer(): void {
    this.stopTimer?.();
    this.stopTimer = null;
  }

  private change(state: ConnectionState, reason?: string): void {
    this.current = state;
    this.events.onState(state, reason);
  }
}

/** An attempt on a connection that is not ready: it ends as not processed, in a moment. */
class RefusedAttempt implements CallHandle {
  private cancelled = false;

  constructor(options: ConnectionOptions, listener: AttemptListener) {
    queueMicrotask(() => {
      if (!this.cancelled) listener.onEnd(notProcessed(options, "the connection is not ready"));
    });
  }

  send(): boolean {
    return true;
  }
  halfClose(): void {}
  pause(): void {}
  resume(): void {}
  cancel(): void {
    this.cancelled = true;
  }
}
