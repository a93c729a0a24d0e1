import type { Keepalive } from "../options.ts";
import type { ConnectionFactory } from "./connection.ts";
import type { LivenessOptions } from "./http2/liveness.ts";
import { MAX_31_BITS } from "./http2/frame.ts";
import { Session } from "./http2/session.ts";
import { dialTcp, dialTls } from "./http2/transport.ts";
import { RemadeConnection } from "./remade-connection.ts";
import { TlsClient, type TlsOptions } from "../../tls/client.ts";

export interface Http2ConnectionOptions {
  /** Sent as `user-agent`. Default `sluice`. */
  readonly userAgent?: string;
  /** Off by default. */
  readonly keepalive?: Keepalive | null;
  /** Plaintext without it. */
  readonly tls?: TlsOptions | null;
}

/** Connections over our own HTTP/2 client. */
export function createHttp2Connection({
  userAgent = "sluice",
  keepalive = null,
  tls = null,
}: Http2ConnectionOptions = {}): ConnectionFactory {
  const client = tls === null ? null : new TlsClient(tls);
  const session = {
    dial: client === null ? dialTcp : dialTls(client),
    scheme: client === null ? "http" : "https",
    authority: client === null ? null : client.serverName,
    userAgent,
    keepalive: keepalive === null ? null : toLiveness(keepalive),
    lastStreamId: MAX_31_BITS,
  } as const;
  return (address, options, events) =>
    new RemadeConnection(options, events, (listener) => new Session(address, options, session, listener));
}

function toLiveness({ timeMs, timeoutMs, permitWithoutCalls }: Keepalive): LivenessOptions {
  return { afterMs: timeMs, suspectMs: Infinity, timeoutMs, withoutCalls: permitWithoutCalls, again: true };
}
