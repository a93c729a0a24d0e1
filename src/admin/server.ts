import fastify, { type FastifyReply } from "fastify";
import { gatewayError, type GatewayError } from "../core/errors.ts";
import { listenError } from "../core/listen-error.ts";
import { NO_SCHEMAS } from "../core/no-schemas.ts";

/** Whether one upstream can be served, and what is missing where it cannot. */
export interface UpstreamReadiness {
  readonly name: string;
  readonly ready: boolean;
  readonly endpoints: number;
  readonly readyEndpoints: number;
  /** "" where nothing is missing. */
  readonly missing: string;
}

export interface Readiness {
  readonly ready: boolean;
  readonly draining: boolean;
  readonly upstreams: readonly UpstreamReadiness[];
  /** Where requests are served by worker processes. */
  readonly workers?: WorkerCount;
}

export interface WorkerCount {
  readonly wanted: number;
  /** Those that take connections and answer. */
  readonly running: number;
}

export interface AdminSources {
  readiness(): Promise<Readiness>;
  metrics(): Promise<{ contentType: string; text: string }>;
}

export interface Admin {
  readonly address: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Opens the operators' port: /livez, /readyz, /metrics. Throws ADDRESS_IN_USE where it is taken. */
export async function startAdmin(options: { host: string; port: number }, sources: AdminSources): Promise<Admin> {
  const app = fastify({
    forceCloseConnections: true,
    http: { headersTimeout: 10_000 },
    requestTimeout: 10_000,
    schemaController: NO_SCHEMAS,
    frameworkErrors: (error, _, reply) => void fail(reply, gatewayError("PATH_MALFORMED", { reason: error.message })),
  });
  app.setErrorHandler((error, _, reply) => fail(reply, gatewayError("INTERNAL", {}, { cause: error })));
  if (isLoopback(options.host)) {
    app.addHook("onRequest", async (request, reply) => {
      const { hostname } = request;
      if (isLoopback(hostname)) return;
      await fail(reply, gatewayError("HOST_NOT_SERVED", { host: JSON.stringify(hostname.slice(0, 100)) }));
    });
  }
  // Before a body is read: whatever it is, there is nothing for it here.
  app.addHook("onRequest", async (request, reply) => {
    if (!request.is404) return;
    const { method, url } = request;
    const path = url.replace(/\?.*/s, "");
    if (!app.hasRoute({ method: "GET", url: path })) {
      await fail(reply, gatewayError("ROUTE_NOT_FOUND", { method, path }));
      return;
    }
    const allow = "GET, HEAD";
    await fail(reply.header("allow", allow), gatewayError("METHOD_NOT_ALLOWED", { method, path, allow }));
  });
  app.get("/livez", (_, reply) => reply.type("text/plain").send("ok\n"));
  app.get("/readyz", async (_, reply) => {
    const readiness = await sources.readiness();
    return reply.code(readiness.ready ? 200 : 503).send(readiness);
  });
  app.get("/metrics", async (_, reply) => {
    const { contentType, text } = await sources.metrics();
    return reply.header("content-type", contentType).send(text);
  });
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    await app.close();
    throw listenError(error, options, "--admin-port");
  }
  return {
    address: app.listeningOrigin,
    port: (app.server.address() as { port: number }).port, // a TCP server that listens
    close: () => app.close(),
  };
}

/** As the gateway itself answers: google.rpc.Status as JSON. */
function fail(reply: FastifyReply, error: GatewayError): FastifyReply {
  const info = { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: error.code, domain: "sluice" };
  return reply.code(error.http).send({ code: error.grpc, message: error.message, details: [info] });
}

/**
 * A stranger's page can have its own name resolve to this machine (DNS rebinding) and would then read what only the
 * machine's users may; the browser still sends that name as Host.
 */
function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
