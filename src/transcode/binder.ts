import type { RequestHeaders } from "./field-source.ts";

/**
 * Gives the bytes of a request's message, owned by the caller. `variables` are the template's, percent-decoded;
 * `query` is raw, without the `?`; `body` may be null, and is ignored where the binding has none; `headers` are needed
 * where the binding has sources. Throws FIELD_INVALID, FIELD_UNKNOWN or BODY_MALFORMED.
 */
export type Binder = (
  variables: readonly string[],
  query: string,
  body: Uint8Array | null,
  headers?: RequestHeaders,
) => Buffer;

/** What a body that comes in pieces is read with, beside the pieces. */
export interface StreamedRequest {
  readonly variables: readonly string[];
  /** Raw, without the `?`. */
  readonly query: string;
  readonly headers: RequestHeaders;
  /** Bytes of what is kept of the body: one JSON text, the fields of a form. */
  readonly maxBytes: number;
}

/** Makes messages of a body, each as soon as it is there. After an error nothing may be pushed. */
export interface MessageStream {
  /** The piece is valid only during the call. */
  push(piece: Uint8Array): void;
  /** The body has ended. */
  end(): void;
}

/**
 * Begins a stream of messages, which are given to `send`, owned by it. What is wrong with path, query or headers is
 * thrown at once, where that can be known; what is wrong with the body comes out of `push` or `end`.
 */
export type StreamBinder = (request: StreamedRequest, send: (message: Buffer) => void) => MessageStream;

/** How bodies of one format become a message, or the messages of a stream. */
export interface BodyBinders {
  readonly bind: Binder;
  readonly bindStream: StreamBinder;
}

/** Binders for forms: application/x-www-form-urlencoded and multipart/form-data. */
export interface FormBinders {
  readonly pairs: BodyBinders;
  readonly parts: BodyBinders;
}
