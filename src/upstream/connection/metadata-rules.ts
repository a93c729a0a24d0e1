import { constants } from "node:http2";

// What HTTP/2 forbids (RFC 9113 section 8.2.2), what a connection writes itself, and what would contradict the message.
// Where node:http2 refuses a header, grpc-js tears the whole connection down with every call on it, so nothing that
// could be refused may reach it.
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

/**
 * Names of which servers made with node:http2 keep one value only, and which its client refuses to send twice. What is
 * registered with HTTP may be joined to a list (RFC 9110 section 5.3); any other name keeps its values apart.
 */
export const JOINED_NAMES: ReadonlySet<string> = new Set(
  Object.entries(constants).flatMap(([name, value]) => (name.startsWith("HTTP2_HEADER_") ? [String(value)] : [])),
);

const NAME = /^[0-9a-z_.-]+$/;
const VALUE = /^[\x20-\x7e]*$/;

/** Whether request metadata of this name goes to the instance. */
export function isSentName(name: string): boolean {
  return !NEVER_SENT.has(name) && NAME.test(name);
}

export function isSentValue(value: string): boolean {
  return VALUE.test(value);
}

/** One more value in a list; cookies are the one list with a separator of its own (RFC 9113 section 8.2.3). */
export function joinValues(name: string, list: string, value: string): string {
  return `${list}${name === "cookie" ? ";" : ","} ${value}`;
}

const MAX_TIMEOUT_DIGITS = 99_999_999;

/**
 * What remains until the deadline as a `grpc-timeout` value: at most 8 digits and a unit, a millisecond at least; null
 * for no deadline. Rounded up, as grpc-go does: an instance whose deadline passes before ours would answer in our place.
 */
export function formatTimeout(remainingMs: number): string | null {
  if (remainingMs === Infinity) return null;
  const ms = Math.max(1, Math.ceil(remainingMs));
  if (ms <= MAX_TIMEOUT_DIGITS) return `${ms}m`;
  return `${Math.min(MAX_TIMEOUT_DIGITS, Math.ceil(ms / 1000))}S`;
}
