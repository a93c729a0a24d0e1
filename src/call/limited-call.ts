import { gatewayError, type GatewayError } from "../core/errors.ts";
import { IdleTimer } from "../core/idle-timer.ts";
import type { AttemptEnd, CallEnd, CallHandle, CallListener, FlatMetadata } from "./call.ts";
import type { CallOptions } from "./call-options.ts";

/**
 * What the owner of a call sees of it: the limits in time, and the one end. The attempts are the subclass's; both are
 * one object, since there is one for every request.
 */
export abstract class LimitedCall {
  protected readonly options: CallOptions;
  protected readonly listener: CallListener;
  protected readonly deadlineMs: number;
  protected done = false;
  /** False while `startCall` runs: what fails at once is told after it. */
  private begun = false;
  private cancelled = false;

  /** The one that runs. */
  protected attempt: CallHandle | null = null;
  /** Of the attempt before. */
  protected lastEnd: AttemptEnd | null = null;
  /** Held back until the first message or the end, because an attempt without a message can still be repeated. */
  protected headers: FlatMetadata | null = null;
  /** The owner has got something of the reply: from here on there is no other attempt, unless it can forget it. */
  protected committed = false;
  protected paused = false;

  private stopDeadline: (() => void) | null = null;
  private stopFirstMessage: (() => void) | null = null;
  private idle: IdleTimer | null = null;

  constructor(options: CallOptions, listener: CallListener) {
    this.options = options;
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

  /** Makes the next attempt, or waits until it can. */
  protected abstract proceed(): void;

  // What the owner does.

  pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.attempt?.pause();
    this.idle?.stop();
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

  // What the owner is told.

  onHeaders(metadata: FlatMetadata): void {
    this.headers = metadata;
  }

  onMessage(bytes: Uint8Array, start: number, end: number): void {
    if (this.done) return;
    if (!this.committed) {
      this.commit();
      if (this.headers !== null) this.listener.onHeaders(this.headers);
      if (this.done) return;
    }
    this.idle?.touch();
    this.listener.onMessage(bytes, start, end);
  }

  protected commit(): void {
    this.committed = true;
    this.stopFirstMessage?.();
    this.stopFirstMessage = null;
    this.startIdle();
  }

  /** Takes back what the owner was told; only where it has `onRestart`. */
  protected restart(): void {
    this.committed = false;
    this.idle?.stop();
    this.listener.onRestart?.();
  }

  onWritable(): void {
    if (!this.done) this.listener.onWritable();
  }

  protected deliver(end: CallEnd): void {
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

  protected failWith(error: GatewayError): void {
    this.deliver({ code: error.grpc, message: "", trailers: [], error });
  }

  /** No instance was ready in time. */
  protected failWait(): void {
    if (this.lastEnd !== null) {
      this.deliver(this.lastEnd);
      return;
    }
    const { name } = this.options.target;
    this.failWith(gatewayError("UPSTREAM_UNAVAILABLE", { upstream: name }, { retryAfterSeconds: 1 }));
  }

  protected finish(): void {
    this.done = true;
    this.stopDeadline?.();
    this.stopFirstMessage?.();
    this.idle?.stop();
  }

  // The limits.

  private onTimeout(timeoutMs: number): void {
    if (this.attempt === null) {
      this.failWait();
      return;
    }
    const what = this.committed ? "the answer did not end" : "no answer";
    this.failWith(gatewayError("DEADLINE_EXCEEDED", { what, timeout: timeoutMs }));
  }

  /** The owner sent something. */
  protected touch(): void {
    this.idle?.touch();
  }

  private startIdle(): void {
    const { clock, idleTimeoutMs = Infinity } = this.options;
    if (idleTimeoutMs === Infinity || this.paused) return;
    this.idle ??= new IdleTimer(clock, idleTimeoutMs, (timeout) =>
      this.failWith(gatewayError("STREAM_IDLE", { timeout })),
    );
    this.idle.start();
  }
}
