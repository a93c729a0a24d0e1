import {
  constants,
  performServerHandshake,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import { gatewayError, GatewayError } from "../../core/errors.ts";
import type { HttpExchange } from "../../exchange/http.ts";
import type { AdapterState } from "../adapter.ts";
import type { ServerOptions } from "../options.ts";
import { http2Target, joinedHeaders } from "../request-target.ts";
import { Http2Exchange } from "./exchange.ts";

// Envoy's guide for edges: 64 KiB for a stream, which are nghttp2's own, and 1 MiB for all of a connection, without which
// one upload that is held back would hold back the others.
const CONNECTION_WINDOW_BYTES = 1 << 20;

// Above the 100 that a request may have, for cookies come one by one (RFC 9113, 8.2.3).
const MAX_HEADER_PAIRS = 1000;

// How long a session that was closed may take to write its last words.
const CLOSE_MS = 3000;

export interface Http2Handlers {
  onRequest(http: HttpExchange): void;
  onRefused(http: HttpExchange, error: GatewayError): void;
  onClientError(error: GatewayError, clientAddress: string): void;
}

interface ClientSession {
  readonly session: ServerHttp2Session;
  readonly exchanges: Set<Http2Exchange>;
  /** Its SETTINGS have come. */
  isReady: boolean;
  /** Since when no request is in flight, on the clock's axis. */
  idleSinceMs: number;
}

/** All connections that speak HTTP/2. Requests become exchanges; what takes too long is ended. */
export class Http2Sessions {
  private readonly options: ServerOptions;
  private readonly state: AdapterState;
  private readonly handlers: Http2Handlers;
  private readonly sessions = new Set<ClientSession>();
  private readonly everyMs: number;
  private stopSweep: (() => void) | null = null;

  /** `everyMs`: how often to look for what takes too long. */
  constructor(options: ServerOptions, state: AdapterState, handlers: Http2Handlers, everyMs: number) {
    this.options = options;
    this.state = state;
    this.handlers = handlers;
    this.everyMs = everyMs;
  }

  /** Takes over a connection on which ALPN chose h2. */
  accept(socket: TLSSocket): void {
    const { limits, http2 } = this.options;
    const session = performServerHandshake(socket, {
      settings: {
        maxConcurrentStreams: http2.maxConcurrentStreams,
        // Node resets a stream beyond this. Up to it we can say what was wrong.
        maxHeaderListSize: 2 * limits.headerBytes,
      },
      maxHeaderListPairs: MAX_HEADER_PAIRS,
      // An upstream may send any header twice.
      strictSingleValueFields: false,
      // Node's defaults end what else is known: resets (streamResetBurst and -Rate; CVE-2023-44487), CONTINUATION, PING,
      // SETTINGS, empty DATA (maxSessionInvalidFrames). test/integration/h2-abuse.test.ts holds them to it.
    });
    const client: ClientSession = {
      session,
      exchanges: new Set(),
      isReady: false,
      idleSinceMs: this.state.clock.now(),
    };
    this.sessions.add(client);
    const address = socket.remoteAddress ?? "";
    session.on("stream", (stream, headers, flags, rawHeaders) =>
      this.onStream(client, address, stream, headers, flags, rawHeaders),
    );
    session.once("remoteSettings", () => (client.isReady = true));
    session.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ERR_HTTP2_ERROR" || error.code === "ERR_HTTP2_TOO_MANY_INVALID_FRAMES") {
        this.handlers.onClientError(gatewayError("HTTP_MALFORMED", { reason: error.message }), address);
      }
    });
    session.once("close", () => this.sessions.delete(client));
    session.setLocalWindowSize(CONNECTION_WINDOW_BYTES);
    if (this.state.draining) session.close();
    this.stopSweep ??= this.state.clock.after(this.everyMs, () => this.sweep());
  }

  /**
   * Connections end with their last request in flight. GOAWAY names it, so that a client knows which requests came too
   * late and may be made elsewhere. (The softer GOAWAY ahead of that, RFC 9113, 6.8, cannot be had from Node: after any,
   * nghttp2 takes no new request.)
   */
  close(): void {
    for (const { session } of this.sessions) session.close();
  }

  /** Requests in flight must end within moments. */
  shutDown(): void {
    for (const { exchanges } of this.sessions) for (const exchange of exchanges) exchange.onShutdown();
  }

  destroy(): void {
    for (const { session } of this.sessions) session.destroy();
  }

  private onStream(
    client: ClientSession,
    remoteAddress: string,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    flags: number,
    rawHeaders: string[],
  ): void {
    stream.on("error", () => {}); // its "close" tells all that there is to know
    // It was reset before its turn came.
    if (stream.destroyed) return;
    headers.host ??= headers[":authority"];
    const joined = joinedHeaders(rawHeaders, headers.cookie);
    const target = http2Target(headers, rawHeaders, joined.length / 2, this.options.limits.headerBytes);
    const isRefused = target instanceof GatewayError;
    const exchange = new Http2Exchange(
      {
        stream,
        headers,
        rawHeaders: joined,
        target: isRefused ? (headers[":path"] ?? "") : target,
        remoteAddress,
        isBodiless: (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0,
      },
      this.state,
    );
    client.exchanges.add(exchange);
    stream.once("close", () => {
      client.exchanges.delete(exchange);
      client.idleSinceMs = this.state.clock.now();
    });
    if (isRefused) this.handlers.onRefused(exchange, target);
    else this.handlers.onRequest(exchange);
  }

  private sweep(): void {
    const nowMs = this.state.clock.now();
    for (const client of this.sessions) this.check(client, nowMs);
    this.stopSweep = this.sessions.size === 0 ? null : this.state.clock.after(this.everyMs, () => this.sweep());
  }

  private check({ session, exchanges, isReady, idleSinceMs }: ClientSession, nowMs: number): void {
    for (const exchange of exchanges) exchange.check(nowMs);
    if (exchanges.size > 0) return;
    const { headerMs, idleMs } = this.options.timeouts;
    const idle = nowMs - idleSinceMs;
    if (!isReady) {
      if (idle > headerMs) session.destroy();
    } else if (idle > idleMs) {
      if (!session.closed) session.close();
      else if (idle > idleMs + CLOSE_MS) session.destroy();
    }
  }
}
