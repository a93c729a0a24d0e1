import { Code, httpStatusOf } from "./code.ts";

/** One row of the error table. `grpc` goes into the reply's body, `http` is its status. */
interface ErrorRow {
  readonly grpc: Code;
  readonly http: number;
  readonly message: string;
}

/**
 * Every failure that the gateway itself can report. Keys are permanent: never renamed, never reused; each has a
 * section in docs/errors.md. gRPC code and HTTP status stand side by side, because 405, 406, 413, 415, 421, 431 and 502 follow
 * from no gRPC code.
 */
export const errorTable = {
  // what the client sent
  ROUTE_NOT_FOUND: { grpc: Code.NotFound, http: 404, message: "no route for {method} {path}" },
  METHOD_NOT_ALLOWED: {
    grpc: Code.Unimplemented,
    http: 405,
    message: "{path} does not answer to {method}; allowed: {allow}",
  },
  PATH_MALFORMED: { grpc: Code.InvalidArgument, http: 400, message: "path: {reason}" },
  BODY_MALFORMED: { grpc: Code.InvalidArgument, http: 400, message: "body is not valid JSON: {reason}" },
  FORM_MALFORMED: { grpc: Code.InvalidArgument, http: 400, message: "body is not a valid form: {reason}" },
  FORM_CROSS_ORIGIN: {
    grpc: Code.PermissionDenied,
    http: 403,
    message: "a form from a page of another origin ({origin}) is not taken",
  },
  FIELD_INVALID: { grpc: Code.InvalidArgument, http: 400, message: "{field}: {reason}" },
  FIELD_UNKNOWN: { grpc: Code.InvalidArgument, http: 400, message: "{field}: {reason}" },
  BODY_NOT_ALLOWED: { grpc: Code.InvalidArgument, http: 400, message: "{method} {path} takes no body" },
  NOT_ACCEPTABLE: {
    grpc: Code.InvalidArgument,
    http: 406,
    message: "accept {accept} leaves no way to answer; there is {types}",
  },
  UNSUPPORTED_MEDIA_TYPE: {
    grpc: Code.InvalidArgument,
    http: 415,
    message: "content-type {type} is not supported; expected {expected}",
  },
  UNSUPPORTED_CONTENT_ENCODING: {
    grpc: Code.InvalidArgument,
    http: 415,
    message: "content-encoding {encoding} is not supported; expected one of {expected}",
  },
  BODY_ENCODING_INVALID: { grpc: Code.InvalidArgument, http: 400, message: "body is not valid {encoding}: {reason}" },
  BODY_EXPANDS_TOO_FAR: {
    grpc: Code.ResourceExhausted,
    http: 413,
    message: "body decompresses to more than {ratio} times its size",
  },
  BODY_TOO_LARGE: { grpc: Code.ResourceExhausted, http: 413, message: "body is larger than {limit} bytes" },
  MESSAGE_TOO_LARGE: {
    grpc: Code.ResourceExhausted,
    http: 413,
    message: "message {index} of the body is larger than {limit} bytes",
  },
  HEADERS_TOO_LARGE: {
    grpc: Code.ResourceExhausted,
    http: 431,
    message: "request line and headers are larger than {limit} bytes",
  },
  TOO_MANY_HEADERS: { grpc: Code.ResourceExhausted, http: 431, message: "the request has more than {limit} headers" },
  HEADER_INVALID: { grpc: Code.InvalidArgument, http: 400, message: "header {header}: {reason}" },
  HOST_NOT_SERVED: { grpc: Code.InvalidArgument, http: 421, message: "host {host} is not served here" },
  HTTP_MALFORMED: { grpc: Code.InvalidArgument, http: 400, message: "malformed HTTP request: {reason}" },
  TLS_HANDSHAKE_FAILED: { grpc: Code.InvalidArgument, http: 400, message: "no TLS with this client: {reason}" },
  REQUEST_TIMEOUT: {
    grpc: Code.DeadlineExceeded,
    http: 408,
    message: "the request did not arrive within {timeout} ms",
  },
  WEBSOCKET_VERSION: {
    grpc: Code.InvalidArgument,
    http: 426,
    message: "version {version} of WebSocket is not spoken; expected 13",
  },
  WEBSOCKET_NOT_SERVED: {
    grpc: Code.InvalidArgument,
    http: 400,
    message: "{path} has no stream for a WebSocket; send a plain request",
  },
  WEBSOCKET_PROTOCOL: { grpc: Code.InvalidArgument, http: 400, message: "malformed WebSocket frames: {reason}" },
  WEBSOCKET_LIMIT: { grpc: Code.ResourceExhausted, http: 503, message: "{limit} WebSockets are open already" },
  ORIGIN_NOT_ALLOWED: {
    grpc: Code.PermissionDenied,
    http: 403,
    message: "pages of origin {origin} may not open a WebSocket here",
  },
  MESSAGE_UNEXPECTED: { grpc: Code.InvalidArgument, http: 400, message: "no message is expected: {reason}" },
  CLIENT_CLOSED: { grpc: Code.Cancelled, http: 499, message: "the client closed the connection" },

  // what the gateway cannot do
  SHUTTING_DOWN: { grpc: Code.Unavailable, http: 503, message: "the gateway is shutting down" },
  INTERNAL: { grpc: Code.Internal, http: 500, message: "internal error" },

  // what became of the call
  DEADLINE_EXCEEDED: { grpc: Code.DeadlineExceeded, http: 504, message: "{what} within {timeout} ms" },
  STREAM_IDLE: {
    grpc: Code.DeadlineExceeded,
    http: 504,
    message: "the stream was silent for {timeout} ms",
  },
  UPSTREAM_UNAVAILABLE: { grpc: Code.Unavailable, http: 503, message: "upstream {upstream} has no ready instance" },
  UPSTREAM_QUEUE_FULL: {
    grpc: Code.Unavailable,
    http: 503,
    message: "upstream {upstream} has no instance ready for more and {queue} calls wait already",
  },
  UPSTREAM_CONNECTION_LOST: {
    grpc: Code.Unavailable,
    http: 503,
    message: "the connection to an instance of upstream {upstream} broke",
  },
  UPSTREAM_CANCELLED: {
    grpc: Code.Unavailable,
    http: 503,
    message: "an instance of upstream {upstream} broke the call off",
  },
  UPSTREAM_HTTP: {
    grpc: Code.Unavailable,
    http: 503,
    message: "upstream {upstream} answered with HTTP status {status} and no gRPC status",
  },
  UPSTREAM_PROTOCOL: {
    grpc: Code.Internal,
    http: 502,
    message: "upstream {upstream} broke the gRPC protocol: {reason}",
  },
  UPSTREAM_MESSAGE_INVALID: {
    grpc: Code.Internal,
    http: 502,
    message: "upstream {upstream} sent a message that cannot be read: {reason}",
  },
  UPSTREAM_MESSAGE_TOO_LARGE: {
    grpc: Code.ResourceExhausted,
    http: 502,
    message: "upstream {upstream} sent a message larger than {limit} bytes",
  },

  // at load; never reaches a client
  CONFIG_INVALID: { grpc: Code.FailedPrecondition, http: 500, message: "{file}: {problems}" },
  SCHEMA_INVALID: { grpc: Code.FailedPrecondition, http: 500, message: "{place}: {reason}" },
  ADDRESS_IN_USE: {
    grpc: Code.FailedPrecondition,
    http: 500,
    message: "{address} is in use; stop what listens there or choose another with {flag}",
  },
  ETCD_UNAVAILABLE: { grpc: Code.Unavailable, http: 503, message: "etcd at {endpoints}: {reason}" },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

type Blanks<M extends string> = M extends `${string}{${infer P}}${infer R}` ? P | Blanks<R> : never;
/** The named blanks of a code's message, all to be filled. */
export type ErrorParams<C extends ErrorCode> = Readonly<
  Record<Blanks<(typeof errorTable)[C]["message"]>, string | number>
>;

/** One entry of google.rpc.BadRequest.field_violations. `field` is a path such as `book.tags[2]`. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

export interface ErrorExtras {
  /** In place of the code's own where a failure stands for several; the HTTP status then follows from it. */
  readonly grpc?: Code;
  /** For the log; never shown to a client. */
  readonly cause?: unknown;
  readonly violations?: readonly FieldViolation[];
  /** Sent as `Retry-After`, seconds. */
  readonly retryAfterSeconds?: number;
}

