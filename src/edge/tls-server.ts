import type { RequestListener, Server, ServerOptions as HttpOptions } from "node:http";
import { createServer, type Server as HttpsServer } from "node:https";
import type { Socket } from "node:net";
import { gatewayError, type GatewayError } from "../core/errors.ts";
import { secureContextOptions, type ServerTls } from "../tls/server.ts";
import type { AdapterState } from "./adapter.ts";
import { keepWhileOpen, trackSockets, type Connections } from "./drain.ts";
import { Http2Sessions, type Http2Handlers } from "./http2/sessions.ts";
import type { ServerOptions } from "./options.ts";

export interface TlsServerOptions {
  readonly tls: ServerTls;
  readonly options: ServerOptions;
  /** Node's for HTTP/1.1. */
  readonly http: HttpOptions & { readonly connectionsCheckingInterval: number };
  readonly state: AdapterState;
  readonly handlers: Http2Handlers;
}

/** Node's HTTPS server, where ALPN may choose HTTP/2. Clients without ALPN speak HTTP/1.1. */
export class TlsServer {
  readonly connections: Connections;
  private readonly server: HttpsServer;

  constructor({ tls, options, http, state, handlers }: TlsServerOptions) {
    const http2 = options.http2.enabled
      ? new Http2Sessions(options, state, handlers, http.connectionsCheckingInterval)
      : null;
    const server = createServer({
      ...http,
      ...secureContextOptions(tls),
      handshakeTimeout: options.timeouts.headerMs,
      ALPNProtocols: http2 === null ? ["http/1.1"] : ["h2", "http/1.1"],
      requestCert: tls.clientCa !== null,
      rejectUnauthorized: tls.clientCa !== null,
    });
    const sockets = new Set<Socket>();
    // Ahead of Node's own listener, which takes whatever comes for HTTP/1.1.
    const speakHttp1 = server.listeners("secureConnection");
    server.removeAllListeners("secureConnection");
    server.on("secureConnection", (socket) => {
      if (socket.alpnProtocol === "h2" && http2 !== null) return http2.accept(socket);
      keepWhileOpen(sockets, socket);
      for (const listener of speakHttp1) listener.call(server, socket);
    });
    // Node's own would have it answered as bad HTTP.
    server.removeAllListeners("tlsClientError");
    server.on("tlsClientError", (error, socket) => {
      const failure = handshakeFailure(error);
      if (failure !== null) handlers.onClientError(failure, socket.remoteAddress ?? "");
      socket.destroy();
    });
    this.server = server;
    this.connections = { sockets, all: trackSockets(server), http2 };
  }

  /** The server, with who takes the requests that come by HTTP/1.1. */
  serve(handler: RequestListener): Server {
    this.server.on("request", handler);
    return this.server as unknown as Server; // it has all that http.Server has
  }

  /** Shows another certificate from now on; connections that are open stay. */
  renew(tls: ServerTls): void {
    this.server.setSecureContext(secureContextOptions(tls));
  }
}

/** What is to be told of a handshake that failed; null where the client only went away, or never said anything. */
function handshakeFailure(error: NodeJS.ErrnoException & { reason?: string }): GatewayError | null {
  if (error.code === "ECONNRESET" || error.code === "ERR_TLS_HANDSHAKE_TIMEOUT") return null;
  return gatewayError("TLS_HANDSHAKE_FAILED", { reason: error.reason ?? error.message });
}
