import { connect } from "node:net";

// A connection within a machine or a rack takes well under a millisecond.
const CONNECT_TIMEOUT_MS = 1000;

/** Why `address` takes no TCP connection now; null where it does. */
export function tryConnect(address: string): Promise<string | null> {
  const colon = address.lastIndexOf(":");
  const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(address.slice(colon + 1)), timeout: CONNECT_TIMEOUT_MS });
    const end = (reason: string | null): void => {
      socket.destroy();
      resolve(reason);
    };
    socket.unref();
    socket.once("connect", () => end(null));
    socket.once("timeout", () => end(`no connection to ${address} within ${CONNECT_TIMEOUT_MS} ms`));
    socket.on("error", ({ message }) => end(message));
  });
}
