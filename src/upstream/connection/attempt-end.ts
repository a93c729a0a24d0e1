import type { AttemptEnd } from "../../call/call.ts";
import { gatewayError, type GatewayError } from "../../core/errors.ts";
import type { ConnectionOptions } from "./connection.ts";

// The ends that a connection itself makes. `cause` is for the log: a sentence, or what the transport said.

/** An attempt that surely never reached the application. */
export function notProcessed(options: ConnectionOptions, cause: unknown): AttemptEnd {
  return { ...connectionLost(options, cause), outcome: "not_processed" };
}

/** An attempt whose connection broke. */
export function connectionLost({ upstream }: ConnectionOptions, cause: unknown): AttemptEnd {
  return failed(gatewayError("UPSTREAM_CONNECTION_LOST", { upstream }, causedBy(cause)));
}

/** An attempt whose reply, or whose connection, is no gRPC. */
export function protocolBroken({ upstream }: ConnectionOptions, reason: string, cause?: unknown): AttemptEnd {
  return failed(gatewayError("UPSTREAM_PROTOCOL", { upstream, reason }, causedBy(cause)));
}

export function messageTooLarge({ upstream, maxMessageBytes: limit }: ConnectionOptions, cause?: unknown): AttemptEnd {
  return failed(gatewayError("UPSTREAM_MESSAGE_TOO_LARGE", { upstream, limit }, causedBy(cause)));
}

function causedBy(cause: unknown): { cause?: unknown } {
  if (cause === undefined) return {};
  return { cause: typeof cause === "string" ? new Error(cause) : cause };
}

function failed(error: GatewayError): AttemptEnd {
  return { code: error.grpc, message: "", trailers: [], error, outcome: "unknown" };
}