/** The one error of the gateway's own making: a code of the table, its filled message, and facts for the reply. */
export class GatewayError extends Error {
  readonly code: ErrorCode;
  readonly grpc: Code;
  readonly http: number;
  readonly violations: readonly FieldViolation[];
  readonly retryAfterSeconds: number | undefined;

  constructor(code: ErrorCode, message: string, extras: ErrorExtras = {}) {
    super(message, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.name = "GatewayError";
    this.code = code;
    this.grpc = extras.grpc ?? errorTable[code].grpc;
    this.http = extras.grpc === undefined ? errorTable[code].http : httpStatusOf(extras.grpc);
    this.violations = extras.violations ?? [];
    this.retryAfterSeconds = extras.retryAfterSeconds;
  }
}

/** Makes the error of a code with its blanks filled. */
export function gatewayError<C extends ErrorCode>(code: C, params: ErrorParams<C>, extras?: ErrorExtras): GatewayError {
  const values = params as Readonly<Record<string, string | number>>;
  const message = errorTable[code].message.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name]));
  return new GatewayError(code, message, extras);
}

/** What is no failure of the gateway's own making is INTERNAL, with its cause for the log. */
export function toGatewayError(thrown: unknown): GatewayError {
  return thrown instanceof GatewayError ? thrown : gatewayError("INTERNAL", {}, { cause: thrown });
}

/** A bad field of a request: FIELD_INVALID or FIELD_UNKNOWN with its violation. */
export function fieldError(code: "FIELD_INVALID" | "FIELD_UNKNOWN", field: string, reason: string): GatewayError {
  return gatewayError(code, { field, reason }, { violations: [{ field, description: reason }] });
}
