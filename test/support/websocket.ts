import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { TestContext } from "node:test";
import { WebSocket, type ClientOptions } from "ws";

/** What a closed WebSocket was closed with. */
export interface Closed {
  readonly code: number;
  readonly reason: string;
}

/** A WebSocket of the ws package whose messages are read one by one. Cut off at the test's end. */
export class SocketClient {
  readonly socket: WebSocket;
  /** Code and reason; 1006 where the connection broke. */
  readonly closed: Promise<Closed>;
  /** All that came, text as a string. */
  readonly received: (string | Buffer)[] = [];
  private taken = 0;
  private wake: () => void = () => {};

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer, isBinary) => {
      this.received.push(isBinary ? data : data.toString());
      this.wake();
    });
    this.closed = new Promise((resolve) => {
      socket.once("close", (code, reason) => {
        resolve({ code, reason: reason.toString() });
        this.wake();
      });
    });
  }

  send(...messages: readonly (string | Uint8Array)[]): this {
    for (const message of messages) this.socket.send(message);
    return this;
  }

  /** The next message; throws where the connection closed instead. */
  async next(): Promise<string | Buffer> {
    while (this.taken === this.received.length) {
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error("closed before a message");
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    return this.received[this.taken++] as string | Buffer; // below the length
  }
}

/** Opens one; rejects where it is refused. */
export async function openSocket(
  t: TestContext,
  { port }: { readonly port: number },
  path: string,
  options: ClientOptions & { readonly protocols?: readonly string[] } = {},
): Promise<SocketClient> {
  const { protocols = [], ...rest } = options;
  const scheme = rest.ca === undefined ? "ws" : "wss";
  const socket = new WebSocket(`${scheme}://127.0.0.1:${port}${path}`, [...protocols], rest);
  t.after(() => socket.terminate());
  const client = new SocketClient(socket);
  await once(socket, "open");
  return client;
}

/** The reply to a handshake that is refused. */
export async function refusalOf(
  { port }: { readonly port: number },
  path: string,
  options: ClientOptions = {},
): Promise<{ status: number; headers: IncomingMessage["headers"]; json: unknown }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, options);
  const [, reply] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of reply) chunks.push(chunk as Buffer);
  socket.on("error", () => {}); // that it was closed before it was open
  socket.terminate();
  return { status: reply.statusCode ?? 0, headers: reply.headers, json: JSON.parse(Buffer.concat(chunks).toString()) };
}
