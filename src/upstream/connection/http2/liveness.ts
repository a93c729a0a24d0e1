import type { Clock } from "../../../core/clock.ts";

export interface LivenessOptions {
  /** Silence of the peer after which it is pinged; ms. */
  readonly afterMs: number;
  /** How long its answer, or any other byte, may take; ms. */
  readonly timeoutMs: number;
  /** Whether to ping also while no call is in flight. */
  readonly withoutCalls: boolean;
  /** Whether to ping again in the same silence. */
  readonly again: boolean;
}

export interface LivenessListener {
  ping(): void;
  /** The ping had no answer. */
  onDead(reason: string): void;
}

/**
 * What is pinged by default: a peer that is silent for two seconds while calls are in flight, once per silence. grpc-go
 * closes a connection at the third ping that follows another within five minutes and without any headers or data of the
 * server's in between (`keepalive.EnforcementPolicy`), so pings that only ever follow those are never counted. An
 * instance that computes for long without a turn of its event loop is given ten seconds.
 */
export const SUSPICION: LivenessOptions = { afterMs: 2_000, timeoutMs: 10_000, withoutCalls: false, again: false };

/** Watches a connection for a peer that is gone without a word. Owns one timer, ended by `stop`. */
export class Liveness {
  private readonly clock: Clock;
  private readonly options: LivenessOptions;
  private readonly listener: LivenessListener;
  private heardMs: number;
  private calls = 0;
  private mayPing = true;
  /** A ping is out, and nothing has come since. */
  private isPinging = false;
  private pingedMs = 0;
  private stopTimer: (() => void) | null = null;

  constructor(clock: Clock, options: LivenessOptions, listener: LivenessListener) {
    this.clock = clock;
    this.options = options;
    this.listener = listener;
    this.heardMs = clock.now();
    if (options.withoutCalls) this.wait(options.afterMs);
  }

  /** Bytes came, whatever they are. */
  onBytes(nowMs: number): void {
    this.heardMs = nowMs;
    this.isPinging = false;
  }

  /** Headers or data of a call came. */
  onReply(): void {
    this.mayPing = true;
  }

  onCallStarted(nowMs: number): void {
    this.calls++;
    if (this.calls > 1 || this.options.withoutCalls) return;
    // Nothing was to be heard until now.
    this.heardMs = nowMs;
    if (this.stopTimer === null) this.wait(this.options.afterMs);
  }

  onCallEnded(): void {
    this.calls--;
  }

  stop(): void {
    this.stopTimer?.();
    this.stopTimer = null;
  }

  private wait(ms: number): void {
    this.stopTimer = this.clock.after(ms, () => this.check());
  }

  private check(): void {
    this.stopTimer = null;
    const { afterMs, timeoutMs, again, withoutCalls } = this.options;
    const now = this.clock.now();
    if (this.isPinging) {
      const leftMs = this.pingedMs + timeoutMs - now;
      // Looks in between, because after an answer the silence begins anew.
      if (leftMs > 0) this.wait(Math.min(leftMs, afterMs));
      else this.listener.onDead(`no answer to a ping within ${timeoutMs} ms`);
      return;
    }
    // The next call starts the timer again.
    if (this.calls === 0 && !withoutCalls) return;
    const silentMs = now - this.heardMs;
    if (silentMs < afterMs) {
      this.wait(afterMs - silentMs);
      return;
    }
    if (this.mayPing || again) {
      this.mayPing = false;
      this.isPinging = true;
      this.pingedMs = now;
      this.listener.ping();
    }
    this.wait(Math.min(afterMs, timeoutMs));
  }
}
