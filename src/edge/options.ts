import { z } from "zod";
import {
  duration,
  filled,
  flag,
  host,
  integer,
  leaf,
  list,
  port,
  section,
  size,
  text,
  type Docs,
  type Read,
} from "../core/options.ts";
import { compileClientAddresses } from "../exchange/client-address.ts";
import { serverTlsSection } from "../tls/options.ts";
import { renewedTls, type ServerTls } from "../tls/server.ts";
import { isOriginPattern } from "./origin.ts";

/** Where the gateway listens, and what it takes from clients. */
export interface ServerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly workers: Workers;
  /** Where the gateway is; "" where nothing is said. */
  readonly zone: string;
  readonly admin: { readonly host: string; readonly port: number };
  readonly timeouts: {
    readonly headerMs: number;
    readonly requestMs: number;
    readonly idleMs: number;
    readonly drainMs: number;
  };
  readonly limits: { readonly headerBytes: number; readonly bodyBytes: number };
  /** Null: plaintext, and HTTP/1.1 only. */
  readonly tls: ServerTls | null;
  /** Offered by ALPN, so over TLS only. */
  readonly http2: { readonly enabled: boolean; readonly maxConcurrentStreams: number };
  readonly webSocket: WebSocketOptions;
  /** Addresses, CIDR blocks, `loopback`, `linklocal`, `uniquelocal`: whose `x-forwarded-*` is believed. */
  readonly trustedProxies: readonly string[];
}

export interface WebSocketOptions {
  /** Origins such as `https://app.example.com`, `https://*.example.com` for its subdomains, or `*` for any. */
  readonly allowedOrigins: readonly string[];
  /** Open at a time, of one process. */
  readonly maxConnections: number;
}

/** How many processes serve requests; `auto` is one for each CPU that this process may use. */
export type Workers = number | "auto";

// Far more than there are CPUs anywhere; each takes some 100 MB.
const MAX_WORKERS = 256;

/** A number of workers, or `auto`. */
export function workersOption(docs: Docs<Workers>): z.ZodType<Workers> {
  const jsonSchema = {
    title: "number or auto",
    anyOf: [
      { type: "integer", minimum: 1, maximum: MAX_WORKERS },
      { type: "string", pattern: "^auto$|\\$\\{" },
    ],
  };
  return leaf(docs, jsonSchema, (value): Read<Workers> => {
    if (value === "auto") return { value };
    const number = typeof value === "string" && /^\d{1,3}$/.test(value) ? Number(value) : value;
    const isWorkers = typeof number === "number" && Number.isInteger(number) && number >= 1 && number <= MAX_WORKERS;
    return isWorkers ? { value: number } : { expected: `expected a whole number from 1 to ${MAX_WORKERS}, or auto` };
  });
}

const admin = section(
  { docs: "The operators' port: /livez, /readyz, /metrics. Keep it away from clients.", later: ["tls"] },
  {
    host: filled(host({ docs: "Address of the operators' port.", default: "127.0.0.1" })),
    port: filled(port({ docs: "Operators' port; 0 lets the system choose.", default: 9901 })),
  },
);

const timeouts = section(
  {
    docs: "How long a client may take.",
    check({ header, request }, complain) {
      // Node refuses to start otherwise (ERR_OUT_OF_RANGE).
      if (header !== undefined && request !== undefined && header > request) {
        complain(["header"], "header must not be longer than request, which includes it");
      }
    },
  },
  {
    header: filled(duration({ docs: "Until the request line and all headers are there.", default: "10s" })),
    request: filled(duration({ docs: "Until the whole request is there, body included.", default: "30s" })),
    idle: filled(
      duration({
        docs:
          "How long an open connection may wait for its next request, a client take nothing of a reply, and a WebSocket " +
          "leave pings unanswered.",
        default: "75s",
      }),
    ),
    drain: filled(
      duration({ docs: "How long requests in flight may take to end after SIGTERM.", default: "30s", min: 0 }),
    ),
  },
);

const limits = section(
  { docs: "How much a client may send." },
  {
    header: filled(size({ docs: "Request line and headers together.", default: "64KiB", min: 1024 })),
    body: filled(
      size({ docs: "Request body; of a stream, and on a WebSocket, each message.", default: "4MiB", min: 0 }),
    ),
  },
);

