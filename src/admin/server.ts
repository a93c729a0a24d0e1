import fastify from "fastify";
import { gatewayError } from "../core/errors.ts";

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
  const app = fastify({ forceCloseConnections: true, http: { headersTimeout: 10_000 }, requestTimeout: 10_000 });
  if (isLoopback(options.host)) {
    app.addHook("onRequest", async (request, reply) => {
      if (!isLoopback(request.hostname)) await reply.code(421).type("text/plain").send("not this host\n");
    });
  }
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
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") {
      const params = { address: `${options.host}:${options.port}`, flag: "--admin-port" };
      throw gatewayError("ADDRESS_IN_USE", params, { cause: error });
    }
    throw error;
  }
  return {
    address: app.listeningOrigin,
    port: (app.server.address() as { port: number }).port, // a TCP server that listens
    close: () => app.close(),
  };
}

/**
 * A stranger's page can have its own name resolve to this machine (DNS rebinding) and would then read what only the
 * machine's users may; the browser still sends that name as Host.
 */
function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}
