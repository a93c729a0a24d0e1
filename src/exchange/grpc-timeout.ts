import { gatewayError } from "../core/errors.ts";
import type { HttpExchange } from "./http.ts";

// "TimeoutUnit" of gRPC over HTTP/2, in milliseconds.
const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/**
 * Milliseconds of a `grpc-timeout` header, at most eight digits and a unit; undefined where it is none. Zero counts
 * as one, although the grammar says "positive": grpc-go writes `0n` for a deadline that has passed.
 */
export function parseGrpcTimeout(value: string): number | undefined {
  if (!/^[0-9]{1,8}[HMSmun]$/.test(value)) return undefined;
  return Number(value.slice(0, -1)) * (UNIT_MS[value.slice(-1)] as number); // the pattern names the table's keys
}

/** How long the client says that its call may take; Infinity where it does not. Throws HEADER_INVALID. */
export function clientTimeoutMs(http: Pick<HttpExchange, "header">): number {
  const value = http.header("grpc-timeout");
  if (value === undefined) return Infinity;
  const ms = parseGrpcTimeout(value);
  if (ms !== undefined) return ms;
  const reason = `"${value.slice(0, 40)}" is no timeout; expected up to 8 digits and a unit of H, M, S, m, u or n`;
  throw gatewayError(
    "HEADER_INVALID",
    { header: "grpc-timeout", reason },
    { violations: [{ field: "grpc-timeout", description: reason }] },
  );
}
