import type { AttemptListener, AttemptRequest, CallHandle } from "../../call/call.ts";
import { systemClock, type Clock } from "../../core/clock.ts";
import { systemRandom } from "../../core/random.ts";
import type {
  Connection,
  ConnectionEvents,
  ConnectionFactory,
  ConnectionOptions,
  ConnectionState,
} from "./connection.ts";
import { Attempt, RefusedAttempt } from "./grpc-js/attempt.ts";
import { Session } from "./grpc-js/session.ts";

const BACKOFF_BASE_MS = 100;
// With the time to connect, an instance that is back is used again within two seconds.
const BACKOFF_CAP_MS = 1_900;
// A connection that was lost sooner than this has not proved anything: the backoff goes on where it was, or a peer that
// accepts and hangs up at once would be called without a pause.
const PROOF_MS = 1_000;

/** Connections over grpc-js, plaintext: one channel per connection, remade by our own rules. */
export const grpcJsConnection: ConnectionFactory = (address, options, events) =>
  new GrpcJsConnection(address, options, events);

class GrpcJsConnection implements Connection {
  private readonly address: string;
  private readonly options: ConnectionOptions;
  private readonly events: ConnectionEvents;
  private readonly clock: Clock;
  private current: ConnectionState = "idle";
  private session: Session | null = null;
  /** Earlier sessions with calls in flight, for `destroy`. */
  private readonly draining = new Set<Session>();
  /** Tries since the last connection that proved itself. */
  private failures = 0;
  private readySinceMs = 0;
  /** The connect timeout or the backoff, whichever runs. */
  private stopTimer: (() => void) | null = null;

  constructor(address: string, options: ConnectionOptions, events: ConnectionEvents) {
    this.address = address;
    this.options = options;
    this.events = events;
    this.clock = options.clock ?? systemClock;
  }

  get state(): ConnectionState {
    return this.current;
  }

  connect(): void {
    if (this.current === "idle" || this.current === "backoff") this.tryConnect(undefined);
  }

  start(request: AttemptRequest, listener: AttemptListener): CallHandle {
    const { session } = this;
    if (this.current !== "ready" || session === null) return new RefusedAttempt(this.options, listener);
    const attempt = new Attempt(session, this.options, listener);
    attempt.start(request, request.deadlineMs - this.clock.now());
    return attempt;
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
    const session = new Session(this.address, this.options, {
      onReady: () => {
        if (this.session !== session) return;
        this.endTimer();
        this.readySinceMs = this.clock.now();
        this.change("ready");
      },
      onGone: (why) => {
        if (this.session === session) this.onGone(why);
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
