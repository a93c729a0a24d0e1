import type { Server as HttpServer } from "node:http";
import { Server as NetServer, type Socket } from "node:net";
import { currentExchange, type AdapterState } from "./adapter.ts";
import type { Http2Sessions } from "./http2/sessions.ts";

// A request may be on its way on a connection that looks idle: closing that would lose it. Who says nothing for this
// long is taken to be idle indeed.
const QUIET_MS = 500;
// How long the last words of replies that are cut short may take.
const FLUSH_MS = 1000;

/** The open connections of a server. */
export interface Connections {
  /** Those that speak HTTP/1.1. */
  readonly sockets: ReadonlySet<Socket>;
  /** As accepted, also those whose handshake is not done. */
  readonly all: ReadonlySet<Socket>;
  readonly http2: Http2Sessions | null;
}

/** Those of a server without TLS. */
export function plainConnections(server: HttpServer): Connections {
  const sockets = trackSockets(server);
  return { sockets, all: sockets, http2: null };
}

/** Every connection that a server accepts, as long as it is open. */
export function trackSockets(server: NetServer): Set<Socket> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => keepWhileOpen(sockets, socket));
  return sockets;
}

export function keepWhileOpen(sockets: Set<Socket>, socket: Socket): void {
  sockets.add(socket);
  socket.once("close", () => sockets.delete(socket));
}

/**
 * Ends a server without losing a request: no new connections; replies close theirs; idle connections are closed once
 * they were quiet for a moment; those of HTTP/2 end with their last request. At the limit what is left is told to fail,
 * then cut.
 */
export async function drain(
  server: HttpServer,
  { sockets, all, http2 }: Connections,
  state: AdapterState,
  limitMs: number,
): Promise<void> {
  const { clock } = state;
  state.draining = true;
  // The HTTP server's own `close` would also end idle connections at once, cut off replies that are still being sent,
  // and stop looking for slow clients.
  const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
  http2?.close();
  let seen = new Map<Socket, number>();
  let stopSweep = (): void => {};
  const sweep = (): void => {
    const before = seen;
    seen = new Map();
    for (const socket of sockets) {
      if (isBusy(socket)) continue;
      if (before.get(socket) === socket.bytesRead) socket.destroy();
      else seen.set(socket, socket.bytesRead);
    }
    stopSweep = clock.after(QUIET_MS, sweep);
  };
  sweep();
  let stopLimit = clock.after(limitMs, () => {
    for (const socket of sockets) currentExchange(socket)?.onShutdown();
    http2?.shutDown();
    stopLimit = clock.after(FLUSH_MS, () => {
      for (const socket of sockets) socket.destroy();
      http2?.destroy();
      for (const socket of all) socket.destroy();
    });
  });
  await closed;
  stopSweep();
  stopLimit();
}

function isBusy(socket: Socket): boolean {
  const exchange = currentExchange(socket);
  return exchange !== null && !exchange.isReplied;
}
