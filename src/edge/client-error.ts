import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { gatewayError, type GatewayError } from "../core/errors.ts";
import { sink } from "../transcode/sink.ts";
import { writeGatewayError } from "../transcode/status-json.ts";

interface HttpLimits {
  readonly headerBytes: number;
  readonly headerMs: number;
}

/**
 * Answers what Node's HTTP parser refused, in the shape of every other failure, and closes the connection: after bad
 * framing nothing on it can be trusted.
 */
export function answerClientError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  limits: HttpLimits,
): GatewayError | null {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return null;
  }
  const failure = toGatewayError(error, limits);
  // A reply under way cannot be followed by another: the client would read it as part of the first.
  const { _httpMessage: reply } = socket as Socket & { _httpMessage?: { headersSent?: boolean } };
  if (reply?.headersSent) {
    socket.destroy();
    return failure;
  }
  sink.reset();
  writeGatewayError(failure);
  const body = sink.take();
  socket.end(
    `HTTP/1.1 ${failure.http} ${STATUS_CODES[failure.http] ?? ""}\r\ncontent-type: application/json\r\n` +
      `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
  );
  // A client that sends on and never reads our answer must not hold the socket.
  socket.setTimeout(1000, () => socket.destroy());
  return failure;
}

function toGatewayError(error: NodeJS.ErrnoException, limits: HttpLimits): GatewayError {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return gatewayError("HEADERS_TOO_LARGE", { limit: limits.headerBytes });
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return gatewayError("REQUEST_TIMEOUT", { timeout: limits.headerMs });
    default: {
      // llhttp's reason ("Invalid method encountered") has no bytes of the request in it.
      const { reason } = error as { reason?: unknown };
      return gatewayError("HTTP_MALFORMED", { reason: typeof reason === "string" ? reason : "unreadable" });
    }
  }
}
