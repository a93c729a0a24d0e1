import type { Socket } from "node:net";
import type { Clock } from "../core/clock.ts";

// Long enough for a client far away to see the reply and stop; nginx's lingering_timeout is 5 s.
const LINGER_MS = 3000;

/**
 * Closes a connection whose client may still be sending: no more from us, and what still comes is thrown away for a
 * while. Closing at once would answer those bytes with a reset, which can reach the client before it has read the
 * reply (RFC 9112, 9.6).
 */
export function linger(socket: Socket, clock: Clock): void {
  if (socket.destroyed) return;
  socket.end();
  const cancel = clock.after(LINGER_MS, () => socket.destroy());
  socket.once("close", cancel);
  socket.resume();
}
