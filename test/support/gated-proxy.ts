import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A TCP proxy that can hold back what goes to the server, to make a race come out one way. */
export interface GatedProxy {
  readonly url: string;
  /** Lets pass what was held back, and all from now on. */
  open(): void;
  close(): Promise<void>;
}

/** `holdOn` sees what the server sends, before the client does; once true, the client's bytes wait for `open`. */
export async function gatedProxy(targetUrl: string, holdOn: (fromServer: Buffer) => boolean): Promise<GatedProxy> {
  const { hostname, port } = new URL(targetUrl);
  const sockets = new Set<Socket>();
  let state: "passing" | "holding" | "open" = "passing";
  let held: (() => void)[] = [];
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on("error", () => other.destroy());
      socket.on("close", () => other.destroy());
    }
    client.on("data", (chunk: Buffer) => {
      if (state === "holding") held.push(() => upstream.write(chunk));
      else upstream.write(chunk);
    });
    upstream.on("data", (chunk: Buffer) => {
      if (state === "passing" && holdOn(chunk)) state = "holding";
      client.write(chunk);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    open() {
      state = "open";
      for (const write of held) write();
      held = [];
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
