import { gatewayError, type GatewayError } from "../core/errors.ts";
import type { BodyBinders } from "../transcode/binder.ts";
import { isLines } from "../transcode/message-stream.ts";
import type { HttpExchange } from "./http.ts";
import type { Route } from "./route.ts";

// RFC 9110, 8.3.1: type "/" subtype, then parameters. `application/json` and any `+json` subtype are JSON.
const MEDIA_TYPE =
  /^application\/(?:json|[\w.!#$&^-]+\+json)[ \t]*((?:;[ \t]*[\w!#$%&'*+.^`|~-]+=(?:[\w!#$%&'*+.^`|~-]+|"[^"]*")[ \t]*)*);?[ \t]*$/i;
const CHARSET = /;[ \t]*charset="?([^";\s]+)"?/i;

/** What reads the body of a request with these headers, or why nothing does. No content-type is taken for JSON. */
export function bindersFor(route: BodyRoute, http: Pick<HttpExchange, "header">): BodyBinders | GatewayError {
  const type = http.header("content-type");
  if (route.takesHttpBody || type === undefined || type === "application/json" || isJson(type)) return route;
  const isStreamed = route.kind === "client_stream" || route.kind === "bidi_stream";
  if (isStreamed && isLines(type)) return route;
  const { forms } = route;
  const form = forms === null ? null : PAIRS.test(type) ? forms.pairs : PARTS.test(type) ? forms.parts : null;
  if (form === null) {
    const lines = isStreamed ? ", application/x-ndjson" : "";
    const types = `application/json${lines}${forms === null ? "" : " or a form"}`;
    const expected = charsetOf(type) === null ? types : "charset=utf-8";
    return gatewayError("UNSUPPORTED_MEDIA_TYPE", { type: JSON.stringify(type.slice(0, 100)), expected });
  }
  const origin = route.takesForeignForms ? null : foreignOrigin(http);
  return origin === null ? form : gatewayError("FORM_CROSS_ORIGIN", { origin: origin.slice(0, 100) });
}

type BodyRoute = Pick<Route, "bind" | "bindStream" | "forms" | "takesForeignForms" | "takesHttpBody" | "kind">;

const PAIRS = /^[ \t]*application\/x-www-form-urlencoded[ \t]*(?:;|$)/i;
// One without a boundary is refused where it is read, and told so.
const PARTS = /^[ \t]*multipart\/form-data[ \t]*(?:;|$)/i;

/**
 * The origin of the page that sends a request, where that is another one; null where it is ours, or no page at all. A
 * form is what a browser sends for any page, cookies included, without asking by CORS. As Go's CrossOriginProtection.
 */
function foreignOrigin(http: Pick<HttpExchange, "header">): string | null {
  const origin = http.header("origin");
  const site = http.header("sec-fetch-site");
  if (site !== undefined) return site === "same-origin" || site === "none" ? null : (origin ?? site);
  // Browsers from before 2023 say no more.
  if (origin === undefined) return null;
  return origin.slice(origin.indexOf("://") + 3) === http.header("host") ? null : origin;
}

function isJson(type: string): boolean {
  const charset = charsetOf(type);
  return charset === "" || charset === "utf-8" || charset === "utf8" || charset === "us-ascii";
}

/** In lower case, "" where none is named; null where the type is not JSON. */
function charsetOf(type: string): string | null {
  // A long header cannot make the pattern slow: longer ones are no media type.
  if (type.length > 200) return null;
  const parts = MEDIA_TYPE.exec(type.trim());
  return parts === null ? null : (CHARSET.exec(parts[1] ?? "")?.[1]?.toLowerCase() ?? "");
}
