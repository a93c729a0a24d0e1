import { once } from "node:events";
import { connect, type Socket } from "node:net";

export interface RawReply {
  readonly version: string;
  readonly status: number;
  /** Values by lower-case name, repeated ones joined by ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** name, value, name, value, … as received. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  /** Whether the body ended as it said it would; a cut connection ends it, too. */
  readonly complete: boolean;
  text(): string;
  json(): unknown;
}

/** A client that sends exactly the bytes it is given and reads replies one by one. Closed by its user. */
export class RawClient {
  readonly socket: Socket;
  private chunks: Buffer[] = [];
  private size = 0;
  private ended = false;
  private wake: () => void = () => {};

  constructor(port: number, options: { allowHalfOpen?: boolean } = {}) {
    this.socket = connect({ port, host: "127.0.0.1", ...options });
    this.socket.on("data", (chunk: Buffer) => {
      this.chunks.push(chunk);
      this.size += chunk.length;
      this.wake();
    });
    for (const event of ["end", "close"]) {
      this.socket.on(event, () => {
        this.ended = true;
        this.wake();
      });
    }
    // A reset shows as the end of what was received.
    this.socket.on("error", () => {});
  }

  /** Bytes that came and that no reply has taken. */
  get received(): Buffer {
    if (this.chunks.length !== 1) this.chunks = [Buffer.concat(this.chunks)];
    return this.chunks[0] as Buffer; // just made
  }

  /** Latin-1 text or bytes. */
  send(data: string | Uint8Array): this {
    this.socket.write(typeof data === "string" ? Buffer.from(data, "latin1") : data);
    return this;
  }

  /** The next reply; `bodiless` for one to HEAD. Interim replies (1xx) are replies. */
  async reply({ bodiless = false } = {}): Promise<RawReply> {
    let headEnd: number;
    while ((headEnd = this.received.indexOf("\r\n\r\n")) < 0) await this.more();
    const [first = "", ...lines] = this.take(headEnd + 4)
      .toString("latin1")
      .trimEnd()
      .split("\r\n");
    const [version = "", status = ""] = first.split(" ");
    const rawHeaders = lines.flatMap((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon), line.slice(colon + 1).trim()];
    });
    const headers: Record<string, string> = {};
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const name = (rawHeaders[i] ?? "").toLowerCase();
      const value = rawHeaders[i + 1] ?? "";
      headers[name] = name in headers ? `${headers[name]}, ${value}` : value;
    }
    const empty = bodiless || status.startsWith("1") || status === "204" || status === "304";
    const { body, complete } = empty ? { body: Buffer.alloc(0), complete: true } : await this.body(headers);
    return {
      version,
      status: Number(status),
      headers,
      rawHeaders,
      body,
      complete,
      text: () => body.toString(),
      json: () => JSON.parse(body.toString()) as unknown,
    };
  }

  /** Waits until the server has closed the connection; what came until then, unparsed. */
  async closed(): Promise<string> {
    while (!this.ended) await this.next();
    return this.received.toString("latin1");
  }

  /** Waits for one line of a chunked reply's text, framing aside: chunks of tests hold no CRLF but the framing's. */
  async until(text: string): Promise<void> {
    while (!this.received.includes(text)) await this.more();
  }

  close(): void {
    this.socket.destroy();
  }

  private async body(headers: Record<string, string>): Promise<{ body: Buffer; complete: boolean }> {
    if (headers["content-length"] !== undefined) {
      const length = Number(headers["content-length"]);
      while (this.size < length) {
        if (this.ended) return { body: this.take(this.received.length), complete: false };
        await this.next();
      }
      return { body: this.take(length), complete: true };
    }
    if (headers["transfer-encoding"] !== "chunked") {
      while (!this.ended) await this.next();
      return { body: this.take(this.received.length), complete: true };
    }
    const chunks: Buffer[] = [];
    for (;;) {
      let lineEnd: number;
      while ((lineEnd = this.received.indexOf("\r\n")) < 0) {
        if (this.ended) return { body: Buffer.concat(chunks), complete: false };
        await this.next();
      }
      const size = parseInt(this.received.subarray(0, lineEnd).toString("latin1"), 16);
      while (this.size < lineEnd + 2 + size + 2) {
        if (this.ended) return { body: Buffer.concat(chunks), complete: false };
        await this.next();
      }
      chunks.push(this.take(lineEnd + 2 + size + 2).subarray(lineEnd + 2, lineEnd + 2 + size));
      if (size === 0) return { body: Buffer.concat(chunks), complete: true };
    }
  }

  private take(length: number): Buffer {
    const { received } = this;
    this.chunks = [received.subarray(length)];
    this.size = received.length - length;
    return received.subarray(0, length);
  }

  private async more(): Promise<void> {
    if (this.ended) throw new Error(`the server closed after ${JSON.stringify(this.received.toString("latin1"))}`);
    await this.next();
  }

  private next(): Promise<void> {
    return new Promise((resolve) => (this.wake = resolve));
  }
}

export interface AskOptions {
  readonly method?: string;
  /** name: value; `host` is added, and content-length for a body, where missing. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** The bytes of one well-formed request. */
export function requestBytes(path: string, { method, headers = {}, body }: AskOptions = {}): Buffer {
  const bytes = body === undefined ? Buffer.alloc(0) : typeof body === "string" ? Buffer.from(body) : body;
  const all: Record<string, string> = { host: "gateway.test", ...headers };
  const isFramed = Object.keys(all).some((name) => /^(content-length|transfer-encoding)$/i.test(name));
  if (body !== undefined && !isFramed) all["content-length"] = String(bytes.length);
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `${method ?? (body === undefined ? "GET" : "POST")} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
  return Buffer.concat([Buffer.from(head, "latin1"), bytes]);
}

/** One request on a connection of its own, and its reply. */
export async function ask(
  server: { readonly port: number },
  path: string,
  options: AskOptions = {},
): Promise<RawReply> {
  const client = new RawClient(server.port);
  try {
    client.send(requestBytes(path, options));
    return await client.reply({ bodiless: options.method === "HEAD" });
  } finally {
    client.close();
    if (!client.socket.closed) await once(client.socket, "close");
  }
}
