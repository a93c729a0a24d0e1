import type { ConnectionFactory } from "./connection.ts";
import { Session } from "./grpc-js/session.ts";
import { RemadeConnection } from "./remade-connection.ts";
import { TlsClient, type TlsOptions } from "../../tls/client.ts";

/** Connections over grpc-js, one channel per session; plaintext without `tls`. */
export function createGrpcJsConnection(tls: TlsOptions | null = null): ConnectionFactory {
  const client = tls === null ? null : new TlsClient(tls);
  return (address, options, events) =>
    new RemadeConnection(options, events, (listener) => new Session(address, options, client, listener));
}
