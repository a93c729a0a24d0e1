import { METHODS } from "../core/node-http.ts";
import { didYouMean } from "../core/suggest.ts";

/**
 * Why a route cannot have this HTTP method; null where it can. `*` stands for every method. Methods are compared as
 * written, since HTTP's are case-sensitive (RFC 9110, section 9.1).
 */
export function checkMethod(method: string): string | null {
  if (method === "*") return null;
  if (method === "CONNECT") return 'method "CONNECT" asks for a tunnel and never reaches a route';
  if (METHODS.includes(method)) return null;
  const reason = `method "${method}" is unknown to Node's HTTP parser, which refuses such requests`;
  return reason + didYouMean(method, METHODS);
}
