import { METHODS, type IncomingMessage, type ServerResponse } from "node:http";
import fastify, { type FastifyInstance } from "fastify";
import type { Clock } from "../core/clock.ts";
import { gatewayError, GatewayError } from "../core/errors.ts";
import type { HttpExchange } from "../exchange/http.ts";
import { NodeHttpExchange, type AdapterState } from "./adapter.ts";
import { answerClientError } from "./client-error.ts";
import type { ServerOptions } from "./options.ts";
import { originTarget } from "./request-target.ts";

export interface EdgeHandlers {
  onRequest(http: HttpExchange): void;
  /** A request that never became one for a route: bad framing, a bad target. */
  onRefused(http: HttpExchange, error: GatewayError): void;
  /** Bytes that were no HTTP request, or a request that did not arrive in time; answered already. */
  onClientError(error: GatewayError): void;
}

export interface Edge {
  /** `http://127.0.0.1:8080` */
  readonly address: string;
  readonly port: number;
  /** Stops accepting, lets requests in flight finish for up to `limitMs`, then breaks what is left. */
  drain(limitMs: number): Promise<void>;
}

/** Opens the port that clients talk to. Throws ADDRESS_IN_USE where it is taken. */
export async function startEdge(options: ServerOptions, clock: Clock, handlers: EdgeHandlers): Promise<Edge> {
  const state: AdapterState = { maxBodyBytes: options.limits.bodyBytes, draining: false };
  const limits = { headerBytes: options.limits.headerBytes, headerMs: options.timeouts.headerMs };
  const app = fastify({
    // Every path is ours to match: Fastify's router sees one path only, so it neither decodes nor refuses any.
    rewriteUrl: () => "/",
    return503OnClosing: false,
    requestTimeout: options.timeouts.requestMs,
    keepAliveTimeout: options.timeouts.idleMs,
    clientErrorHandler(error, socket) {
      const failure = answerClientError(error, socket, limits);
      if (failure !== null) handlers.onClientError(failure);
    },
    http: {
      maxHeaderSize: options.limits.headerBytes,
      headersTimeout: options.timeouts.headerMs,
      // Node looks for slow sockets only this often; its default of 30 s would make the limits above soft.
      connectionsCheckingInterval: Math.min(1000, Math.max(50, Math.floor(options.timeouts.headerMs / 4))),
      requireHostHeader: true,
    },
  });
  // More headers than Node keeps would vanish without a word; their size is limited above.
  app.server.maxHeadersCount = 0;
  app.server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) => {
    // RFC 9110, 10.1.1: only 100-continue is known; Node answers that itself.
    request.resume();
    response.writeHead(417, { "content-length": 0, connection: "close" }).end();
  });
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
    address: app.listeningOrigin,
    port: (app.server.address() as { port: number }).port, // a TCP server that listens
    drain: (limitMs) => drain(app, state, clock, limitMs),
  };
}

function dispatch(
  request: IncomingMessage,
  response: ServerResponse,
  url: string,
  state: AdapterState,
  handlers: EdgeHandlers,
): void {
  request.url = url;
  const target = originTarget(request);
  if (target instanceof GatewayError) {
    if (target.code === "HTTP_MALFORMED") response.shouldKeepAlive = false;
    return handlers.onRefused(new NodeHttpExchange(request, response, url, state), target);
  }
  handlers.onRequest(new NodeHttpExchange(request, response, target, state));
}

async function listen(app: FastifyInstance, options: ServerOptions): Promise<void> {
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    await app.close();
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") {
      throw gatewayError(
        "ADDRESS_IN_USE",
        { address: `${options.host}:${options.port}`, flag: "--port" },
        { cause: error },
      );
    }
    throw error;
  }
}

async function drain(app: FastifyInstance, state: AdapterState, clock: Clock, limitMs: number): Promise<void> {
  state.draining = true;
  const { server } = app;
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const cancel = clock.after(limitMs, () => server.closeAllConnections());
  await closed;
  cancel();
  await app.close();
}
