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
  /** Whether clients read the reply while they still send the request, as those of HTTP/2 do. */
  readonly isFullDuplex: boolean;

  /** Bytes of a body that is read whole, and of a message in one that is not. */
  readonly maxBodyBytes: number;

  /** Reads it whole, up to `maxBodyBytes`. */
  readBody(listener: BodyListener): void;
  /** Reads it in pieces, of any size in all; where `isOpenEnded` and full duplex, also for any time. */
  streamBody(listener: BodyStreamListener, isOpenEnded: boolean): void;
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

/** A client's wish to speak WebSocket on its connection: refused by `send`, or granted by `accept`. */
export interface HttpUpgrade extends HttpExchange {
  /** Null where the client has gone already. */
  accept(options: UpgradeOptions, listener: SocketListener): MessageSocket | null;
}

export interface UpgradeOptions {
  /** Headers of the reply, flat. */
  readonly headers: readonly string[];
  /** Subprotocols that are spoken here, in lower case; the client's first one of these is taken. */
  readonly protocols: readonly string[];
  /** How often a sign of life is asked for; Infinity for never. */
  readonly heartbeatMs: number;
}

/** What a WebSocket tells, besides what `ReplyListener` says: going, draining and shutdown. */
export interface SocketListener {
  /** A whole message; valid for as long as the connection. */
  onSocketMessage(bytes: Buffer, isText: boolean): void;
  /** The client has broken the protocol or a limit: the connection closes by itself, and nothing follows. */
  onSocketBroken(error: GatewayError): void;
}

/** An open WebSocket (RFC 6455). After `close` nothing is told any more. */
export interface MessageSocket {
  /** The subprotocol that was chosen; "" for none. */
  readonly protocol: string;
  /** A text message must be UTF-8; strings are ASCII. False asks to wait for `onDrain`. */
  send(message: string | Buffer, isText: boolean): boolean;
  /** Stops reading until `resume`; some messages that have come already are still told. */
  pause(): void;
  resume(): void;
  /** After what was sent; `reason` is at most 123 bytes of UTF-8. */
  close(code: number, reason: string): void;
}
