import type { AttemptEnd, FlatMetadata } from "../../../call/call.ts";
import { Code, toCode } from "../../../core/code.ts";
import { connectionLost, notProcessed, protocolBroken } from "../attempt-end.ts";
import type { ConnectionOptions } from "../connection.ts";
import { ErrorCode } from "./frame.ts";

const NO_METADATA: FlatMetadata = [];

/** The upstream's own status. */
export function answered(status: number, message: string, trailers: FlatMetadata): AttemptEnd {
  return { code: toCode(status), message, trailers, error: null, outcome: "answered" };
}

/** A reply of some HTTP server or proxy that is no gRPC (gRPC's http-grpc-status-mapping.md). */
export function httpReply(httpStatus: number): AttemptEnd {
  return answered(codeOfHttpStatus(httpStatus), `Received HTTP status code ${httpStatus}`, NO_METADATA);
}

/** RST_STREAM, by gRPC over HTTP/2, "Errors". */
export function resetByPeer(options: ConnectionOptions, errorCode: number, hasHeaders: boolean): AttemptEnd {
  switch (errorCode) {
    case ErrorCode.RefusedStream:
      // RFC 9113, section 8.7. After headers it contradicts them.
      return hasHeaders
        ? connectionLost(options, "the stream was refused after its headers")
        : notProcessed(options, "the stream was refused");
    case ErrorCode.Cancel:
      return ownWord(Code.Cancelled, "the instance cancelled the call");
    case ErrorCode.EnhanceYourCalm:
      return ownWord(Code.ResourceExhausted, "the instance asks for fewer calls (ENHANCE_YOUR_CALM)");
    case ErrorCode.NoError:
      return protocolBroken(options, "the reply ended without a status");
    default:
      return protocolBroken(options, `the stream was reset with HTTP/2 code ${errorCode}`);
  }
}

// The peer's own word, so no error of ours.
function ownWord(code: Code, message: string): AttemptEnd {
  return { code, message, trailers: NO_METADATA, error: null, outcome: "unknown" };
}

function codeOfHttpStatus(httpStatus: number): Code {
  switch (httpStatus) {
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
