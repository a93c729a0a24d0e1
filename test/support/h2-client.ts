import { once } from "node:events";
import http2, {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import type { TestContext } from "node:test";
import { pem } from "./tls.ts";

/** `server:` of a configuration whose certificate `pem("ca")` has signed, with further keys in flow style. */
export function tlsServer(more = ""): string {
  const file = (name: string) => `"$REPO/test/fixtures/tls/${name}.pem"`;
  return `{ tls: { cert: ${file("server")}, key: ${file("server-key")} }${more === "" ? "" : `, ${more}`} }`;
}

export interface H2Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** What came until the end or the reset. */
  readonly body: Buffer;
  /** How the stream was closed: 0 is NO_ERROR. */
  readonly code: number;
  text(): string;
  json(): unknown;
}

/** How many streams of a session are open. */
const open = new WeakMap<ClientHttp2Session, number>();

/** A connection of node:http2 to a server on this machine. Closed at the test's end, or when it is idle and told to go. */
export async function connectH2(
  t: TestContext,
  { port }: { readonly port: number },
  options: http2.SecureClientSessionOptions = {},
): Promise<ClientHttp2Session> {
  const session = http2.connect(`https://localhost:${port}`, { ca: pem("ca"), ...options });
  session.on("error", () => {}); // shows in the streams, and in "close"
  t.after(() => session.destroy());
  // Once it is told of this, Node's own waits for the server to go first.
  session.on("goaway", () => void (open.get(session) || session.destroy()));
  await once(session, "remoteSettings");
  // So that streams which are not read do not hold back the others.
  session.setLocalWindowSize(1 << 24);
  return session;
}

/** Sends the head of a request; its body, where there is to be one, is the caller's to write and to end. */
export function openH2(
  session: ClientHttp2Session,
  path: string,
  headers: OutgoingHttpHeaders = {},
  endStream = false,
): ClientHttp2Stream {
  const stream = session.request({ ":path": path, ...headers }, { endStream });
  stream.on("error", () => {}); // shows in `rstCode`
  open.set(session, (open.get(session) ?? 0) + 1);
  stream.once("close", () => open.set(session, (open.get(session) ?? 1) - 1));
  return stream;
}

/** One request, and its whole reply. */
export async function askH2(
  session: ClientHttp2Session,
  path: string,
  { method, headers, body }: { method?: string; headers?: OutgoingHttpHeaders; body?: string | Uint8Array } = {},
): Promise<H2Reply> {
  const all = { ":method": method ?? (body === undefined ? "GET" : "POST"), ...headers };
  const stream = openH2(session, path, all, body === undefined);
  if (body !== undefined) stream.end(body);
  return replyOf(stream);
}

/** Reads a reply to its end. */
export async function replyOf(stream: ClientHttp2Stream): Promise<H2Reply> {
  let headers: IncomingHttpHeaders = {};
  stream.on("response", (received) => (headers = received));
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  if (!stream.destroyed) await new Promise<void>((resolve) => stream.once("close", resolve));
  const body = Buffer.concat(chunks);
  return {
    status: Number(headers[":status"] ?? 0),
    headers,
    body,
    code: stream.rstCode,
    text: () => body.toString(),
    json: () => JSON.parse(body.toString()) as unknown,
  };
}
