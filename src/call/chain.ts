import { gatewayError, GatewayError } from "../core/errors.ts";
import type { AttemptEnd, AttemptRequest, CallHandle, CallListener, Pick } from "./call.ts";
import type { CallOptions } from "./call-options.ts";
import { HedgedAttempt, type HedgeHost, type HedgePlan } from "./hedge.ts";
import { LimitedCall } from "./limited-call.ts";
import {
  backoffMs,
  defaultRetryPolicy,
  MAX_UNPROCESSED_ATTEMPTS,
  mayRepeat,
  pushbackMs,
  type RetryPolicy,
} from "./retry.ts";

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

/** The attempts of a call, and the waits between them. */
class Call extends LimitedCall implements CallHandle, HedgeHost {
  private readonly retry: RetryPolicy;
  private attempts = 0;
  private tried: readonly string[] = NOTHING_TRIED;
  /** Request messages that no attempt has taken yet. */
  private unsent: Uint8Array[] = [];
  private halfClosed = false;
  /** An attempt has taken request messages that cannot be sent again. */
  private streamed = false;
  /** Ends the wait for a ready instance or for the backoff; both are never on at once. */
  private stopWait: (() => void) | null = null;
  /** Ends the wait for the answer of one attempt. */
  private stopAttempt: (() => void) | null = null;

  constructor(options: CallOptions, listener: CallListener) {
    super(options, listener);
    this.retry = options.retry ?? defaultRetryPolicy;
  }

  // What the owner does.

  send(message: Uint8Array): boolean {
    if (this.done) return true;
    this.touch();
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

  // What the attempt tells, besides what goes on to the owner.

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
    if (this.committed) this.restart();
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

  protected proceed(): void {
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
    let stopReady: () => void;
    try {
      stopReady = target.wait(() => this.proceedAnyway());
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      this.failWith(error);
      return;
    }
    if (waitForReadyMs === Infinity) {
      this.stopWait = stopReady;
      return;
    }
    const stopTimer = clock.after(waitForReadyMs, () => this.failWait());
    this.stopWait = () => {
      stopReady();
      stopTimer();
    };
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
    this.stopWait = null;
  }

  protected override commit(): void {
    this.stopAttempt?.();
    super.commit();
  }

  protected override finish(): void {
    super.finish();
    this.endWait();
    this.stopAttempt?.();
  }
}
