import type { Clock } from "../core/clock.ts";
import { gatewayError, GatewayError } from "../core/errors.ts";
import type { Random } from "../core/random.ts";
import type {
  AttemptEnd,
  AttemptRequest,
  CallEnd,
  CallHandle,
  CallListener,
  CallTarget,
  FlatMetadata,
  Pick,
} from "./call.ts";
import { HedgedAttempt, type HedgeHost, type HedgePlan } from "./hedge.ts";
import {
  backoffMs,
  defaultRetryPolicy,
  MAX_UNPROCESSED_ATTEMPTS,
  mayRepeat,
  pushbackMs,
  type RetryPolicy,
} from "./retry.ts";

/** One call: what to send, where, and within which limits. All times are relative, ms; Infinity for no limit. */
export interface CallOptions {
  readonly target: CallTarget;
  readonly clock: Clock;
  readonly random: Random;
  /** `/pkg.Service/Method` */
  readonly path: string;
  readonly metadata: FlatMetadata;
  /** The only request message; null where the owner uses `send` and `halfClose`. Not to be changed until the end. */
  readonly message: Uint8Array | null;
  /** The whole call, waiting and every attempt included. What remains of it is sent as `grpc-timeout`. */
  readonly totalTimeoutMs: number;
  /** Up to the first message of a stream; not told to the upstream. */
  readonly firstMessageTimeoutMs?: number;
  /** Silence between messages of a stream, either way; time in which the owner has paused it does not count. */
  readonly idleTimeoutMs?: number;
  /** How long to wait for a ready instance; 0 not to wait. */
  readonly waitForReadyMs: number;
  /** Whether it may be made again although it may have been processed. */
  readonly idempotent: boolean;
  /** As in `CallTarget.pick`. */
  readonly hashKey?: number;
  /** Three attempts, after UNAVAILABLE, where nothing is said. */
  readonly retry?: RetryPolicy;
  /** Of an idempotent call with `message`; null, the default, for one attempt at a time. */
  readonly hedge?: HedgePlan | null;
}

/**
 * Makes a call. The order, written here once:
 *
 *     total time, first message, idle  ->  wait for a ready instance  ->  attempt  ->  (backoff)  ->  attempt …
 *
 * It ends with the upstream's status, or with DEADLINE_EXCEEDED, STREAM_IDLE, UPSTREAM_UNAVAILABLE (no instance was
 * ready in time, whatever ended the wait), UPSTREAM_QUEUE_FULL, or an error of the last attempt. Nothing is told to the
 * listener before this function has returned.
 */
export function startCall(options: CallOptions, listener: CallListener): CallHandle {
  const call = new Call(options, listener);
  call.begin();
  return call;
}

const NOTHING_TRIED: readonly string[] = [];

class Call implements CallHandle, HedgeHost {
  private readonly options: CallOptions;
  private readonly retry: RetryPolicy;
  private readonly listener: CallListener;
  private readonly deadlineMs: number;
  private done = false;
  private cancelled = false;
  /** False while `startCall` runs: what fails at once is told after it. */
  private begun = false;

  private attempts = 0;
  private tried: readonly string[] = NOTHING_TRIED;
  private attempt: CallHandle | null = null;
  private lastEnd: AttemptEnd | null = null;
  /** Held back until the first message or the end, because an attempt without a message can still be repeated. */
  private headers: FlatMetadata | null = null;
  /** The owner has got something of the reply: from here on there is no other attempt, unless it can forget it. */
  private committed = false;

  private paused = false;
  /** Request messages that no attempt has taken yet. */
  private unsent: Uint8Array[] = [];
  private halfClosed = false;
  /** An attempt has taken request messages that cannot be sent again. */
  private streamed = false;

