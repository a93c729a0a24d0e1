import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../core/clock.ts";
import { gatewayError, type GatewayError } from "../core/errors.ts";
import type { BodyListener, BodyStreamListener, HttpExchange, ReplyListener } from "../exchange/http.ts";
import { linger } from "./linger.ts";

/** What the adapter must know of the server it belongs to. */
export interface AdapterState {
  readonly maxBodyBytes: number;
  /** How long a request may take to arrive. */
  readonly requestMs: number;
  /** How long a client may take nothing of a reply. */
  readonly stallMs: number;
  readonly clock: Clock;
  /** While true, every reply closes its connection. */
  draining: boolean;
}

// A body that a reply did not wait for is read and thrown away up to this size, to keep the connection.
const MAX_SKIPPED_BYTES = 1 << 16;

const EMPTY = Buffer.alloc(0);
const CURRENT = Symbol("the last request of a connection");
type ServerSocket = Socket & { [CURRENT]?: NodeHttpExchange };

/** The last request that a connection brought, answered or not; of pipelined ones the one that was read last. */
export function currentExchange(socket: Socket): NodeHttpExchange | null {
  return (socket as ServerSocket)[CURRENT] ?? null;
}

/** Node's request and response as an HttpExchange. One object a request; it is also the listener of both. */
export class NodeHttpExchange implements HttpExchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly rawHeaders: readonly string[];
  readonly remoteAddress: string;
  readonly secure: boolean;
  readonly hasBody: boolean;
  readonly isFullDuplex = false;

  protected readonly request: IncomingMessage;
  private readonly response: ServerResponse;
  protected readonly state: AdapterState;
  protected listener: ReplyListener | null = null;
  /** The client holds its body back until it is told to send it; after a reply without that, Node closes. */
  private expectsContinue: boolean;
  /** Set while the body is being read. */
  private bodyListener: BodyListener | BodyStreamListener | null = null;

  /** `target` is the request target in origin form: a path and perhaps a query. */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    target: string,
    state: AdapterState,
    expectsContinue: boolean,
  ) {
    const queryAt = target.indexOf("?");
    this.method = request.method ?? "";
    this.path = queryAt < 0 ? target : target.slice(0, queryAt);
    this.query = queryAt < 0 ? "" : target.slice(queryAt + 1);
    this.rawHeaders = request.rawHeaders;
    this.remoteAddress = request.socket.remoteAddress ?? "";
    this.secure = isSecure(request.socket);
    const length = request.headers["content-length"];
    this.hasBody = (length !== undefined && length !== "0") || request.headers["transfer-encoding"] !== undefined;
    this.request = request;
    this.response = response;
    this.state = state;
    this.expectsContinue = expectsContinue;
    (request.socket as ServerSocket)[CURRENT] = this;
  }

  header(name: string): string | undefined {
    const value = this.request.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  listen(listener: ReplyListener): void {
    this.listener = listener;
    this.response.on("close", () => {
      if (!this.response.writableFinished) listener.onClientGone();
    });
  }

  readBody(listener: BodyListener): void {
    this.bodyListener = listener;
    const limit = this.state.maxBodyBytes;
    if (Number(this.request.headers["content-length"] ?? 0) > limit) return this.refuseBody(bodyTooLarge(limit));
    let first: Buffer | null = null;
    let rest: Buffer[] | null = null;
    let size = 0;
    this.request.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) return this.refuseBody(bodyTooLarge(limit));
      if (first === null) first = chunk;
      else (rest ??= [first]).push(chunk);
    });
    this.request.on("end", () => {
      if (this.bodyListener === null) return;
      this.bodyListener = null;
      listener.onBody(rest === null ? (first ?? EMPTY) : Buffer.concat(rest, size));
    });
    this.beginBody();
  }

  get maxBodyBytes(): number {
    return this.state.maxBodyBytes;
  }

  streamBody(listener: BodyStreamListener): void {
    this.bodyListener = listener;
    this.request.on("data", (piece: Buffer) => {
      if (this.bodyListener !== null) listener.onBodyPiece(piece);
    });
    this.request.on("end", () => {
      if (this.bodyListener === null) return;
      this.bodyListener = null;
      listener.onBodyEnd();
    });
    this.beginBody();
  }

  pauseBody(): void {
    this.request.pause();
  }

  resumeBody(): void {
    this.request.resume();
  }

  private beginBody(): void {
    // The response's "close" tells of a client that went away; without a listener here the error would be thrown.
    this.request.on("error", () => {});
    if (!this.expectsContinue) return;
    this.expectsContinue = false;
    this.response.writeContinue();
  }

  /**
   * What comes on the connection can no longer be read: bad framing, or the time for a request is over. False where
   * this request has nothing to do with it, since its reply is out.
   */
  onBroken(error: GatewayError): boolean {
    if (this.response.writableFinished) return false;
    this.closeAfterReply();
    // Where this request was read whole it gets its reply, and whatever follows gets none.
    this.refuseBody(error);
    return true;
  }

  /** Whether the request was read to its end. */
  get isComplete(): boolean {
    return this.request.complete;
  }

  /** Whether the whole reply was handed to the system. */
  get isReplied(): boolean {
    return this.response.writableFinished;
  }

  /** The server ends: so must the reply, within moments. */
  onShutdown(): void {
    if (!this.response.writableEnded) this.listener?.onShutdown();
  }

  send(status: number, headers: string[], body: string | Buffer): void {
    // A 304 may only say the length that a 200 would have had, a 204 none (RFC 9110, section 8.6).
    if (status !== 304 && status !== 204) headers.push("content-length", String(body.length));
    this.writeHead(status, headers);
    if (typeof body === "string") this.response.end(body, "latin1");
    else this.response.end(body);
    this.watchStall();
  }

  begin(status: number, headers: string[]): void {
    this.response.on("drain", () => {
      // A stream may be silent for longer than a client may stall.
      this.request.socket.setTimeout(0);
      this.listener?.onDrain();
    });
    this.writeHead(status, headers);
  }

  write(chunk: string | Buffer): boolean {
    const more = typeof chunk === "string" ? this.response.write(chunk, "latin1") : this.response.write(chunk);
    if (!more) this.watchStall();
    return more;
  }

  end(): void {
    this.response.end();
    this.watchStall();
  }

  abort(): void {
    const { socket, httpVersionMinor } = this.request;
    // What was written before is on its way only in a tick: Node corks a chunked reply.
    process.nextTick(() => {
      // Without chunks, in HTTP/1.0, an end of the connection is an end of the reply: only a reset is none.
      if (httpVersionMinor === 0) socket.resetAndDestroy();
      else this.response.destroy();
    });
  }

  private writeHead(status: number, headers: string[]): void {
    if (this.state.draining) this.response.shouldKeepAlive = false;
    if (this.hasBody && !this.request.complete) this.leaveBody();
    this.response.writeHead(status, headers);
  }

  /** The reply goes out ahead of the request's end. */
  private leaveBody(): void {
    const length = this.request.headers["content-length"];
    if (length === undefined || Number(length) > MAX_SKIPPED_BYTES) this.closeAfterReply();
  }

  private closeAfterReply(): void {
    const { socket } = this.request;
    // Node calls this after a reply with `connection: close`.
    socket.destroySoon = () => linger(socket, this.state.clock);
    if (this.response.headersSent) this.response.on("finish", () => socket.destroySoon());
    else this.response.shouldKeepAlive = false;
  }

  private refuseBody(error: GatewayError): void {
    const listener = this.bodyListener;
    this.bodyListener = null;
    listener?.onBodyError(error);
  }

  // Node lets a socket wait for ever on a client that takes nothing. Its timer for idle sockets starts anew whenever
  // some bytes went out, and Node ends it itself once the next request comes.
  private watchStall(): void {
    if (this.response.writableLength > 0) this.request.socket.setTimeout(this.state.stallMs);
  }
}

export function bodyTooLarge(limit: number): GatewayError {
  return gatewayError("BODY_TOO_LARGE", { limit });
}

function isSecure(socket: Socket): boolean {
  return (socket as Partial<TLSSocket>).encrypted === true;
}
