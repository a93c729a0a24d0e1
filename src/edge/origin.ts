import { withoutDefaultPort } from "./request-target.ts";

// RFC 6454, 6.2, as browsers write it: no path, no port that is the scheme's own. The host's first label may be `*`.
const PATTERN = /^(https?:\/\/)(\*\.)?([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d{1,5})?$/i;
const ORIGIN = /^(https?):\/\/([^/?#@]+)$/i;

/** Whether a text may stand among allowed origins. */
export function isOriginPattern(text: string): boolean {
  return text === "*" || PATTERN.test(text);
}

/** Whether a page of that origin may open a WebSocket at that Host. */
export type OriginCheck = (origin: string, host: string) => boolean;

/**
 * Browsers send cookies with a WebSocket of any page and let it read all that comes; `Origin` is all that tells a
 * stranger's page from one's own (RFC 6455, 10.2). The site's own pages may, whatever the scheme: in front of the
 * gateway TLS may have ended. `patterns` are in lower case.
 */
export function compileOrigins(patterns: readonly string[]): OriginCheck {
  if (patterns.includes("*")) return () => true;
  const exact = new Set(patterns.filter((pattern) => !pattern.includes("*")));
  const wild = patterns
    .filter((pattern) => pattern.includes("*"))
    .map((pattern): [start: string, end: string] => [
      pattern.slice(0, pattern.indexOf("*")),
      pattern.split("*")[1] ?? "",
    ]);
  return (origin, host) => {
    const lower = origin.toLowerCase();
    const [, scheme = "", authority = ""] = ORIGIN.exec(lower) ?? [];
    // `null`, of sandboxed pages and files, and what is no origin.
    if (scheme === "") return false;
    if (withoutDefaultPort(authority, scheme) === withoutDefaultPort(host, scheme)) return true;
    if (exact.has(lower)) return true;
    return wild.some(
      ([start, end]) => lower.length > start.length + end.length && lower.startsWith(start) && lower.endsWith(end),
    );
  };
}