  private stopDeadline: (() => void) | null = null;
  private stopFirstMessage: (() => void) | null = null;
  private stopIdle: (() => void) | null = null;
  private lastActivityMs = 0;
  /** Ends the wait for a ready instance or for the backoff; both are never on at once. */
  private stopWait: (() => void) | null = null;
  private stopWaitTimer: (() => void) | null = null;
  /** Ends the wait for the answer of one attempt. */
  private stopAttempt: (() => void) | null = null;

  constructor(options: CallOptions, listener: CallListener) {
    this.options = options;
    this.retry = options.retry ?? defaultRetryPolicy;
    this.listener = listener;
    this.deadlineMs = options.clock.now() + options.totalTimeoutMs;
  }

  begin(): void {
    const { target, clock, totalTimeoutMs, firstMessageTimeoutMs = Infinity } = this.options;
    target.budget.calls++;
    if (totalTimeoutMs !== Infinity) {
      this.stopDeadline = clock.after(totalTimeoutMs, () => this.onTimeout(totalTimeoutMs));
    }
    if (firstMessageTimeoutMs < totalTimeoutMs) {
      this.stopFirstMessage = clock.after(firstMessageTimeoutMs, () => this.onTimeout(firstMessageTimeoutMs));
    }
    // Who feeds a call as it goes on may fall silent before there is a reply.
    if (this.options.message === null) this.startIdle();
    this.proceed();
    this.begun = true;
  }

  // What the owner does.

  send(message: Uint8Array): boolean {
    if (this.done) return true;
    this.lastActivityMs = this.options.clock.now();
    if (this.attempt === null) {
      this.unsent.push(message);
      return false;
    }
    this.streamed = true;
    return this.attempt.send(message);
  }

