import { readFileSync } from "node:fs";
import http2 from "node:http2";
import net, { type Socket } from "node:net";
import tls from "node:tls";
import type { TlsOptions } from "../../src/tls/client.ts";

/** A file that scripts/make-tls-fixtures.sh has made. */
export function pem(name: string): string {
  return readFileSync(new URL(`../fixtures/tls/${name}.pem`, import.meta.url), "utf8");
}

/** What a server shows; `ca` makes it ask for a client certificate of that authority. */
export interface ServerIdentity {
  readonly cert: string;
  readonly key: string;
  readonly ca?: string;
}

/** For localhost, 127.0.0.1, ::1 and lab.test, signed by `pem("ca")`. */
export const SERVER: ServerIdentity = { cert: pem("server"), key: pem("server-key") };

/** What such a server is reached with. */
export const TRUSTING: TlsOptions = { ca: pem("ca"), identity: null, serverName: null };

export const CLIENT = { cert: pem("client"), key: pem("client-key") };

/** A server of node:http2. */
export function createH2Server(identity: ServerIdentity | null): http2.Http2Server {
  if (identity === null) return http2.createServer();
  // Its options and events are those of the other, for what tests do with it.
  return http2.createSecureServer(serverOptions(identity)) as unknown as http2.Http2Server;
}

/** A server by hand, told of each socket. */
export function createRawServer(identity: ServerIdentity | null, onSocket: (socket: Socket) => void): net.Server {
  if (identity === null) return net.createServer(onSocket);
  return tls.createServer({ ...serverOptions(identity), ALPNProtocols: ["h2"] }, onSocket);
}

function serverOptions({ cert, key, ca }: ServerIdentity): tls.TlsOptions {
  return ca === undefined ? { cert, key } : { cert, key, ca, requestCert: true, rejectUnauthorized: true };
}
