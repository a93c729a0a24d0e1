import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export interface TcpServer {
  /** `127.0.0.1:port` */
  readonly address: string;
  /** Connections that are open. */
  readonly sockets: ReadonlySet<Socket>;
  close(): void;
}

/** Stands in front of a port, where its connections can be counted. */
export function startTcpProxy(port: number): Promise<TcpServer> {
  return start((socket) => {
    const inner = connect(port, "127.0.0.1").setNoDelay();
    socket.setNoDelay();
    socket.pipe(inner).pipe(socket);
    inner.on("error", () => {});
    inner.on("close", () => socket.destroy());
    socket.on("close", () => inner.destroy());
  });
}

/** Accepts connections and never says a word on them. */
export function startMuteServer(): Promise<TcpServer> {
  return start((socket) => socket.resume());
}

async function start(onSocket: (socket: Socket) => void): Promise<TcpServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
    onSocket(socket);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`, // a TCP server that listens
    sockets,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
