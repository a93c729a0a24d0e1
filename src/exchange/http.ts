import type { GatewayError } from "../core/errors.ts";

/** Receives a request's body, or why there is none; exactly one of the two is called, unless the client goes first. */
export interface BodyListener {
  /** The whole body as it was sent; empty where there was none. Valid for as long as the request. */
  onBody(body: Uint8Array): void;
  onBodyError(error: GatewayError): void;
}

/** Receives a request's body in pieces; ends with exactly one of the last two, unless the client goes first. */
export interface BodyStreamListener {
  /** Valid only during the call. */
  onBodyPiece(piece: Uint8Array): void;
  onBodyEnd(): void;
  onBodyError(error: GatewayError): void;
}

/** What the sender of a reply must know of the client's connection. */
export interface ReplyListener {
  /** The client has gone before the reply was complete. Nothing is called after it. */
  onClientGone(): void;
  /** `write` said false, and more may be written now. */
  onDrain(): void;
  /** The server ends in a moment: a reply that is not complete by now has to end as a failure. */
  onShutdown(): void;
}

/**
 * One HTTP request and its reply: the least that an exchange needs of the edge. A reply is either `send`, or `begin`,
 * `write`… and `end` or `abort`.
 */
export interface HttpExchange {
  readonly method: string;
  /** The path as sent, percent-encoded, without the query. */
  readonly path: string;
  /** What follows "?", as sent; "" where there is none. */
  readonly query: string;
  /** name, value, name, value, … as sent. */
  readonly rawHeaders: readonly string[];
  /** The value of a header by its lower-case name; repeated ones as Node joins them. */
  header(name: string): string | undefined;
  /** The peer's IP address: the client, or the proxy before us. */
  readonly remoteAddress: string;
  readonly secure: boolean;
  /** Content-Length above 0 or a transfer coding; it may turn out empty. */
  readonly hasBody: boolean;

  /** Bytes of a body that is read whole, and of a message in one that is not. */
  readonly maxBodyBytes: number;

  /** Reads it whole, up to `maxBodyBytes`. */
  readBody(listener: BodyListener): void;
  /** Reads it in pieces, of any size in all. */
  streamBody(listener: BodyStreamListener): void;
  /** Stops the pieces until `resumeBody`; the client is then held back by its socket. */
  pauseBody(): void;
  resumeBody(): void;
  /** Who hears of the client's going and of drains; set once, before anything is sent. */
  listen(listener: ReplyListener): void;

  /** The whole reply; `headers` is a flat list, without content-length. */
  send(status: number, headers: string[], body: string | Buffer): void;
  begin(status: number, headers: string[]): void;
  /** Strings are latin1. False asks to wait for `onDrain`. */
  write(chunk: string | Buffer): boolean;
  end(): void;
  /** Breaks the connection, so that an unfinished reply cannot pass for a complete one. */
  abort(): void;
}
