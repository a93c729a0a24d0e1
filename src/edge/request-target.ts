import type { IncomingMessage } from "node:http";
import type { IncomingHttpHeaders } from "node:http2";
import { gatewayError, type GatewayError } from "../core/errors.ts";

// RFC 3986, 3.2.2 and 3.2.3: a name or an address, and perhaps a port. Empty where the target has no authority.
const HOST = /^[\w.~!$&'()*+,;=%:[\]-]*$/;

// As Envoy and Apache have it. Node's HTTP/2 server, which may be an upstream, takes 128, ours and its own included.
const MAX_HEADERS = 100;

/**
 * The target of a request in origin form (or `*`, with OPTIONS), or why it is refused: one Host header (RFC 9112, 3.2), and in absolute form
 * the host that Host names, so that nothing behind us can take the request for another site's.
 */
export function originTarget(request: IncomingMessage): string | GatewayError {
  if (request.rawHeaders.length > 2 * MAX_HEADERS) return gatewayError("TOO_MANY_HEADERS", { limit: MAX_HEADERS });
  const { host } = request.headers;
  if (host === undefined) {
    if (request.httpVersion !== "1.0") return malformed("no Host header");
  } else if (!HOST.test(host)) {
    return malformed("the Host header is no host");
  } else if (hasSecondHost(request.rawHeaders)) {
    return malformed("more than one Host header");
  }
  const target = request.url ?? "";
  if (target.charCodeAt(0) === 0x2f) return stripFragment(target);
  if (target === "*") return asterisk(request.method ?? "");
  return absoluteTarget(target, host ?? "");
}

/**
 * The same of an HTTP/2 request, where `:authority` stands for Host, which may at most repeat it (RFC 9113, 8.3.1), and
 * where the limits on headers are ours to hold. `count`: of headers, cookies being one. What nghttp2 lets through has a
 * path that begins with a slash, or `*` with OPTIONS, or is CONNECT.
 */
export function http2Target(
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
  count: number,
  maxBytes: number,
): string | GatewayError {
  let bytes = 0;
  // As they would stand in HTTP/1.1: `name: value`, and a line end.
  for (let i = 0; i < rawHeaders.length; i++) bytes += (rawHeaders[i] as string).length + 2; // below the length
  if (bytes > maxBytes) return gatewayError("HEADERS_TOO_LARGE", { limit: maxBytes });
  if (count > MAX_HEADERS) return gatewayError("TOO_MANY_HEADERS", { limit: MAX_HEADERS });
  const { host, ":authority": authority = host, ":scheme": scheme = "https", ":path": target } = headers;
  if (target === undefined) return malformed("CONNECT is not served; this is no forward proxy");
  if (authority === undefined || host === undefined) return malformed("no :authority");
  if (!HOST.test(authority)) return malformed(":authority is no host");
  if (withoutDefaultPort(authority, scheme) !== withoutDefaultPort(host, scheme) || hasSecondHost(rawHeaders)) {
    return malformed("the Host header names another host than :authority");
  }
  if (target === "*") return asterisk(headers[":method"] ?? "");
  return stripFragment(target);
}

/** The server as a whole, of which only OPTIONS asks (RFC 9112, 3.2.4). */
function asterisk(method: string): string | GatewayError {
  return method === "OPTIONS" ? "*" : gatewayError("ROUTE_NOT_FOUND", { method, path: "*" });
}

/** Node's raw headers of an HTTP/2 request without pseudo-headers, its cookies one header again (RFC 9113, 8.2.3). */
export function joinedHeaders(rawHeaders: readonly string[], cookies: string | undefined): string[] {
  const joined: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string; // below the length, as is the value
    if (name.startsWith(":") || name === "cookie") continue;
    joined.push(name, rawHeaders[i + 1] as string);
  }
  if (cookies !== undefined) joined.push("cookie", cookies);
  return joined;
}

/** Node keeps the first of them. */
function hasSecondHost(rawHeaders: readonly string[]): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string; // below the length
    if (name.length === 4 && (name === "host" || name === "Host" || name.toLowerCase() === "host")) hosts++;
  }
  return hosts > 1;
}

function absoluteTarget(target: string, host: string): string | GatewayError {
  const parts = /^(https?):\/\/([^/?#]*)([^#]*)/i.exec(target);
  if (parts === null) return malformed("the request target is neither a path nor an http URL");
  const [, scheme = "", authority = "", rest = ""] = parts;
  if (withoutDefaultPort(authority, scheme) !== withoutDefaultPort(host, scheme)) {
    return malformed("the request target names another host than Host");
  }
  return rest.startsWith("/") ? rest : `/${rest}`;
}

/** `host[:port]` in lower case, without a port that is the scheme's own. */
export function withoutDefaultPort(authority: string, scheme: string): string {
  const port = scheme.toLowerCase() === "https" ? ":443" : ":80";
  const lower = authority.toLowerCase();
  return lower.endsWith(port) ? lower.slice(0, -port.length) : lower;
}

function malformed(reason: string): GatewayError {
  return gatewayError("HTTP_MALFORMED", { reason });
}

// A fragment is never sent by a right client (RFC 9110, 4.2.5).
function stripFragment(target: string): string {
  const at = target.indexOf("#");
  return at < 0 ? target : target.slice(0, at);
}
