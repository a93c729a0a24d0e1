import type { Server as HttpServer } from "node:http";
import { Server as NetServer, type Socket } from "node:net";
import { currentExchange, type AdapterState } from "./adapter.ts";

// A request may be on its way on a connection that looks idle: closing that would lose it. Who says nothing for this
// long is taken to be idle indeed.
const QUIET_MS = 500;
// How long the last words of replies that are cut short may take.
const FLUSH_MS = 1000;

/** Every open connection of a server; a drain asks each. */
export function trackSockets(server: HttpServer): Set<Socket> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  return sockets;
}

/**
 * Ends a server without losing a request: no new connections; replies close theirs; idle connections are closed once
 * they were quiet for a moment. At the limit what is left is told to fail, then cut.
 */
export async function drain(
  server: HttpServer,
  sockets: ReadonlySet<Socket>,
  state: AdapterState,
  limitMs: number,
): Promise<void> {
  const { clock } = state;
  state.draining = true;
  // The HTTP server's own `close` would also end idle connections at once, cut off replies that are still being sent,
  // and stop looking for slow clients.
  const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(server, () => resolve()));
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
    stopLimit = clock.after(FLUSH_MS, () => {
      for (const socket of sockets) socket.destroy();
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
