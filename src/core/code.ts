/** gRPC status codes (grpc/doc/statuscodes.md). */
export const Code = {
  Ok: 0,
  Cancelled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;
export type Code = (typeof Code)[keyof typeof Code];

/** By their number. */
export const codeNames = [
  "OK",
  "CANCELLED",
  "UNKNOWN",
  "INVALID_ARGUMENT",
  "DEADLINE_EXCEEDED",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "PERMISSION_DENIED",
  "RESOURCE_EXHAUSTED",
  "FAILED_PRECONDITION",
  "ABORTED",
  "OUT_OF_RANGE",
  "UNIMPLEMENTED",
  "INTERNAL",
  "UNAVAILABLE",
  "DATA_LOSS",
  "UNAUTHENTICATED",
] as const;

// google/rpc/code.proto, "HTTP Mapping" of each code.
const HTTP_STATUS = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401] as const;

/** The name as in google/rpc/code.proto, such as `NOT_FOUND`; `CODE_<n>` for a number that is none. */
export function codeName(code: number): string {
  return codeNames[code] ?? `CODE_${code}`;
}

/** The code of a name as in google/rpc/code.proto; undefined where there is none. */
export function codeNamed(name: string): Code | undefined {
  const code = codeNames.findIndex((known) => known === name);
  return code < 0 ? undefined : (code as Code);
}

/** HTTP status of a gRPC code by google/rpc/code.proto; 500 for a number that is none. */
export function httpStatusOf(code: number): number {
  return HTTP_STATUS[code] ?? 500;
}

/** A number from the wire as a code; what gRPC does not define is UNKNOWN (gRPC over HTTP/2, "Status"). */
export function toCode(value: number): Code {
  return Number.isInteger(value) && value >= 0 && value <= 16 ? (value as Code) : Code.Unknown;
}
