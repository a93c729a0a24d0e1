import type { AttemptEnd, AttemptListener, AttemptRequest, CallHandle, FlatMetadata } from "../call/call.ts";
import type { Clock } from "../core/clock.ts";
import { Code } from "../core/code.ts";
import type { Connection } from "./connection/connection.ts";
import type { Outlier } from "./health/outlier.ts";

/** Where an attempt is made. */
export interface AttemptHost {
  readonly clock: Clock;
  readonly connection: Connection;
  readonly outlier: Outlier;
  /** Whether attempts that wait for a sign of life had better be made elsewhere. */
  readonly hasHealthyBeside: boolean;
  began(): void;
  judge(end: AttemptEnd): void;
  /** Last of all; `startMs` on the clock's axis. */
  ended(startMs: number, code: Code): void;
}

// A limit shorter than this says more about whoever set it than about the instance.
const TELLING_TIMEOUT_MS = 100;

/**
 * Stands between the attempt and its call, to count it and to learn how it ended. One that was cancelled says nothing,
 * but for a timeout without a sign of life: what hangs answers nothing that could be judged.
 */
export class CountedAttempt implements AttemptListener, CallHandle {
  private readonly member: AttemptHost;
  private readonly listener: AttemptListener;
  private readonly inner: CallHandle;
  private readonly startMs: number;
  private done = false;
  private hasReply = false;
  private isTrial: boolean;

  constructor(member: AttemptHost, request: AttemptRequest, listener: AttemptListener) {
    this.member = member;
    this.listener = listener;
    this.startMs = member.clock.now();
    this.isTrial = member.outlier.beginAttempt();
    member.began();
    this.inner = member.connection.start(request, this);
  }

  onHeaders(metadata: FlatMetadata): void {
    this.onReply();
    this.listener.onHeaders(metadata);
  }

  onMessage(bytes: Uint8Array, start: number, end: number): void {
    if (!this.hasReply) this.onReply();
    this.listener.onMessage(bytes, start, end);
  }

  onWritable(): void {
    this.listener.onWritable();
  }

  onStalled(): void {
    if (!this.done && !this.hasReply && this.member.hasHealthyBeside) this.listener.onStalled?.();
  }

  onEnd(end: AttemptEnd): void {
    if (this.done) return;
    this.done = true;
    this.endTrial();
    this.member.judge(end);
    this.member.ended(this.startMs, end.code);
    this.listener.onEnd(end);
  }

  send(message: Uint8Array): boolean {
    return this.inner.send(message);
  }

  halfClose(): void {
    this.inner.halfClose();
  }

  pause(): void {
    this.inner.pause();
  }

  resume(): void {
    this.inner.resume();
  }

  cancel(because?: "timeout"): void {
    if (this.done) return;
    this.done = true;
    this.endTrial();
    this.inner.cancel();
    const { member } = this;
    if (because === "timeout" && !this.hasReply && member.clock.now() - this.startMs >= TELLING_TIMEOUT_MS) {
      member.outlier.failed();
    }
    member.ended(this.startMs, because === "timeout" ? Code.DeadlineExceeded : Code.Cancelled);
  }

  private onReply(): void {
    this.hasReply = true;
    this.endTrial();
  }

  private endTrial(): void {
    if (!this.isTrial) return;
    this.isTrial = false;
    this.member.outlier.endTrial();
  }
}
