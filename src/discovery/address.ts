import { isIPv4, isIPv6 } from "node:net";

/** A checked `host:port` (IPv6 in brackets, host in lower case), or what is wrong with the text. */
export type ParsedAddress =
  { readonly ok: true; readonly address: string } | { readonly ok: false; readonly reason: string };

const MAX_HOST_LENGTH = 253; // RFC 1035, section 2.3.4, as text
// Underscores are no part of a DNS host name, but Docker Compose and Kubernetes setups use them.
const LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/;
const PORT = /^[0-9]{1,5}$/;

/**
 * Reads `host:port`:
 *
 *     address = host ":" port
 *     host    = IPv4 | "[" IPv6 "]" | name
 *     port    = 1 … 65535
 */
export function parseAddress(text: string): ParsedAddress {
  const colon = text.lastIndexOf(":");
  if (colon < 0 || text.endsWith("]")) return refuse(text, "the port is missing; expected host:port");
  const port = text.slice(colon + 1);
  if (!PORT.test(port) || Number(port) < 1 || Number(port) > 65535) {
    return refuse(text, `the port is ${quote(port)}; expected 1 to 65535`);
  }
  const host = text.slice(0, colon).toLowerCase();
  if (!isHost(host)) {
    const hint = isIPv6(host) ? "an IPv6 address stands in brackets" : "expected a host name, IPv4 or [IPv6]";
    return refuse(text, `the host is ${quote(host)}; ${hint}`);
  }
  return { ok: true, address: `${host}:${Number(port)}` };
}

/** The text as shown in a message: quoted, without control characters, cut to a bearable length. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

/**
 * Any value for a message. Never throws, as `String` does for an object that holds a `toString` of its own, which JSON may
 * bring.
 */
export function quoteValue(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" && value !== null ? "an object" : quote(String(value));
}

function isHost(host: string): boolean {
  if (host.startsWith("[") && host.endsWith("]")) return isIPv6(host.slice(1, -1)) && !host.includes("%");
  if (isIPv4(host)) return true;
  if (host.length === 0 || host.length > MAX_HOST_LENGTH) return false;
  const labels = host.replace(/\.$/, "").split(".");
  // What ends in a number is meant as an IPv4 address (WHATWG URL, "ends in a number"), and that check failed above.
  return labels.every((label) => LABEL.test(label)) && !/^[0-9]+$/.test(labels.at(-1) ?? "");
}

function refuse(text: string, what: string): ParsedAddress {
  return { ok: false, reason: `${quote(text)} is no address: ${what}` };
}
