import type { FlatMetadata } from "../../../call/call.ts";

/** One header list of a reply, initial or trailing, with what gRPC reads in it taken out. */
export interface ReplyHead {
  /** 0 where there is none, as in trailers, or where it is no status. */
  readonly httpStatus: number;
  /** False where a content-type is given and is not gRPC's. */
  readonly isGrpc: boolean;
  /** `grpc-encoding`; empty for none. */
  readonly encoding: string;
  /** NO_STATUS where it is missing; NaN where it is no number. */
  readonly grpcStatus: number;
  /** Decoded. */
  readonly grpcMessage: string;
  /** The rest; names and values that HTTP/2 forbids are left out. */
  readonly metadata: FlatMetadata;
}

export const NO_STATUS = -1;

/** `list` is name, value, name, value, … as decoded from HPACK. */
export function parseReplyHead(list: readonly string[]): ReplyHead {
  let httpStatus = 0;
  let isGrpc = true;
  let encoding = "";
  let grpcStatus = NO_STATUS;
  let grpcMessage = "";
  const metadata: string[] = [];
  for (let i = 0; i + 1 < list.length; i += 2) {
    const name = list[i] as string; // below the length
    const value = list[i + 1] as string; // below the length
    switch (name) {
      case ":status":
        httpStatus = /^[1-9][0-9]{2}$/.test(value) ? Number(value) : 0;
        break;
      case "content-type":
        isGrpc = value.startsWith("application/grpc");
        break;
      case "grpc-status":
        grpcStatus = /^[0-9]{1,9}$/.test(value) ? Number(value) : NaN;
        break;
      case "grpc-message":
        grpcMessage = decodeGrpcMessage(value);
        break;
      case "grpc-encoding":
        encoding = value;
        break;
      case "grpc-accept-encoding":
        break;
      default:
        if (NAME.test(name) && VALUE.test(value)) metadata.push(name, value);
    }
  }
  return { httpStatus, isGrpc, encoding, grpcStatus, grpcMessage, metadata };
}

// An instance's replies have one or two initial lists and one or two trailing ones.
const REMEMBERED = 4;

/** Parses header lists of one connection; one that comes again as the same array is known. */
export class ReplyHeads {
  private readonly lists: (readonly string[])[] = [];
  private readonly heads: ReplyHead[] = [];
  private next = 0;

  of(list: readonly string[]): ReplyHead {
    const { lists, heads } = this;
    for (let i = 0; i < lists.length; i++) if (lists[i] === list) return heads[i] as ReplyHead; // as many as lists
    const head = parseReplyHead(list);
    // Only those lists come again that the decoder remembers, and it freezes them.
    if (Object.isFrozen(list)) {
      lists[this.next] = list;
      heads[this.next] = head;
      this.next = (this.next + 1) % REMEMBERED;
    }
    return head;
  }
}

// "Header-Name" and "ASCII-Value" of gRPC over HTTP/2. What does not fit was not put there by gRPC, and must not come
// as far as a reply's headers.
const NAME = /^[0-9a-z_.-]+$/;
const VALUE = /^[\x20-\x7e]*$/;

/**
 * Percent-decoded text ("Status-Message" of gRPC over HTTP/2). What is no valid escape stays as it is, because a
 * message may not be thrown away for that.
 */
export function decodeGrpcMessage(value: string): string {
  if (!value.includes("%")) return value;
  const bytes = Buffer.allocUnsafe(value.length);
  let length = 0;
  for (let i = 0; i < value.length; i++) {
    const byte = value[i] === "%" ? hexByte(value, i + 1) : -1;
    bytes[length++] = byte >= 0 ? byte : value.charCodeAt(i);
    if (byte >= 0) i += 2;
  }
  return bytes.toString("utf8", 0, length);
}

function hexByte(text: string, at: number): number {
  const hex = text.slice(at, at + 2);
  return /^[0-9A-Fa-f]{2}$/.test(hex) ? Number.parseInt(hex, 16) : -1;
}
