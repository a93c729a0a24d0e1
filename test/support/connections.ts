import type { ConnectionFactory } from "../../src/upstream/connection/connection.ts";
import { createGrpcJsConnection } from "../../src/upstream/connection/grpc-js.ts";
import { createHttp2Connection } from "../../src/upstream/connection/http2.ts";
import { SERVER, TRUSTING, type ServerIdentity } from "./tls.ts";

/** Every implementation of `Connection`, by name: what is true of one is true of all. */
export const connections: readonly (readonly [name: string, connect: ConnectionFactory])[] = [
  ["grpc-js", createGrpcJsConnection()],
  ["http2", createHttp2Connection()],
];

/** The same in plaintext and over TLS, each with what its servers show. */
export const securedConnections: readonly (readonly [
  name: string,
  connect: ConnectionFactory,
  identity: ServerIdentity | null,
])[] = [
  ...connections.map(([name, connect]) => [name, connect, null] as const),
  ["grpc-js over TLS", createGrpcJsConnection(TRUSTING), SERVER],
  ["http2 over TLS", createHttp2Connection({ tls: TRUSTING }), SERVER],
];
