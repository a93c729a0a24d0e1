import type { Code } from "../core/code.ts";
import type { GatewayError } from "../core/errors.ts";
import type { RetryBudget } from "./retry-budget.ts";

/**
 * Metadata as a flat list `[name, value, name, value, …]`: names in lower case, values as they stand on the wire
 * (printable ASCII; base64 for names that end in `-bin`).
 */
export type FlatMetadata = readonly string[];

/** How a call or an attempt ended; exactly one for each that started and was not cancelled by its owner. */
export interface CallEnd {
  /** gRPC status. */
  readonly code: Code;
  /** The upstream's `grpc-message`, decoded; empty where `error` is set. */
  readonly message: string;
  /** Trailing metadata without `grpc-status` and `grpc-message`; `grpc-status-details-bin` stays in. */
  readonly trailers: FlatMetadata;
  /** Set where the gateway, not the upstream, made this end. */
  readonly error: GatewayError | null;
}

/** What a call tells its owner. After `onEnd`, or after the owner's `cancel`, nothing more is told. */
export interface CallListener {
  /** Initial metadata; at most once, before any message. Not called where the reply is trailers only. */
  onHeaders(metadata: FlatMetadata): void;
  /** One message, `bytes[start, end)`; the bytes are valid only during the call. */
  onMessage(bytes: Uint8Array, start: number, end: number): void;
  /** `send` said false, and more may be sent now. */
  onWritable(): void;
  /**
   * Forget headers and messages: the attempt that gave them broke before its end, and another is made. Only who keeps
   * all of a reply until its end can have this; without it a call that has given a message is not made again.
   */
  onRestart?(): void;
  onEnd(end: CallEnd): void;
}

/** The owner's hold on a call or an attempt that was started. */
export interface CallHandle {
  /** Sends one more request message; false asks to wait for `onWritable`. Only where the request had no `message`. */
  send(message: Uint8Array): boolean;
  /** No more request messages. */
  halfClose(): void;
  /** Stops reading replies until `resume`: flow control then holds the upstream back. */
  pause(): void;
  resume(): void;
  /**
   * Ends it now; the upstream sees CANCELLED. Idempotent. `timeout` says that the reply was too long in coming, which
   * may be held against the instance; a cancel of the client's own never is.
   */
  cancel(because?: "timeout"): void;
}

/** What every attempt of a call sends. */
export interface AttemptRequest {
  /** `/pkg.Service/Method` */
  readonly path: string;
  readonly metadata: FlatMetadata;
  /** The only request message, sent together with the half-close; null where the owner uses `send` and `halfClose`. */
  readonly message: Uint8Array | null;
  /** When the call must have ended, on the clock's axis (ms); Infinity for never. Sent as `grpc-timeout`. */
  readonly deadlineMs: number;
  /** A long silence of its reply says nothing: nobody waits for it. */
  readonly isQuiet?: boolean;
}

/**
 * Facts on the end of an attempt, decided where it is made:
 * - `answered`: the upstream gave a status of its own.
 * - `not_processed`: it surely never reached the application (no connection, refused stream, GOAWAY beyond it).
 * - `unknown`: it may have been processed (connection broke, protocol broke).
 */
export interface AttemptEnd extends CallEnd {
  readonly outcome: "answered" | "not_processed" | "unknown";
}

export interface AttemptListener extends Omit<CallListener, "onEnd" | "onRestart"> {
  /**
   * The instance gives no sign of life, while another one does: who may make the attempt there may cancel this one as a
   * timeout. It may still go on by itself.
   */
  onStalled?(): void;
  onEnd(end: AttemptEnd): void;
}

/** One instance chosen for one attempt. */
export interface Pick {
  /** `host:port`, to tell tried instances from others; for logs, never for clients. */
  readonly endpoint: string;
  /** Starts the attempt there. In-flight counts and health are kept behind this. Never throws. */
  start(request: AttemptRequest, listener: AttemptListener): CallHandle;
}

/** Where a call finds instances: what upstream/ offers to call/. */
export interface CallTarget {
  /** The upstream's name, for messages. */
  readonly name: string;
  /**
   * A ready instance, those not in `tried` first; null while none is ready. `hashKey` is what the request is known by, a
   * whole number in [0, 2^32), for policies that send the same to the same instance; -1 or left out where there is none.
   */
  pick(tried: readonly string[], hashKey?: number): Pick | null;
  /**
   * Tells once, later, that `pick` may give an instance. The result takes the wait back. Throws UPSTREAM_QUEUE_FULL
   * where as many calls wait already as the upstream allows.
   */
  wait(ready: () => void): () => void;
  /** What its calls may spend on attempts beyond their first. */
  readonly budget: RetryBudget;
  /** For metrics. */
  onCallEvent(event: CallEvent): void;
}

/**
 * - `retry`: one more attempt after one that failed, or in place of one without an answer.
 * - `retry_budget_exhausted`: there would have been one more, but for the budget.
 * - `hedge`, `hedge_won`: one more attempt beside one without an answer, and its answer was the first.
 */
export type CallEvent = "retry" | "retry_budget_exhausted" | "hedge" | "hedge_won";
