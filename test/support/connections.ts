import type { ConnectionFactory } from "../../src/upstream/connection/connection.ts";
import { grpcJsConnection } from "../../src/upstream/connection/grpc-js.ts";
import { http2Connection } from "../../src/upstream/connection/http2.ts";

/** Every implementation of `Connection`, by name: what is true of one is true of all. */
export const connections: readonly (readonly [name: string, connect: ConnectionFactory])[] = [
  ["grpc-js", grpcJsConnection],
  ["http2", http2Connection],
];
