import { gunzipSync } from "node:zlib";
import type { AttemptEnd } from "../../../call/call.ts";
import { messageTooLarge, protocolBroken } from "../attempt-end.ts";
import type { ConnectionOptions } from "../connection.ts";

/** Compression flag and length in front of each message ("Length-Prefixed-Message" of gRPC over HTTP/2). */
export const PREFIX_BYTES = 5;

/** What this side can read, as `grpc-accept-encoding`. */
export const ACCEPTED_ENCODINGS = "identity,gzip";

/**
 * The message in a compressed one, or the end of the attempt where it cannot be read or would be too large: no more is
 * inflated than may be taken. Done at once, because messages must not overtake each other, and for the size of most
 * messages a turn through the thread pool costs more than it spares.
 */
export function decompress(bytes: Uint8Array, encoding: string, options: ConnectionOptions): Uint8Array | AttemptEnd {
  if (encoding !== "gzip") {
    const reason = encoding === "" || encoding === "identity" ? "no encoding is named" : "its encoding is unknown";
    return protocolBroken(options, `a compressed message, but ${reason}`);
  }
  try {
    // zlib takes no limit of 0.
    const message = gunzipSync(bytes, { maxOutputLength: Math.max(1, options.maxMessageBytes) });
    return message.length > options.maxMessageBytes ? messageTooLarge(options) : message;
  } catch (error) {
    const isTooLarge = error instanceof RangeError && (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    return isTooLarge ? messageTooLarge(options) : protocolBroken(options, "a compressed message that is no gzip");
  }
}
