import { constants } from "node:http2";
import { Metadata } from "@grpc/grpc-js";
import type { FlatMetadata } from "../../../call/call.ts";

// What HTTP/2 forbids (RFC 9113 section 8.2.2), what grpc-js writes itself, and what would contradict the message. Where
// node:http2 refuses a header, grpc-js tears the whole connection down with every call on it, so nothing that could be
// refused may reach it.
const NEVER_SENT = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "te",
  "host",
  "content-length",
  "content-type",
  "user-agent",
  "accept-encoding",
  "grpc-encoding",
  "grpc-accept-encoding",
  "grpc-timeout",
]);

// node:http2 refuses some names with more than one value: those are among the names it knows, and what it knows is
// registered with HTTP, where a list may be joined (RFC 9110 section 5.3). Any other name keeps its values apart.
const KNOWN_TO_HTTP = new Set(
  Object.entries(constants).flatMap(([name, value]) => (name.startsWith("HTTP2_HEADER_") ? [String(value)] : [])),
);

const NAME = /^[0-9a-z_.-]+$/;
const VALUE = /^[\x20-\x7e]*$/;

/** Request metadata as grpc-js wants it; what cannot be sent is left out. `timeout` is the value of `grpc-timeout`. */
export function toGrpcMetadata(flat: FlatMetadata, timeout: string | null): Metadata {
  const metadata = new Metadata();
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const name = flat[i] ?? "";
    const value = flat[i + 1] ?? "";
    if (NEVER_SENT.has(name) || !NAME.test(name) || !VALUE.test(value)) continue;
    if (name.endsWith("-bin")) {
      // Several values of one name may arrive joined (gRPC over HTTP/2, "Custom-Metadata").
      for (const part of value.split(",")) metadata.add(name, Buffer.from(part, "base64"));
    } else if (KNOWN_TO_HTTP.has(name)) {
      const earlier = metadata.get(name)[0];
      // Cookies are the one list with a separator of its own (RFC 9113 section 8.2.3).
      const separator = name === "cookie" ? "; " : ", ";
      metadata.set(name, earlier === undefined ? value.trim() : earlier.toString() + separator + value.trim());
    } else {
      metadata.add(name, value.trim());
    }
  }
  // Our own header instead of grpc-js's deadline: call/ keeps the time, and one timer per call is enough.
  if (timeout !== null) metadata.set("grpc-timeout", timeout);
  return metadata;
}

/** Metadata that grpc-js has received, as on the wire: `-bin` values in base64 again. */
export function fromGrpcMetadata(metadata: Metadata): string[] {
  const flat: string[] = [];
  // toJSON is the one public way to every value without a copy of each.
  const entries = metadata.toJSON();
  for (const name in entries) {
    for (const value of entries[name] ?? []) {
      flat.push(name, typeof value === "string" ? value : value.toString("base64"));
    }
  }
  return flat;
}

const MAX_TIMEOUT_DIGITS = 99_999_999;

/**
 * What remains until the deadline as a `grpc-timeout` value (at most 8 digits and a unit), never more than remains but
 * at least a millisecond; null for no deadline.
 */
export function formatTimeout(remainingMs: number): string | null {
  if (remainingMs === Infinity) return null;
  const ms = Math.max(1, Math.floor(remainingMs));
  if (ms <= MAX_TIMEOUT_DIGITS) return `${ms}m`;
  return `${Math.min(MAX_TIMEOUT_DIGITS, Math.floor(ms / 1000))}S`;
}
