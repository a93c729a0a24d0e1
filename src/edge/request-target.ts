import type { IncomingMessage } from "node:http";
import { gatewayError, type GatewayError } from "../core/errors.ts";

/**
 * The target of a request in origin form, or why it is refused: one Host header (RFC 9112, 3.2), and in absolute form
 * the host that Host names, so that nothing behind us can take the request for another site's.
 */
export function originTarget(request: IncomingMessage): string | GatewayError {
  const raw = request.rawHeaders;
  let hosts = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i];
    if (
      name !== undefined &&
      name.length === 4 &&
      (name === "host" || name === "Host" || name.toLowerCase() === "host")
    ) {
      hosts++;
    }
  }
  if (hosts > 1) return gatewayError("HTTP_MALFORMED", { reason: "more than one Host header" });
  const target = request.url ?? "";
  if (target.charCodeAt(0) === 0x2f) return stripFragment(target);
  if (target === "*") return gatewayError("ROUTE_NOT_FOUND", { method: request.method ?? "", path: "*" });
  return absoluteTarget(target, request.headers.host ?? "");
}

function absoluteTarget(target: string, host: string): string | GatewayError {
  const parts = /^https?:\/\/([^/?#]*)([^#]*)/i.exec(target);
  if (parts === null) {
    return gatewayError("HTTP_MALFORMED", { reason: "the request target is neither a path nor an http URL" });
  }
  const [, authority = "", rest = ""] = parts;
  if (authority.toLowerCase() !== host.toLowerCase()) {
    return gatewayError("HTTP_MALFORMED", { reason: "the request target names another host than Host" });
  }
  return rest.startsWith("/") ? rest : `/${rest}`;
}

// A fragment is never sent by a right client (RFC 9110, 4.2.5).
function stripFragment(target: string): string {
  const at = target.indexOf("#");
  return at < 0 ? target : target.slice(0, at);
}
