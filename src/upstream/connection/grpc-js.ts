import type { ConnectionFactory } from "./connection.ts";
import { Session } from "./grpc-js/session.ts";
import { RemadeConnection } from "./remade-connection.ts";

/** Connections over grpc-js, plaintext: one channel per session. */
export const grpcJsConnection: ConnectionFactory = (address, options, events) =>
  new RemadeConnection(options, events, (listener) => new Session(address, options, listener));
