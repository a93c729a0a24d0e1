import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2";
import { bodyTooLarge, type AdapterState } from "../adapter.ts";
import { gatewayError, type GatewayError } from "../../core/errors.ts";
import type { BodyListener, BodyStreamListener, HttpExchange, ReplyListener } from "../../exchange/http.ts";

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants;

// What of a reply is given to Node at once, so that a client which takes bytes, however slowly, can be told from one
// that takes none: this much in the time that a client may stall.
const PIECE_BYTES = 1 << 16;

const EMPTY = Buffer.alloc(0);

/** One request as it came on a stream. */
export interface Http2Request {
  readonly stream: ServerHttp2Stream;
  /** Node's, with `host`. */
  readonly headers: IncomingHttpHeaders;
  /** Without pseudo-headers. */
  readonly rawHeaders: readonly string[];
  /** A path and perhaps a query. */
  readonly target: string;
  readonly remoteAddress: string;
  /** Whether the request ends with its headers. */
  readonly isBodiless: boolean;
}

/** A stream of HTTP/2 as an HttpExchange. Its session calls `check` every now and then. */
export class Http2Exchange implements HttpExchange {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly rawHeaders: readonly string[];
  readonly remoteAddress: string;
  readonly secure = true;
  readonly hasBody: boolean;
  readonly isFullDuplex = true;

  private readonly stream: ServerHttp2Stream;
  private readonly headers: IncomingHttpHeaders;
  private readonly state: AdapterState;
  private listener: ReplyListener | null = null;
  /** Set while the body is being read. */
  private bodyListener: BodyListener | BodyStreamListener | null = null;
  /** When the request must be there, on the clock's axis. */
  private requestEndMs: number;

  /** Of the reply; what Node has not been given yet. */
  private readonly pieces: (string | Buffer)[] = [];
  /** Bytes in `pieces`, and what Node was given last. */
  private backlog = 0;
  private isWriting = false;
  /** `write` has said false. */
  private isFull = false;
  /** When the client last took something, or the reply last began to wait for it. */
  private progressMs = 0;
  /** What follows the last piece. */
  private ending: "open" | "end" | "abort" = "open";
  /** There is nothing more to tell the listener. */
  private isOver = false;

  constructor({ stream, headers, rawHeaders, target, remoteAddress, isBodiless }: Http2Request, state: AdapterState) {
    const queryAt = target.indexOf("?");
    this.method = headers[":method"] ?? "";
    this.path = queryAt < 0 ? target : target.slice(0, queryAt);
    this.query = queryAt < 0 ? "" : target.slice(queryAt + 1);
    this.rawHeaders = rawHeaders;
    this.remoteAddress = remoteAddress;
    this.hasBody = !isBodiless;
    this.stream = stream;
    this.headers = headers;
    this.state = state;
    this.requestEndMs = isBodiless ? Infinity : state.clock.now() + state.requestMs;
    // At once, where "close" would wait for a body that nobody reads just now.
    stream.on("aborted", () => this.onGone());
    stream.on("close", () => this.onGone());
    stream.on("finish", () => {
      // Node ends the writable side of a HEAD before there is a reply.
      if (stream.headersSent) this.onReplied();
    });
  }

  header(name: string): string | undefined {
    const value = this.headers[name];
    return Array.isArray(value) ? value.join(", ") : value;
  }

  listen(listener: ReplyListener): void {
    this.listener = listener;
  }

  get maxBodyBytes(): number {
    return this.state.maxBodyBytes;
  }

  readBody(listener: BodyListener): void {
    this.bodyListener = listener;
    const limit = this.state.maxBodyBytes;
    if (Number(this.headers["content-length"] ?? 0) > limit) return this.refuseBody(bodyTooLarge(limit));
    const chunks: Buffer[] = [];
    let size = 0;
    this.beginBody(
      (chunk) => {
        size += chunk.length;
        if (size > limit) return this.refuseBody(bodyTooLarge(limit));
        chunks.push(chunk);
      },
      () => listener.onBody(chunks.length <= 1 ? (chunks[0] ?? EMPTY) : Buffer.concat(chunks, size)),
    );
  }

  streamBody(listener: BodyStreamListener, isOpenEnded: boolean): void {
    this.bodyListener = listener;
    if (isOpenEnded) this.requestEndMs = Infinity;
    this.beginBody(
      (piece) => listener.onBodyPiece(piece),
      () => listener.onBodyEnd(),
    );
  }

