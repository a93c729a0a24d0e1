import type { ConnectionFactory } from "./connection.ts";
import { Session } from "./grpc-js/session.ts";
import { RemadeConnection } from "./remade-connection.ts";
import { TlsClient, type TlsOptions } from "../../tls/client.ts";

/** Connections over grpc-js, plaintext: one channel per session. */
export const grpcJsConnection: ConnectionFactory = createGrpcJsConnection(null);

/** The same over TLS, where that is given. */
export function createGrpcJsConnection(tls: TlsOptions | null): ConnectionFactory {
  const client = tls === null ? null : new TlsClient(tls);
  return (address, options, events) =>
    new RemadeConnection(options, events, (listener) => new Session(address, options, client, listener));
}
