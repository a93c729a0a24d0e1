import type { Clock } from "../../../core/clock.ts";

export interface LivenessOptions {
  /** Silence of the peer after which it is pinged; ms. */
  readonly afterMs: number;
  /**
   * How long its answer, or any other byte, may take before the peer is suspect, besides its way; ms, Infinity for never
   * suspect.
   */
  readonly suspectMs: number;
  /** How long it may take before the peer is given up; ms. */
  readonly timeoutMs: number;
  /** Whether to ping also while no call is in flight. */
  readonly withoutCalls: boolean;
  /** Whether to ping again in the same silence. */
  readonly again: boolean;
}

export interface LivenessListener {
  ping(): void;
  /** The ping's answer is late; false: something came after all. */
  onSuspect(isSuspect: boolean): void;
  /** The ping had no answer. */
  onDead(reason: string): void;
}

/**
 * What is pinged by default: a peer that is silent for half a second while calls are in flight, once per silence. An
 * instance that hangs is thus suspect, and passed over, within a second. grpc-go closes a connection at the third ping
 * that follows another within five minutes and without any headers or data of the server's in between
 * (`keepalive.EnforcementPolicy`); pings that only ever follow those are not counted, but for one that crossed them. An
 * instance that computes for long without a turn of its event loop is given ten seconds.
 */
export const SUSPICION: LivenessOptions = {
  afterMs: 500,
  suspectMs: 250,
  timeoutMs: 10_000,
  withoutCalls: false,
  again: false,
};

// A timer that fires later than this says that this process itself stood still: what has come meanwhile is not read yet.
const LATE_MS = 100;
// A turn of the event loop, in which it is.
const READ_MS = 20;
// Farther than this is no place on earth: where connecting took longer, somebody was busy.
const MAX_FAR_MS = 500;

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
  private isSuspect = false;
  private suspectMs: number;
  private dueMs = 0;
  private stopTimer: (() => void) | null = null;

  constructor(clock: Clock, options: LivenessOptions, listener: LivenessListener) {
    this.clock = clock;
    this.options = options;
    this.listener = listener;
    this.suspectMs = options.suspectMs;
    this.heardMs = clock.now();
    if (options.withoutCalls) this.wait(options.afterMs);
  }

  /** How long connecting took: a round trip at least, and so does an answer. */
  onConnected(tookMs: number): void {
    this.suspectMs = this.options.suspectMs + Math.min(tookMs, MAX_FAR_MS);
  }

  /** Bytes came, whatever they are. */
  onBytes(nowMs: number): void {
    this.heardMs = nowMs;
    this.isPinging = false;
    if (!this.isSuspect) return;
    this.isSuspect = false;
    this.listener.onSuspect(false);
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
    this.dueMs = this.clock.now() + ms;
    this.stopTimer = this.clock.after(ms, () => this.check());
  }

  private check(): void {
    this.stopTimer = null;
    const now = this.clock.now();
    if (now - this.dueMs > LATE_MS) this.wait(READ_MS);
    else if (this.isPinging) this.checkAnswer(now);
    else this.checkSilence(now);
  }

  private checkAnswer(nowMs: number): void {
    const { afterMs, timeoutMs } = this.options;
    const waitedMs = nowMs - this.pingedMs;
    if (waitedMs >= timeoutMs) {
      this.listener.onDead(`no answer to a ping within ${timeoutMs} ms`);
      return;
    }
    const isLate = waitedMs >= this.suspectMs;
    const limitMs = isLate ? timeoutMs : Math.min(this.suspectMs, timeoutMs);
    // Looks in between, because after an answer the silence begins anew.
    this.wait(Math.min(limitMs - waitedMs, afterMs));
    if (!isLate || this.isSuspect) return;
    this.isSuspect = true;
    this.listener.onSuspect(true);
  }

  private checkSilence(nowMs: number): void {
    const { afterMs, timeoutMs, again, withoutCalls } = this.options;
    // The next call starts the timer again.
    if (this.calls === 0 && !withoutCalls) return;
    const silentMs = nowMs - this.heardMs;
    if (silentMs < afterMs) {
      this.wait(afterMs - silentMs);
      return;
    }
    if (!this.mayPing && !again) {
      this.wait(afterMs);
      return;
    }
    this.mayPing = false;
    this.isPinging = true;
    this.pingedMs = nowMs;
    this.wait(Math.min(afterMs, this.suspectMs, timeoutMs));
    this.listener.ping();
  }
}
