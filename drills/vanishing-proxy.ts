import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A TCP proxy whose server can vanish as a machine without power does: no FIN, no RST, no byte any more. */
export interface VanishingProxy {
  /** `127.0.0.1:port` */
  readonly address: string;
  /** From now on bytes of all connections, also of new ones, go nowhere. */
  vanish(): void;
  /** New connections reach the server again; those from before never do. */
  reappear(): void;
  close(): void;
}

export async function startVanishingProxy(port: number): Promise<VanishingProxy> {
  const sockets = new Set<Socket>();
  let isGone = false;
  let cut: (() => void)[] = [];
  const server = createServer((client) => {
    sockets.add(client);
    client.on("error", () => {});
    client.on("close", () => sockets.delete(client));
    if (isGone) return void client.resume();
    const inner = connect(port, "127.0.0.1").setNoDelay();
    sockets.add(inner);
    client.setNoDelay();
    client.pipe(inner).pipe(client);
    inner.on("error", () => {});
    const end = (): void => void client.destroy();
    inner.on("close", end);
    client.on("close", () => inner.destroy());
    cut.push(() => {
      client.unpipe(inner);
      inner.unpipe(client);
      inner.off("close", end);
      client.resume();
      inner.resume();
    });
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`, // a TCP server that listens
    vanish() {
      isGone = true;
      for (const one of cut.splice(0)) one();
    },
    reappear() {
      isGone = false;
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
