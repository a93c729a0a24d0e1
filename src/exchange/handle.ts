import { GatewayError, gatewayError, type FieldViolation } from "../core/errors.ts";
import { decodedRequest, REQUEST_CODINGS } from "./coding/decoded-request.ts";
import type { ExchangeContext } from "./exchange.ts";
import { shorten } from "./failure.ts";
import { HttpBodyExchange, HttpBodyStreamExchange } from "./http-body.ts";
import type { HttpExchange, HttpUpgrade } from "./http.ts";
import type { Route, Snapshot } from "./route.ts";
import { ServerStreamExchange } from "./server-stream.ts";
import { UnaryExchange } from "./unary.ts";
import { UnroutedExchange } from "./unrouted.ts";
import { WebSocketExchange } from "./websocket.ts";

/**
 * The path of every request: match, then bind, call and reply (exchange.ts, unary.ts, server-stream.ts). The snapshot
 * is the one in force when the request arrived; it keeps it to its end.
 */
export function handle(context: ExchangeContext, snapshot: Snapshot, http: HttpExchange): void {
  const { table } = snapshot;
  if (http.path === "*") {
    // Of the server as a whole (RFC 9110, 9.3.7); the edge lets it come with no other method.
    const methods = new Set(table.entries.map(({ method }) => method));
    return new UnroutedExchange(context, http, null).tellMethods(allowed([...methods].filter((one) => one !== "*")));
  }
  let match = table.match(http.method, http.path);
  if (match.kind === "method_not_allowed" && http.method === "HEAD" && match.allow.includes("GET")) {
    // GET and HEAD are the methods that every server has (RFC 9110, 9.1); the edge leaves the body out.
    match = table.match("GET", http.path);
  }
  switch (match.kind) {
    case "found":
      return serve(context, http, match.value, match.variables);
    case "not_found":
      return notFound(context, http);
    case "redirect":
      return new UnroutedExchange(context, http, null).redirect(match.path);
    case "method_not_allowed": {
      const allow = allowed(match.allow);
      if (http.method === "OPTIONS") return new UnroutedExchange(context, http, null).tellMethods(allow);
      return new UnroutedExchange(context, http, null).fail(
        gatewayError("METHOD_NOT_ALLOWED", { method: http.method, path: shorten(http.path), allow }),
        ["allow", allow],
      );
    }
    case "malformed":
      return malformed(context, http, match.reason);
    default:
      return match satisfies never;
  }
}

/** The value of Allow: what routes have, and what is served without one. */
function allowed(methods: readonly string[]): string {
  const more = methods.includes("GET") ? ["HEAD", "OPTIONS"] : ["OPTIONS"];
  return [...new Set([...methods, ...more])].sort().join(", ");
}

/**
 * As `handle`, for a client that asks for a WebSocket: the route is one of GET, or else of another method, that has a
 * stream, since no browser can ask for one by another method than GET.
 */
export function handleUpgrade(context: ExchangeContext, snapshot: Snapshot, http: HttpUpgrade): void {
  const { table, streamMethods } = snapshot;
  let isKnown = false;
  for (const method of streamMethods) {
    const match = table.match(method, http.path);
    if (match.kind === "malformed") return malformed(context, http, match.reason);
    if (match.kind === "not_found" || match.kind === "redirect") break;
    isKnown = true;
    if (match.kind !== "found" || match.value.kind === "unary") continue;
    const route = chosenRoute(context, http, match.value);
    return route === null ? undefined : new WebSocketExchange(context, http, route).run(match.variables);
  }
  if (!isKnown) return notFound(context, http);
  const error = gatewayError("WEBSOCKET_NOT_SERVED", { path: shorten(http.path) });
  new UnroutedExchange(context, http, null).fail(error);
}

function notFound(context: ExchangeContext, http: HttpExchange): void {
  const params = { method: http.method, path: shorten(http.path) };
  const error = gatewayError("ROUTE_NOT_FOUND", params, { violations: emptySegmentOf(http.path) });
  new UnroutedExchange(context, http, null).fail(error);
}

/** What is easily overlooked in a path that no route takes: `//`, or a slash at the end. */
function emptySegmentOf(path: string): FieldViolation[] {
  const index = path === "/" ? -1 : path.split("/").indexOf("", 1);
  return index < 0 ? [] : [{ field: "path", description: `segment ${index} is empty` }];
}

function malformed(context: ExchangeContext, http: HttpExchange, reason: string): void {
  const violations = [{ field: "path", description: reason }];
  new UnroutedExchange(context, http, null).fail(gatewayError("PATH_MALFORMED", { reason }, { violations }));
}

/** The route with what the client chooses of its replies; null where that is no choice, which is answered. */
function chosenRoute(context: ExchangeContext, http: HttpExchange, route: Route): Route | null {
  if (route.partial === null) return route;
  try {
    return route.partial(http.query);
  } catch (error) {
    new UnroutedExchange(context, http, route).fail(error);
    return null;
  }
}

function serve(context: ExchangeContext, client: HttpExchange, matched: Route, variables: readonly string[]): void {
  const route = chosenRoute(context, client, matched);
  if (route === null) return;
  const plain = route.compression === null ? client : route.compression(client);
  const encoding = plain.hasBody ? plain.header("content-encoding") : undefined;
  const http = encoding === undefined ? plain : decodedRequest(plain, encoding);
  if (http instanceof GatewayError) {
    return new UnroutedExchange(context, plain, route).fail(http, ["accept-encoding", REQUEST_CODINGS]);
  }
  const isRaw = route.readHttpBody !== null;
  switch (route.kind) {
    case "unary":
    case "client_stream":
      return new (isRaw ? HttpBodyExchange : UnaryExchange)(context, http, route).run(variables);
    case "server_stream":
    case "bidi_stream":
      return new (isRaw ? HttpBodyStreamExchange : ServerStreamExchange)(context, http, route).run(variables);
    default:
      return route.kind satisfies never;
  }
}
