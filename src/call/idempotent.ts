export interface IdempotencyFacts {
  /** `idempotent:` of the route; undefined where it says nothing. */
  readonly route: boolean | undefined;
  /** MethodOptions.idempotency_level. */
  readonly level: "unknown" | "no_side_effects" | "idempotent";
  /** The binding's HTTP method, in capitals. */
  readonly httpMethod: string;
}

/**
 * Whether a call may be made again although it may have been processed: the route's word, else idempotency_level where
 * it is set, else GET and HEAD. PUT and DELETE are not taken for idempotent: what HTTP promises of them, the rpc behind
 * them often does not hold.
 */
export function isIdempotent({ route, level, httpMethod }: IdempotencyFacts): boolean {
  if (route !== undefined) return route;
  if (level !== "unknown") return true;
  return httpMethod === "GET" || httpMethod === "HEAD";
}
