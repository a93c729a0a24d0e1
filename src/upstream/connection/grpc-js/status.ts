import type { StatusObject } from "@grpc/grpc-js";
import type { AttemptEnd, FlatMetadata } from "../../../call/call.ts";
import { Code, toCode } from "../../../core/code.ts";
import {
  cancelledByPeer,
  connectionLost,
  httpReply,
  messageTooLarge,
  notProcessed,
  protocolBroken,
} from "../attempt-end.ts";
import type { ConnectionOptions } from "../connection.ts";
import { fromGrpcMetadata } from "./metadata.ts";

/** What was seen of an attempt, to judge its status by. */
export interface AttemptFacts {
  /** Initial metadata came, so this is no trailers-only reply. */
  readonly hasHeaders: boolean;
  /** The initial metadata's content-type was not gRPC's: an HTML page of some proxy, perhaps. */
  readonly isForeign: boolean;
  /** The connection's socket is gone. */
  readonly isLost: boolean;
}

// grpc-js gives statuses of its own making the same shape as those that it received, without a mark. Two facts tell
// them apart. What grpc-js makes up never has metadata, while a trailers-only reply always has some (content-type is a
// must there): so before initial metadata the question is settled, and with it what surely was not processed. After
// initial metadata an upstream's own status may have empty trailers too, and only a text of grpc-js's own (1.14) is
// taken for its work. An upstream that passes on the very text of its own grpc-js client, in a stream that has begun,
// is answered 502 instead of 500; nothing is repeated for it.
const RESET = /^Received RST_STREAM with code (\d+)/;
const TOO_LARGE = /^Received message (?:larger than max|that decompresses to a size larger than)/;
const HTTP_STATUS = /^Received HTTP status code (?!200$)(\d+)$/;
const NO_STATUS = "Received HTTP status code 200";

/** The end of an attempt, from the status that grpc-js gives. */
export function toAttemptEnd(status: StatusObject, facts: AttemptFacts, options: ConnectionOptions): AttemptEnd {
  const trailers = fromGrpcMetadata(status.metadata);
  const { details } = status;
  const mayBeReceived = trailers.length > 0 || facts.hasHeaders;
  const httpStatus = HTTP_STATUS.exec(details)?.[1];
  if (httpStatus !== undefined && (facts.isForeign || !(facts.hasHeaders || isGrpc(trailers)))) {
    return httpReply(options, Number(httpStatus));
  }
  if (facts.isForeign) return protocolBroken(options, "content-type is not gRPC's", status);
  if (details === NO_STATUS) return protocolBroken(options, "the reply has no grpc-status", status);
  if (mayBeReceived && (trailers.length > 0 || !isOwnText(status, facts))) {
    return { code: toCode(status.code), message: details, trailers, error: null, outcome: "answered" };
  }
  return madeUp(status, facts, options);
}

/** Whether trailers that stand alone are gRPC's; such a reply may well have the text that grpc-js has for others. */
function isGrpc(trailers: FlatMetadata): boolean {
  const at = trailers.indexOf("content-type");
  return at >= 0 && trailers[at + 1]?.startsWith("application/grpc") === true;
}

function isOwnText(status: StatusObject, facts: AttemptFacts): boolean {
  const { code, details } = status;
  switch (code) {
    case Code.Unavailable:
      return facts.isLost && (details === "Connection dropped" || /E(CONNRESET|TIMEDOUT|PIPE)|^Write /.test(details));
    case Code.Internal:
      return RESET.test(details) || /^Write error: |^Failed to decompress /.test(details);
    case Code.ResourceExhausted:
      return TOO_LARGE.test(details) || details === "Bandwidth exhausted or memory limit exceeded";
    default:
      // A message that says it is compressed and is not ends without any code.
      return typeof code !== "number";
  }
}

function madeUp(status: StatusObject, facts: AttemptFacts, options: ConnectionOptions): AttemptEnd {
  const { code, details } = status;
  if (!facts.hasHeaders && isBeforeProcessing(details)) return notProcessed(options, status);
  if (TOO_LARGE.test(details)) return messageTooLarge(options, status);
  if (code === Code.Unavailable) return connectionLost(options, status);
  if (code === Code.Cancelled) return cancelledByPeer(options, status);
  // RST_STREAM with ENHANCE_YOUR_CALM (gRPC over HTTP/2, "Errors"): the peer's own word, so no error of ours.
  if (code === Code.ResourceExhausted) {
    return { code: toCode(code), message: details, trailers: [], error: null, outcome: "unknown" };
  }
  const reset = RESET.exec(details)?.[1];
  if (reset === "0") return protocolBroken(options, "the reply ended without a status", status);
  if (reset !== undefined) return protocolBroken(options, `the stream was reset with HTTP/2 code ${reset}`, status);
  return protocolBroken(options, "a message that cannot be read", status);
}

// A stream that HTTP/2 promises was not processed (RFC 9113 section 8.7), or that never left this process.
function isBeforeProcessing(details: string): boolean {
  return (
    details === "Stream refused by server" ||
    // The same, met while its message was written: the usual way of a call that crosses a GOAWAY.
    details.endsWith("NGHTTP2_REFUSED_STREAM") ||
    // It waited for others, because of MAX_CONCURRENT_STREAMS, and never was opened.
    details.includes("The pending stream has been canceled") ||
    details === "Channel closed before call started" ||
    details.startsWith("Failed to start HTTP/2 stream") ||
    details.startsWith("No connection established") ||
    details.startsWith("Name resolution failed")
  );
}