  halfClose(): void {
    this.halfClosed = true;
    this.attempt?.halfClose();
  }

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.attempt?.pause();
    this.stopIdle?.();
    this.stopIdle = null;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (this.done) return;
    if (this.committed) this.startIdle();
    this.attempt?.resume();
  }

  cancel(): void {
    this.cancelled = true;
    if (this.done) return;
    this.finish();
    this.attempt?.cancel();
  }

  // What the attempt tells.

  onHeaders(metadata: FlatMetadata): void {
    this.headers = metadata;
  }

  onMessage(bytes: Uint8Array, start: number, end: number): void {
    if (this.done) return;
    if (!this.committed) {
      this.committed = true;
      this.stopFirstMessage?.();
      this.stopFirstMessage = null;
      this.stopAttempt?.();
      this.startIdle();
      if (this.headers !== null) this.listener.onHeaders(this.headers);
      if (this.done) return;
    }
    this.lastActivityMs = this.options.clock.now();
    this.listener.onMessage(bytes, start, end);
  }

  onWritable(): void {
    if (!this.done) this.listener.onWritable();
  }

  onStalled(): void {
    if (this.attempts >= this.retry.attempts) return;
    const pick = this.pickBeside();
    if (pick !== null && this.mayRetry()) this.replaceAttempt(pick);
  }

  onEnd(end: AttemptEnd): void {
    if (this.done) return;
    this.attempt = null;
    this.stopAttempt?.();
    // Servers keep the deadline too, and some tell its end in this way, a moment before or after our own timer.
    if (end.error?.code === "UPSTREAM_CANCELLED" && this.options.clock.now() >= this.deadlineMs) {
      const timeout = this.options.totalTimeoutMs;
      return this.failWith(gatewayError("DEADLINE_EXCEEDED", { what: "no answer", timeout }));
    }
    const isTold = this.committed && this.listener.onRestart === undefined;
    if (isTold || this.streamed || !this.mayRepeat(end) || !this.mayRetryAfter(end)) {
      this.deliver(end);
      return;
    }
    if (this.committed) {
      this.committed = false;
      this.stopIdle?.();
      this.listener.onRestart?.();
    }
    this.headers = null;
    this.lastEnd = end;
    const askedMs = pushbackMs(end.trailers);
    if (typeof askedMs === "number") this.waitFor(askedMs);
    else this.proceed();
  }

  // What a hedged attempt asks.

  takeHedge(): Pick | null {
    const pick = this.pickBeside();
    if (pick === null || !this.mayRetry("hedge")) return null;
    this.count(pick);
    return pick;
  }

  request(): AttemptRequest {
    const { path, metadata, message } = this.options;
    // gRFC A6, "Exposed Retry Metadata".
    const told = this.attempts > 1 ? [...metadata, "grpc-previous-rpc-attempts", String(this.attempts - 1)] : metadata;
    return { path, metadata: told, message, deadlineMs: this.deadlineMs };
  }

  mayRepeat(end: AttemptEnd): boolean {
    return mayRepeat(end, this.options.idempotent, this.retry.codes);
  }

  onHedgeWon(): void {
    this.options.target.onCallEvent("hedge_won");
  }

  // Whether there may be another attempt.

  /** An instance not tried yet, for an attempt that is made while another has no answer; null where none may be. */
  private pickBeside(): Pick | null {
    const { target, idempotent, hashKey } = this.options;
    if (this.done || this.attempt === null || !idempotent || this.committed || this.streamed) return null;
    const pick = target.pick(this.tried, hashKey);
    return pick === null || this.tried.includes(pick.endpoint) ? null : pick;
  }

  private mayRetryAfter({ outcome }: AttemptEnd): boolean {
    if (outcome !== "not_processed") return this.attempts < this.retry.attempts && this.mayRetry();
    if (this.attempts >= Math.max(MAX_UNPROCESSED_ATTEMPTS, this.retry.attempts)) return false;
    // Once it costs nobody anything; instances that refuse one after the other are to be spared as any.
    if (this.attempts > 1) return this.mayRetry();
    this.options.target.onCallEvent("retry");
    return true;
  }

  /** Whether the budget allows one more; then it is counted. */
  private mayRetry(event: "retry" | "hedge" = "retry"): boolean {
    const { target } = this.options;
    const isAllowed = target.budget.take();
    target.onCallEvent(isAllowed ? event : "retry_budget_exhausted");
    return isAllowed;
  }

  // The way to the next attempt.

  private proceed(): void {
    const pick = this.options.target.pick(this.tried, this.options.hashKey);
    if (pick === null) this.waitForReady();
    else if (this.tried.includes(pick.endpoint)) this.waitForBackoff();
    else this.startAttempt(pick);
  }

  private startAttempt(pick: Pick): void {
    const { message, idempotent, hedge } = this.options;
    this.count(pick);
    const attempt =
      hedge && idempotent && message !== null ? this.startHedged(pick, hedge) : pick.start(this.request(), this);
    this.attempt = attempt;
    if (this.paused) attempt.pause();
    if (message === null) this.flush(attempt);
    else if (idempotent && this.retry.perAttemptTimeoutMs !== Infinity) this.limitAttempt();
  }

  private startHedged(pick: Pick, plan: HedgePlan): CallHandle {
    const attempt = new HedgedAttempt(this, plan, this.options.clock);
    attempt.start(pick);
    return attempt;
  }

  private count({ endpoint }: Pick): void {
    this.attempts++;
    this.tried = this.tried === NOTHING_TRIED ? [endpoint] : [...this.tried, endpoint];
  }

  private limitAttempt(): void {
    const { clock, target, hashKey } = this.options;
    this.stopAttempt = clock.after(this.retry.perAttemptTimeoutMs, () => {
      if (this.attempt === null || this.attempts >= this.retry.attempts) return;
      const pick = target.pick(this.tried, hashKey);
      if (pick !== null && this.mayRetry()) this.replaceAttempt(pick);
    });
  }

  /** Makes an attempt there instead of the one that has no answer. */
  private replaceAttempt(pick: Pick): void {
    this.headers = null;
    this.stopAttempt?.();
    this.attempt?.cancel("timeout");
    this.startAttempt(pick);
  }

  private flush(attempt: CallHandle): void {
    const { unsent } = this;
    if (unsent.length > 0) {
      this.unsent = [];
      this.streamed = true;
      let writable = true;
      for (const message of unsent) writable = attempt.send(message);
      // `send` said false to the owner of each of these.
      if (writable) queueMicrotask(() => this.onWritable());
    }
    if (this.halfClosed) attempt.halfClose();
  }

  private waitForReady(): void {
    const { target, clock, waitForReadyMs } = this.options;
    if (waitForReadyMs <= 0) {
      this.failWait();
      return;
    }
    try {
      this.stopWait = target.wait(() => this.proceedAnyway());
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.failWith(error);
      return;
    }
    if (waitForReadyMs === Infinity) return;
    this.stopWaitTimer = clock.after(waitForReadyMs, () => this.failWait());
  }

  // Every instance was tried: the next attempt goes to one of them again, a little later, or not at all where the call
  // would be over by then.
  private waitForBackoff(): void {
    this.waitFor(backoffMs(this.attempts, this.options.random));
  }

  private waitFor(delayMs: number): void {
    const { clock } = this.options;
    if (clock.now() + delayMs >= this.deadlineMs && this.lastEnd !== null) {
      this.deliver(this.lastEnd);
      return;
    }
    this.stopWait = clock.after(delayMs, () => this.proceedAnyway());
  }

  // After a wait an instance that was tried is as good as any.
  private proceedAnyway(): void {
    this.endWait();
    const pick = this.options.target.pick(this.tried, this.options.hashKey);
    if (pick === null) this.waitForReady();
    else this.startAttempt(pick);
  }

  private endWait(): void {
    this.stopWait?.();
    this.stopWaitTimer?.();
    this.stopWait = null;
    this.stopWaitTimer = null;
  }

  // The ends.

  private failWait(): void {
    if (this.lastEnd !== null) {
      this.deliver(this.lastEnd);
      return;
    }
    const { name } = this.options.target;
    this.failWith(gatewayError("UPSTREAM_UNAVAILABLE", { upstream: name }, { retryAfterSeconds: 1 }));
  }

  private onTimeout(timeoutMs: number): void {
    if (this.attempt === null) {
      this.failWait();
      return;
    }
    const what = this.committed ? "the answer did not end" : "no answer";
    this.failWith(gatewayError("DEADLINE_EXCEEDED", { what, timeout: timeoutMs }));
  }

  private startIdle(): void {
    const { clock, idleTimeoutMs = Infinity } = this.options;
    if (idleTimeoutMs === Infinity || this.paused) return;
    this.stopIdle?.();
    this.lastActivityMs = clock.now();
    this.armIdle(idleTimeoutMs, idleTimeoutMs);
  }

  // One timer looks how long ago the last message was, because moving a timer with every message would cost more.
  private armIdle(waitMs: number, idleTimeoutMs: number): void {
    const { clock } = this.options;
    this.stopIdle = clock.after(waitMs, () => {
      const restMs = this.lastActivityMs + idleTimeoutMs - clock.now();
      if (restMs > 0) this.armIdle(restMs, idleTimeoutMs);
      else this.failWith(gatewayError("STREAM_IDLE", { timeout: idleTimeoutMs }));
    });
  }

  private failWith(error: GatewayError): void {
    this.deliver({ code: error.grpc, message: "", trailers: [], error });
  }

  private deliver(end: CallEnd): void {
    if (!this.begun) {
      queueMicrotask(() => this.deliver(end));
      return;
    }
    if (this.done) return;
    this.finish();
    // An attempt that still runs is one of which a limit was passed.
    this.attempt?.cancel("timeout");
    if (!this.committed && this.headers !== null) this.listener.onHeaders(this.headers);
    if (!this.cancelled) this.listener.onEnd(end);
  }

  private finish(): void {
    this.done = true;
    this.endWait();
    this.stopDeadline?.();
    this.stopFirstMessage?.();
    this.stopAttempt?.();
    this.stopIdle?.();
  }
}
