import type { Socket } from "node:net";
import type { Clock } from "../core/clock.ts";
import { gatewayError, type GatewayError } from "../core/errors.ts";
import { STATUS_CODES } from "../core/node-http.ts";
import type { ErrorForm } from "../transcode/error-form.ts";
import { sink } from "../transcode/sink.ts";
import { writeGatewayError } from "../transcode/status-json.ts";
import { currentExchange } from "./adapter.ts";
import { linger } from "./linger.ts";

export interface HttpLimits {
  readonly headerBytes: number;
  readonly headerMs: number;
  readonly requestMs: number;
}

/**
 * Answers what Node's HTTP parser refused, in the shape of every other failure, and closes the connection: after bad
 * framing nothing on it can be trusted. Gives the error where nobody else will tell of it.
 */
export function answerClientError(
  error: NodeJS.ErrnoException,
  socket: Socket,
  limits: HttpLimits,
  clock: Clock,
  form: ErrorForm,
): GatewayError | null {
  // Answered before; what the client sends on is thrown away until it has read that.
  if (socket.writableEnded) return null;
  const exchange = currentExchange(socket);
  const isInRequest = exchange !== null && !exchange.isComplete;
  // Whoever connects and says nothing (a browser, a health check by TCP) expects no answer, and who has gone gets none.
  if (socket.bytesRead === 0 || !socket.writable || isHangUp(error, isInRequest)) {
    socket.destroy();
    return null;
  }
  const failure = toGatewayError(error, limits, isInRequest);
  if (exchange?.onBroken(failure)) return null;
  if (isInRequest) {
    // Its reply is out, only the rest of its body was still to come.
    socket.destroy();
    return null;
  }
  sink.reset();
  writeGatewayError(failure, form);
  const body = sink.take();
  socket.write(
    `HTTP/1.1 ${failure.http} ${STATUS_CODES[failure.http] ?? ""}\r\ncontent-type: ${form.type}\r\n` +
      `content-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
    "latin1",
  );
  linger(socket, clock);
  return failure;
}

function isHangUp(error: NodeJS.ErrnoException, isInRequest: boolean): boolean {
  return error.code === "ECONNRESET" || (error.code === "HPE_INVALID_EOF_STATE" && isInRequest);
}

function toGatewayError(error: NodeJS.ErrnoException, limits: HttpLimits, isInRequest: boolean): GatewayError {
  switch (error.code) {
    case "HPE_HEADER_OVERFLOW":
      return gatewayError("HEADERS_TOO_LARGE", { limit: limits.headerBytes });
    case "ERR_HTTP_REQUEST_TIMEOUT":
      return gatewayError("REQUEST_TIMEOUT", { timeout: isInRequest ? limits.requestMs : limits.headerMs });
    default: {
      // llhttp's reason ("Invalid method encountered") has no bytes of the request in it.
      const { reason } = error as { reason?: unknown };
      return gatewayError("HTTP_MALFORMED", { reason: typeof reason === "string" ? reason : "unreadable" });
    }
  }
}
