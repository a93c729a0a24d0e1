import { gatewayError, type GatewayError } from "../core/errors.ts";
import type { HttpExchange } from "./http.ts";

// RFC 9110, 8.3.1: type "/" subtype, then parameters. `application/json` and any `+json` subtype are JSON.
const MEDIA_TYPE =
  /^application\/(?:json|[\w.!#$&^-]+\+json)[ \t]*((?:;[ \t]*[\w!#$%&'*+.^`|~-]+=(?:[\w!#$%&'*+.^`|~-]+|"[^"]*")[ \t]*)*);?[ \t]*$/i;
const CHARSET = /;[ \t]*charset="?([^";\s]+)"?/i;

/** What a body must be: one JSON text in UTF-8, many of them, or anything. */
export type BodyKind = "json" | "json_stream" | "bytes";

/** Why a body with these headers cannot be read, or null. No content-type is taken for JSON. */
export function checkContentHeaders(http: HttpExchange, kind: BodyKind): GatewayError | null {
  const type = kind === "bytes" ? undefined : http.header("content-type");
  if (
    type !== undefined &&
    type !== "application/json" &&
    !isJson(type) &&
    !(kind === "json_stream" && isLines(type))
  ) {
    return gatewayError("UNSUPPORTED_MEDIA_TYPE", { type: JSON.stringify(type.slice(0, 100)) });
  }
  const encoding = http.header("content-encoding");
  if (encoding !== undefined && encoding.toLowerCase() !== "identity" && encoding !== "") {
    return gatewayError("UNSUPPORTED_CONTENT_ENCODING", { encoding: JSON.stringify(encoding.slice(0, 100)) });
  }
  return null;
}

/** Whether a body of that type is JSON texts one behind the other; never one array. */
export function isLines(type: string): boolean {
  return LINES.test(type);
}

// None of these is registered; all are used.
const LINES = /^[ \t]*application\/(?:x-)?(?:ndjson|jsonl|json-lines|jsonlines)[ \t]*(?:;|$)/i;

function isJson(type: string): boolean {
  // A long header cannot make the pattern slow: longer ones are no media type.
  if (type.length > 200) return false;
  const parts = MEDIA_TYPE.exec(type.trim());
  if (parts === null) return false;
  const charset = CHARSET.exec(parts[1] ?? "")?.[1]?.toLowerCase();
  return charset === undefined || charset === "utf-8" || charset === "utf8" || charset === "us-ascii";
}
