import { gatewayError, type GatewayError } from "../core/errors.ts";
import type { HttpExchange } from "./http.ts";

// RFC 9110, 8.3.1: type "/" subtype, then parameters. `application/json` and any `+json` subtype are JSON.
const MEDIA_TYPE =
  /^application\/(?:json|[\w.!#$&^-]+\+json)[ \t]*((?:;[ \t]*[\w!#$%&'*+.^`|~-]+=(?:[\w!#$%&'*+.^`|~-]+|"[^"]*")[ \t]*)*);?[ \t]*$/i;
const CHARSET = /;[ \t]*charset="?([^";\s]+)"?/i;

/**
 * Why a body with these headers cannot be read, or null. No content-type is taken for JSON.
 *
 * @param asJson whether it must be JSON in UTF-8
 */
export function checkContentHeaders(http: HttpExchange, asJson: boolean): GatewayError | null {
  const type = asJson ? http.header("content-type") : undefined;
  if (type !== undefined && type !== "application/json" && !isJson(type)) {
    return gatewayError("UNSUPPORTED_MEDIA_TYPE", { type: JSON.stringify(type.slice(0, 100)) });
  }
  const encoding = http.header("content-encoding");
  if (encoding !== undefined && encoding.toLowerCase() !== "identity" && encoding !== "") {
    return gatewayError("UNSUPPORTED_CONTENT_ENCODING", { encoding: JSON.stringify(encoding.slice(0, 100)) });
  }
  return null;
}

function isJson(type: string): boolean {
  // A long header cannot make the pattern slow: longer ones are no media type.
  if (type.length > 200) return false;
  const parts = MEDIA_TYPE.exec(type.trim());
  if (parts === null) return false;
  const charset = CHARSET.exec(parts[1] ?? "")?.[1]?.toLowerCase();
  return charset === undefined || charset === "utf-8" || charset === "utf8" || charset === "us-ascii";
}
