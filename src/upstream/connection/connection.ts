import type { AttemptListener, AttemptRequest, CallHandle } from "../../call/call.ts";
import type { Clock } from "../../core/clock.ts";

/**
 * One HTTP/2 connection to one address, re-made by itself after it broke (backoff up to 2 s) until `close`.
 *
 *     idle -> connecting -> ready -> backoff -> connecting … ; any -> closed
 *
 * - `connecting`: TCP, TLS and the peer's SETTINGS; given up after the connect timeout.
 * - `ready`: calls may start.
 * - `backoff`: the last try failed or the connection broke; `connect()` cuts the wait short.
 */
export type ConnectionState = "idle" | "connecting" | "ready" | "backoff" | "closed";

export interface Connection {
  readonly state: ConnectionState;
  /** Whether the peer takes one more call now, as far as the implementation knows (MAX_CONCURRENT_STREAMS). */
  readonly hasRoom: boolean;
  /** Begins to connect, or connects now where it was waiting. */
  connect(): void;
  /** Starts one attempt. Where the connection is not ready the attempt ends as `not_processed`, asynchronously. */
  start(request: AttemptRequest, listener: AttemptListener): CallHandle;
  /** Takes no more attempts; those in flight end by themselves, then the socket closes. */
  close(): void;
  /** Ends everything now. */
  destroy(): void;
}

export interface ConnectionOptions {
  /** The upstream's name, for messages. */
  readonly upstream: string;
  /** Covers TCP, TLS and HTTP/2 SETTINGS; ms. */
  readonly connectTimeoutMs: number;
  /** Largest message taken from the upstream, bytes. */
  readonly maxMessageBytes: number;
  /** What deadlines, backoff and timeouts are measured on; the system's by default. */
  readonly clock?: Clock;
}

export interface ConnectionEvents {
  /** After every change of `state`; `reason` is for the log, set where a connection was lost or not made. */
  onState(state: ConnectionState, reason?: string): void;
  /**
   * While `ready`, and only where the implementation looks: calls wait, nothing came for a while, and a ping has no
   * answer. It may hang, or only be slow: false once something comes, and with every change of `state`, untold.
   */
  onSuspect(isSuspect: boolean): void;
}

/** `address` is `host:port`, IPv6 in brackets. */
export type ConnectionFactory = (address: string, options: ConnectionOptions, events: ConnectionEvents) => Connection;