  private beginBody(onPiece: (piece: Buffer) => void, onEnd: () => void): void {
    const { stream } = this;
    stream.on("data", (piece: Buffer) => {
      if (this.bodyListener !== null) onPiece(piece);
    });
    stream.on("end", () => {
      this.requestEndMs = Infinity;
      // A stream that is reset ends, too.
      if (this.bodyListener === null || this.isOver) return;
      this.bodyListener = null;
      onEnd();
    });
    if (this.headers.expect?.toLowerCase() === "100-continue") stream.additionalHeaders({ ":status": 100 });
  }

  pauseBody(): void {
    this.stream.pause();
  }

  resumeBody(): void {
    this.stream.resume();
  }

  private refuseBody(error: GatewayError): void {
    const listener = this.bodyListener;
    this.bodyListener = null;
    listener?.onBodyError(error);
  }

  /** Ends what takes too long: a request that does not come, or a client that takes nothing of its reply. */
  check(nowMs: number): void {
    if (this.isOver) return;
    if (nowMs >= this.requestEndMs) {
      this.requestEndMs = Infinity;
      return this.refuseBody(gatewayError("REQUEST_TIMEOUT", { timeout: this.state.requestMs }));
    }
    const waits = this.isWriting || this.ending === "end";
    if (waits && nowMs - this.progressMs > this.state.stallMs) this.stream.close(NGHTTP2_CANCEL);
  }

  /** The server ends: so must the reply, within moments. */
  onShutdown(): void {
    if (this.ending === "open" && !this.isOver) this.listener?.onShutdown();
  }

  send(status: number, headers: string[], body: string | Buffer): void {
    if (status !== 304 && status !== 204) headers.push("content-length", String(body.length));
    const isBare = body.length === 0 || this.method === "HEAD";
    if (!this.respond(status, headers, isBare) || isBare) return;
    this.push(body);
    this.end();
  }

  begin(status: number, headers: string[]): void {
    this.respond(status, headers, this.method === "HEAD");
  }

  private respond(status: number, headers: string[], isBare: boolean): boolean {
    const { stream } = this;
    // The client has gone, and the listener is being told.
    if (stream.destroyed || stream.closed) return false;
    if (isBare) this.ending = "end";
    stream.respond([":status", String(status), ...headers], { endStream: isBare });
    if (isBare && stream.writableFinished) this.onReplied();
    return true;
  }

  write(chunk: string | Buffer): boolean {
    this.push(chunk);
    this.isFull = this.backlog >= PIECE_BYTES;
    return !this.isFull;
  }

  end(): void {
    if (this.ending !== "open") return;
    this.ending = "end";
    if (!this.isWriting) this.next();
  }

  abort(): void {
    this.ending = "abort";
    if (!this.isWriting) this.next();
  }

  private push(chunk: string | Buffer): void {
    if (this.ending !== "open" || this.isOver) return;
    this.backlog += chunk.length;
    if (chunk.length <= PIECE_BYTES) this.pieces.push(chunk);
    else for (let at = 0; at < chunk.length; at += PIECE_BYTES) this.pieces.push(cut(chunk, at, at + PIECE_BYTES));
    if (!this.isWriting) this.next();
  }

  /** Gives Node the next piece, or what follows the last. */
  private next(): void {
    this.progressMs = this.state.clock.now();
    const piece = this.pieces.shift();
    if (piece !== undefined) {
      this.isWriting = true;
      this.stream.write(piece, "latin1", () => {
        this.isWriting = false;
        this.backlog -= piece.length;
        if (!this.isOver) this.next();
      });
    } else if (this.ending === "end") {
      this.stream.end();
    } else if (this.ending === "abort") {
      this.isOver = true;
      this.stream.close(NGHTTP2_INTERNAL_ERROR);
    } else if (this.isFull) {
      this.isFull = false;
      this.listener?.onDrain();
    }
  }

  /** The whole reply is on its way. A client that still sends is told that nobody reads on (RFC 9113, 8.1). */
  private onReplied(): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.hasBody && !this.stream.readableEnded) this.stream.close(NGHTTP2_NO_ERROR);
  }

  private onGone(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.bodyListener = null;
    this.listener?.onClientGone();
  }
}

function cut(chunk: string | Buffer, start: number, end: number): string | Buffer {
  return typeof chunk === "string" ? chunk.slice(start, end) : chunk.subarray(start, end);
}
