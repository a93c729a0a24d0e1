import type { AttemptEnd, FlatMetadata } from "../../../call/call.ts";
import { Code, toCode } from "../../../core/code.ts";
import { cancelledByPeer, connectionLost, notProcessed, protocolBroken } from "../attempt-end.ts";
import type { ConnectionOptions } from "../connection.ts";
import { ErrorCode } from "./frame.ts";

const NO_METADATA: FlatMetadata = [];

/** The upstream's own status. */
export function answered(status: number, message: string, trailers: FlatMetadata): AttemptEnd {
  return { code: toCode(status), message, trailers, error: null, outcome: "answered" };
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
      return cancelledByPeer(options);
    case ErrorCode.EnhanceYourCalm:
      // The peer's own word, so no error of ours.
      return {
        code: Code.ResourceExhausted,
        message: "the instance asks for fewer calls (ENHANCE_YOUR_CALM)",
        trailers: NO_METADATA,
        error: null,
        outcome: "unknown",
      };
    case ErrorCode.NoError:
      return protocolBroken(options, "the reply ended without a status");
    default:
      return protocolBroken(options, `the stream was reset with HTTP/2 code ${errorCode}`);
  }
}
