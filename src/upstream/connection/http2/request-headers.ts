import type { AttemptRequest, FlatMetadata } from "../../../call/call.ts";
import { formatTimeout, isSentName, isSentValue, joinValues, JOINED_NAMES } from "../metadata-rules.ts";
import { ACCEPTED_ENCODINGS } from "./grpc-message.ts";
import { HpackEncoder, type PreparedHeaders } from "./hpack/encoder.ts";
import type { Output } from "./output.ts";

export interface RequestHeadersOptions {
  readonly scheme: "http" | "https";
  readonly authority: string;
  readonly userAgent: string;
}

// Paths are those of routes, so there are few; one that comes after so many is encoded anew with each call.
const MAX_PREPARED = 1_000;

/** Writes the header blocks of one connection's requests: what a path repeats is prepared, the rest encoded. */
export class RequestHeaders {
  private readonly options: RequestHeadersOptions;
  private readonly encoder = new HpackEncoder();
  private readonly prepared = new Map<string, PreparedHeaders>();

  constructor(options: RequestHeadersOptions) {
    this.options = options;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setPeerTableSize(bytes: number): void {
    this.encoder.setPeerTableSize(bytes);
  }

  /** Writes HEADERS for a stream; `remainingMs` goes out as `grpc-timeout`. */
  write(output: Output, id: number, request: AttemptRequest, remainingMs: number): void {
    const { path, metadata } = request;
    const { encoder } = this;
    const fixed = this.prepared.get(path) ?? this.prepare(path);
    const own = toHeaders(metadata, formatTimeout(remainingMs));
    const out = output.beginHeaders(fixed.maxBytes + HpackEncoder.maxEncodedBytes(own));
    let at = encoder.encodePrepared(fixed, out, output.headersAt);
    if (own.length > 0) at = encoder.encode(own, out, at);
    output.endHeaders(id, at, false);
  }

  private prepare(path: string): PreparedHeaders {
    const { scheme, authority, userAgent } = this.options;
    const prepared = this.encoder.prepare([
      ...[":method", "POST", ":scheme", scheme, ":path", path, ":authority", authority],
      ...["te", "trailers", "content-type", "application/grpc", "user-agent", userAgent],
      ...["grpc-accept-encoding", ACCEPTED_ENCODINGS],
    ]);
    if (this.prepared.size < MAX_PREPARED) this.prepared.set(path, prepared);
    return prepared;
  }
}

interface Name {
  readonly isSent: boolean;
  readonly isJoined: boolean;
  /** The list that it stood in last, to see it a second time without a search. */
  lastList: number;
}

// Far above the names of honest clients; what strangers send beyond is looked at anew each time.
const MAX_REMEMBERED_NAMES = 1_000;
const names = new Map([...JOINED_NAMES].map((text) => [text, judge(text)]));
let lists = 0;

// One list for all requests, taken up by the encoder at once.
const headers: string[] = [];

/** `grpc-timeout` and metadata without what cannot be sent. Valid until the next call. */
function toHeaders(metadata: FlatMetadata, timeout: string | null): readonly string[] {
  let length = 0;
  if (timeout !== null) {
    headers[length++] = "grpc-timeout";
    headers[length++] = timeout;
  }
  lists++;
  for (let i = 0; i + 1 < metadata.length; i += 2) {
    const text = metadata[i] as string; // below the length
    const name = names.get(text) ?? remember(text);
    if (!name.isSent) continue;
    let value = metadata[i + 1] as string; // below the length
    if (!isSentValue(value)) continue;
    if (value.charCodeAt(0) === 0x20 || value.charCodeAt(value.length - 1) === 0x20) value = value.trim();
    if (name.isJoined) {
      if (name.lastList === lists) {
        join(text, value);
        continue;
      }
      name.lastList = lists;
    }
    headers[length++] = text;
    headers[length++] = value;
  }
  if (headers.length > length) headers.length = length;
  return headers;
}

function join(text: string, value: string): void {
  let at = 0;
  while (headers[at] !== text) at += 2;
  headers[at + 1] = joinValues(text, headers[at + 1] ?? "", value);
}

function judge(text: string): Name {
  return { isSent: isSentName(text), isJoined: JOINED_NAMES.has(text), lastList: 0 };
}

function remember(text: string): Name {
  const name = judge(text);
  if (names.size < MAX_REMEMBERED_NAMES) names.set(text, name);
  return name;
}
