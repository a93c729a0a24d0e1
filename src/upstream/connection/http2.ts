import type { ConnectionFactory } from "./connection.ts";
import type { LivenessOptions } from "./http2/liveness.ts";
import { MAX_31_BITS } from "./http2/frame.ts";
import { Session } from "./http2/session.ts";
import { dialTcp } from "./http2/transport.ts";
import { RemadeConnection } from "./http2/remade-connection.ts";

export interface Http2ConnectionOptions {
  /** Sent as `user-agent`. Default `sluice`. */
  readonly userAgent?: string;
  /** Pings of a connection that is silent, against what drops it while idle. Off by default. */
  readonly keepalive?: KeepaliveOptions;
}

export interface KeepaliveOptions {
  /** Silence of the peer after which it is pinged. grpc-go's servers want five minutes at least, unless told so. */
  readonly timeMs: number;
  /** How long its answer may take. */
  readonly timeoutMs: number;
  /** Whether to ping also while no call is in flight. */
  readonly permitWithoutCalls: boolean;
}

/** Connections over our own HTTP/2 client, plaintext. */
export const http2Connection: ConnectionFactory = createHttp2Connection();

export function createHttp2Connection({
  userAgent = "sluice",
  keepalive,
}: Http2ConnectionOptions = {}): ConnectionFactory {
  const session = {
    dial: dialTcp,
    scheme: "http",
    userAgent,
    keepalive: keepalive === undefined ? null : toLiveness(keepalive),
    lastStreamId: MAX_31_BITS,
  } as const;
  return (address, options, events) =>
    new RemadeConnection(options, events, (listener) => new Session(address, options, session, listener));
}

function toLiveness({ timeMs, timeoutMs, permitWithoutCalls }: KeepaliveOptions): LivenessOptions {
  return { afterMs: timeMs, timeoutMs, withoutCalls: permitWithoutCalls, again: true };
}
