import { lookup } from "node:dns/promises";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import fastify, { type FastifyInstance } from "fastify";
import type { Clock } from "../core/clock.ts";
import { GatewayError } from "../core/errors.ts";
import { listenError } from "../core/listen-error.ts";
import { NO_SCHEMAS } from "../core/no-schemas.ts";
import { METHODS } from "../core/node-http.ts";
import type { HttpExchange, HttpUpgrade } from "../exchange/http.ts";
import { renewedTls, type ServerTls } from "../tls/server.ts";
import type { ErrorForm } from "../transcode/error-form.ts";
import { NodeHttpExchange, type AdapterState } from "./adapter.ts";
import { answerClientError } from "./client-error.ts";
import { drain, plainConnections } from "./drain.ts";
import type { ServerOptions } from "./options.ts";
import { originTarget } from "./request-target.ts";
import { isWebSocketUpgrade, WebSocketDoor } from "./websocket.ts";

export interface EdgeHandlers {
  onRequest(http: HttpExchange): void;
  /** A client asks for a WebSocket; the handshake is right, and its page may ask. */
  onUpgrade(http: HttpUpgrade): void;
  /** A request that never became one for a route: bad framing, a bad target. */
  onRefused(http: HttpExchange, error: GatewayError): void;
  /** Bytes that were no HTTP request, or headers that did not arrive in time; answered already. */
  onClientError(error: GatewayError, clientAddress: string): void;
  /** How such a failure looks. */
  errorForm(): ErrorForm;
}

export interface Edge {
  /** `http://127.0.0.1:8080`, or `https://…` */
  readonly address: string;
  readonly port: number;
  /** Shows renewed certificates to new connections, where TLS is spoken at all. */
  renew(tls: ServerTls | null): void;
  /** Stops accepting, lets requests in flight finish for up to `limitMs`, then makes what is left fail. */
  drain(limitMs: number): Promise<void>;
}

/** Opens the port that clients talk to. Throws ADDRESS_IN_USE where it is taken. */
export async function startEdge(options: ServerOptions, clock: Clock, handlers: EdgeHandlers): Promise<Edge> {
  const { timeouts, tls } = options;
  const state: AdapterState = {
    maxBodyBytes: options.limits.bodyBytes,
    requestMs: timeouts.requestMs,
    stallMs: timeouts.idleMs,
    clock,
    draining: false,
  };
  const limits = {
    headerBytes: options.limits.headerBytes,
    headerMs: timeouts.headerMs,
    requestMs: timeouts.requestMs,
  };
  const onClientError = (error: NodeJS.ErrnoException, socket: Socket): void => {
    const client = socket.remoteAddress ?? "";
    const failure = answerClientError(error, socket, limits, clock, handlers.errorForm());
    if (failure !== null) handlers.onClientError(failure, client);
  };
  const http = {
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.idleMs,
    maxHeaderSize: options.limits.headerBytes,
    headersTimeout: timeouts.headerMs,
    // Node looks for slow sockets only this often; its default of 30 s would make the limits above soft.
    connectionsCheckingInterval: Math.min(1000, Math.max(50, Math.floor(timeouts.headerMs / 4))),
    // Node's own refusal has no body; request-target.ts sees to it.
    requireHostHeader: false,
    // Any other wish to upgrade may be ignored (RFC 9110, 7.8).
    shouldUpgradeCallback: isWebSocketUpgrade,
  };
  // What TLS and HTTP/2 take is loaded only where they are spoken.
  const secure =
    tls === null ? null : new (await import("./tls-server.ts")).TlsServer({ tls, options, http, state, handlers });
  const app = fastify({
    // Every path is ours to match: Fastify's router sees one path only, so it neither decodes nor refuses any.
    rewriteUrl: () => "/",
    return503OnClosing: false,
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.idleMs,
    clientErrorHandler: onClientError,
    schemaController: NO_SCHEMAS,
    http,
    ...(secure === null ? {} : { serverFactory: (handler: RequestListener) => secure.serve(handler) }),
  });
  // More headers than Node keeps would vanish without a word; their size is limited above.
  app.server.maxHeadersCount = 0;
  // "100 Continue" is sent when the body is wanted, which a refused request's is not (RFC 9110, 10.1.1). Expectations
  // that nobody has defined may be ignored.
  app.server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    expecting.add(request);
    app.server.emit("request", request, response);
  });
  app.server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) =>
    app.server.emit("request", request, response),
  );
  app.server.on("connect", (_: IncomingMessage, socket: Socket) => {
    const reason = "CONNECT is not served; this is no forward proxy";
    onClientError(Object.assign(new Error(reason), { reason }), socket);
  });
  const webSockets = new WebSocketDoor(options.webSocket, state, handlers);
  app.server.on("upgrade", (request: IncomingMessage, socket: Socket, head: Buffer) =>
    webSockets.onUpgrade(request, socket, head),
  );
  const connections = secure?.connections ?? plainConnections(app.server);
  // No method has a body in Fastify's eyes: the exchange reads it, where its route takes one.
  for (const method of METHODS) {
    if (method !== "CONNECT") app.addHttpMethod(method, { hasBody: false, overrideExisting: true });
  }
  app.all("/", (request, reply) => {
    reply.hijack();
    dispatch(request.raw, reply.raw, request.originalUrl, state, handlers);
  });
  await listen(app, options);
  return {
    address: tls === null ? app.listeningOrigin : app.listeningOrigin.replace("http:", "https:"),
    port: (app.server.address() as { port: number }).port, // a TCP server that listens
    renew(wanted) {
      const renewed = renewedTls(tls, wanted);
      if (renewed !== null) secure?.renew(renewed);
    },
    async drain(limitMs) {
      await drain(app.server, connections, state, limitMs);
      await app.close();
    },
  };
}

/** Requests that wait for "100 Continue". */
const expecting = new WeakSet<IncomingMessage>();

function dispatch(
  request: IncomingMessage,
  response: ServerResponse,
  url: string,
  state: AdapterState,
  handlers: EdgeHandlers,
): void {
  // The connection closes after a reply that went out already (RFC 9112, 9.6).
  if (request.socket.writableEnded) return;
  request.url = url;
  const expectsContinue = request.headers.expect !== undefined && expecting.delete(request);
  const target = originTarget(request);
  if (target instanceof GatewayError) {
    if (target.code === "HTTP_MALFORMED") response.shouldKeepAlive = false;
    return handlers.onRefused(new NodeHttpExchange(request, response, url, state, expectsContinue), target);
  }
  handlers.onRequest(new NodeHttpExchange(request, response, target, state, expectsContinue));
}

async function listen(app: FastifyInstance, options: ServerOptions): Promise<void> {
  // For "localhost" Fastify opens a server for each of its addresses, and only the first is set up as above.
  const host = options.host === "localhost" ? (await lookup(options.host)).address : options.host;
  try {
    await app.listen({ host, port: options.port });
  } catch (error) {
    await app.close();
    throw listenError(error, options, "--port");
  }
}
