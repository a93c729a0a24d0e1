import type { AttemptEnd } from "../../call/call.ts";
import { Code } from "../../core/code.ts";
import { gatewayError, type GatewayError } from "../../core/errors.ts";
import type { ConnectionOptions } from "./connection.ts";

// The ends that a connection itself makes. `cause` is for the log: a sentence, or what the transport said.

type Named = Pick<ConnectionOptions, "upstream">;

/** An attempt that surely never reached the application. */
export function notProcessed(options: Named, cause: unknown): AttemptEnd {
  return { ...connectionLost(options, cause), outcome: "not_processed" };
}

/** An attempt whose connection broke. */
export function connectionLost({ upstream }: Named, cause: unknown): AttemptEnd {
  return failed(gatewayError("UPSTREAM_CONNECTION_LOST", { upstream }, causedBy(cause)));
}

/** An attempt whose reply, or whose connection, is no gRPC. */
export function protocolBroken({ upstream }: ConnectionOptions, reason: string, cause?: unknown): AttemptEnd {
  return failed(gatewayError("UPSTREAM_PROTOCOL", { upstream, reason }, causedBy(cause)));
}

export function messageTooLarge({ upstream, maxMessageBytes: limit }: ConnectionOptions, cause?: unknown): AttemptEnd {
  return failed(gatewayError("UPSTREAM_MESSAGE_TOO_LARGE", { upstream, limit }, causedBy(cause)));
}

/** RST_STREAM with CANCEL, which only whoever makes a call has a use for: a server that stops at once, or a proxy. */
export function cancelledByPeer({ upstream }: ConnectionOptions, cause?: unknown): AttemptEnd {
  return failed(gatewayError("UPSTREAM_CANCELLED", { upstream }, causedBy(cause)));
}

/** A reply of some HTTP server or proxy that is no gRPC, by gRPC's http-grpc-status-mapping.md. */
export function httpReply({ upstream }: ConnectionOptions, status: number): AttemptEnd {
  const error = gatewayError("UPSTREAM_HTTP", { upstream, status }, { grpc: codeOfHttpStatus(status) });
  return { ...failed(error), outcome: "answered" };
}

function codeOfHttpStatus(status: number): Code {
  switch (status) {
    case 400:
      return Code.Internal;
    case 401:
      return Code.Unauthenticated;
    case 403:
      return Code.PermissionDenied;
    case 404:
      return Code.Unimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return Code.Unavailable;
    default:
      return Code.Unknown;
  }
}

function causedBy(cause: unknown): { cause?: unknown } {
  if (cause === undefined) return {};
  return { cause: typeof cause === "string" ? new Error(cause) : cause };
}

function failed(error: GatewayError): AttemptEnd {
  return { code: error.grpc, message: "", trailers: [], error, outcome: "unknown" };
}
