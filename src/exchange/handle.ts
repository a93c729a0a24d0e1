import { gatewayError } from "../core/errors.ts";
import { shorten, UnroutedExchange, type ExchangeContext } from "./exchange.ts";
import { HttpBodyExchange, HttpBodyStreamExchange } from "./http-body.ts";
import type { HttpExchange } from "./http.ts";
import type { Route, Snapshot } from "./route.ts";
import { ServerStreamExchange } from "./server-stream.ts";
import { UnaryExchange } from "./unary.ts";

/**
 * The path of every request: match, then bind, call and reply (exchange.ts, unary.ts, server-stream.ts). The snapshot
 * is the one in force when the request arrived; it keeps it to its end.
 */
export function handle(context: ExchangeContext, snapshot: Snapshot, http: HttpExchange): void {
  const { table } = snapshot;
  let match = table.match(http.method, http.path);
  if (match.kind === "method_not_allowed" && http.method === "HEAD" && match.allow.includes("GET")) {
    // GET and HEAD are the methods that every server has (RFC 9110, 9.1); the edge leaves the body out.
    match = table.match("GET", http.path);
  }
  switch (match.kind) {
    case "found":
      return serve(context, http, match.value, match.variables);
    case "not_found":
      return new UnroutedExchange(context, http, null).fail(
        gatewayError("ROUTE_NOT_FOUND", { method: http.method, path: shorten(http.path) }),
      );
    case "method_not_allowed": {
      const methods = match.allow.includes("GET") ? [...new Set([...match.allow, "HEAD"])].sort() : match.allow;
      const allow = methods.join(", ");
      return new UnroutedExchange(context, http, null).fail(
        gatewayError("METHOD_NOT_ALLOWED", { method: http.method, path: shorten(http.path), allow }),
        ["allow", allow],
      );
    }
    case "malformed":
      return new UnroutedExchange(context, http, null).fail(
        gatewayError(
          "PATH_MALFORMED",
          { reason: match.reason },
          { violations: [{ field: "path", description: match.reason }] },
        ),
      );
    default:
      return match satisfies never;
  }
}

function serve(context: ExchangeContext, http: HttpExchange, route: Route, variables: readonly string[]): void {
  switch (route.kind) {
    case "unary":
      return new (route.readHttpBody === null ? UnaryExchange : HttpBodyExchange)(context, http, route).run(variables);
    case "server_stream":
      return new (route.readHttpBody === null ? ServerStreamExchange : HttpBodyStreamExchange)(
        context,
        http,
        route,
      ).run(variables);
    case "client_stream":
    case "bidi_stream":
      return new UnroutedExchange(context, http, route).fail(
        gatewayError("RPC_KIND_UNSUPPORTED", { rpc: route.rpc, kind: KIND_NAMES[route.kind] }),
      );
    default:
      return route.kind satisfies never;
  }
}

const KIND_NAMES = {
  client_stream: "client streaming",
  bidi_stream: "bidirectional streaming",
} as const;