const allowedOrigin = leaf<string>(
  { docs: "An origin, such as https://app.example.com; https://*.example.com for its subdomains; * for any." },
  { title: "origin", type: "string" },
  (value) => {
    if (typeof value === "string" && isOriginPattern(value)) return { value: value.toLowerCase() };
    return { expected: "expected an origin such as https://app.example.com, https://*.example.com, or *" };
  },
);

const webSocket = section(
  { docs: "Who may open WebSockets, and how many." },
  {
    allowed_origins: filled(
      list(
        {
          docs: "Pages of these origins may, besides those whose origin is the request's Host; clients that are no browser always may.",
          default: [],
        },
        allowedOrigin,
      ),
    ),
    max_connections: filled(
      integer({
        docs: "Open at a time, in each process; more are refused with 503.",
        default: 10_000,
        min: 0,
        max: 1_000_000,
      }),
    ),
  },
);

const http2 = section(
  { docs: "HTTP/2, which clients choose over TLS." },
  {
    enabled: filled(flag({ docs: "Whether it is offered beside HTTP/1.1.", default: true })),
    max_concurrent_streams: filled(
      integer({ docs: "Requests in flight on one connection.", default: 100, min: 1, max: 100_000 }),
    ),
  },
);

const trustedProxy = leaf<string>(
  { docs: "An address, a CIDR block, `loopback`, `linklocal` or `uniquelocal`." },
  { title: "address", type: "string" },
  (value) => {
    const expected = "expected an IP address, a CIDR block, loopback, linklocal or uniquelocal";
    if (typeof value !== "string") return { expected };
    try {
      compileClientAddresses([value]);
      return { value };
    } catch {
      // What it says ("invalid IP address: x") is less than what we expect.
      return { expected };
    }
  },
);

/** The name of a zone, as discovery tells it too. */
export function zoneOption(docs: Docs): z.ZodType<string> {
  return text({ ...docs, what: "the name of a zone such as eu-1a", pattern: "\\S+" });
}

/** `server:` of routes.yaml. */
export const serverSection = section(
  { docs: "Where the gateway listens, and what it takes from clients.", later: ["cors"] },
  {
    host: filled(host({ docs: "Address to listen on; 0.0.0.0 for every IPv4 one.", default: "127.0.0.1" })),
    port: filled(port({ docs: "Port to listen on; 0 lets the system choose.", default: 8080 })),
    workers: filled(
      workersOption({
        docs:
          "Processes that serve requests on the port; 1 serves in the only process, auto has one for each CPU. " +
          "wait_for_ready.queue is divided among them; connections to instances are each worker's own.",
        default: 1,
      }),
    ),
    zone: zoneOption({
      docs: "Where this gateway is, for upstreams that prefer instances of their own zone.",
    }).optional(),
    admin: admin.prefault({}),
    timeouts: timeouts.prefault({}),
    limits: limits.prefault({}),
    tls: serverTlsSection.optional(),
    http2: http2.prefault({}),
    websocket: webSocket.prefault({}),
    trusted_proxies: filled(
      list(
        { docs: "Proxies in front of the gateway whose `x-forwarded-*` headers are believed.", default: [] },
        trustedProxy,
      ),
    ),
  },
);

/** `tls` is what `server.tls` was read to. */
export function toServerOptions(server: z.output<typeof serverSection>, tls: ServerTls | null): ServerOptions {
  const { timeouts, limits, http2, websocket } = server;
  return {
    host: server.host,
    port: server.port,
    workers: server.workers,
    zone: server.zone ?? "",
    admin: server.admin,
    timeouts: {
      headerMs: timeouts.header,
      requestMs: timeouts.request,
      idleMs: timeouts.idle,
      drainMs: timeouts.drain,
    },
    limits: { headerBytes: limits.header, bodyBytes: limits.body },
    tls,
    http2: { enabled: http2.enabled, maxConcurrentStreams: http2.max_concurrent_streams },
    webSocket: { allowedOrigins: websocket.allowed_origins, maxConnections: websocket.max_connections },
    trustedProxies: server.trusted_proxies,
  };
}

/** The options after a reload: those in force with what may change while the port is open, the certificates. */
export function reloadedServer(inForce: ServerOptions, wanted: ServerOptions): ServerOptions {
  return { ...inForce, tls: renewedTls(inForce.tls, wanted.tls) ?? inForce.tls };
}
