import { STATIC_NAMES, STATIC_VALUES } from "./static-table.ts";

/**
 * Which of a name's headers get an entry in the peer's dynamic table.
 *
 * - `always`: what a connection or a route repeats in each request.
 * - `learned`: metadata, of which some repeats; a value that came again within a few calls.
 * - `named`: values differ from call to call, so an entry serves the name alone.
 * - `never`: secrets. They may neither be found out by trying values and watching lengths (RFC 7541 section 7.1), which
 *   concerns a gateway most, as strangers share its connections, nor be indexed by whoever passes them on.
 */
export type IndexPolicy = "always" | "learned" | "named" | "never";

const POLICIES: Readonly<Record<Exclude<IndexPolicy, "learned">, readonly string[]>> = {
  always: [":authority", ":method", ":path", ":scheme", "content-type", "grpc-accept-encoding", "grpc-encoding", "te"],
  named: [
    "b3",
    "baggage",
    "content-length",
    "date",
    "forwarded",
    "grpc-previous-rpc-attempts",
    "grpc-tags-bin",
    "grpc-timeout",
    "grpc-trace-bin",
    "idempotency-key",
    "traceparent",
    "tracestate",
    "x-amzn-trace-id",
    "x-b3-parentspanid",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-forwarded-for",
    "x-real-ip",
    "x-request-id",
  ],
  never: ["authorization", "cookie", "proxy-authorization", "set-cookie"],
};

const POLICY_OF: ReadonlyMap<string, IndexPolicy> = new Map(
  Object.entries(POLICIES).flatMap(([policy, names]) => names.map((name) => [name, policy as IndexPolicy])),
);

// Names that people give to their own secrets. One too many costs some bytes, one too few a little safety.
const SOUNDS_SECRET = /auth|cookie|token|secret|passw|credential|session|signature|(?:api|access)[-_.]?key/;

// Values that are waiting for their second time, per name: enough for a handful of tenants that take turns.
const CANDIDATES = 4;

/** A header name as one encoder knows it. */
export class HeaderName {
  readonly text: string;
  readonly policy: IndexPolicy;
  /** Whether it has a policy of its own or is prepared, and is not whatever a client sent. */
  isKept: boolean;
  /** The first index in the static table, 0 for none. */
  readonly staticIndex: number;
  /** Where a value stands: an entry's number in the dynamic table, or minus an index of the static one. */
  readonly values = new Map<string, number>();
  /** The newest entry with this name, which may be gone; -1 for none. */
  newestEntry = -1;

  private timesSpelled = 0;
  private readonly candidates: string[] = [];
  private nextCandidate = 0;

  constructor(text: string) {
    this.text = text;
    const policy = POLICY_OF.get(text);
    this.isKept = policy !== undefined;
    this.policy = policy ?? (SOUNDS_SECRET.test(text) ? "never" : "learned");
    this.staticIndex = Math.max(0, STATIC_NAMES.indexOf(text));
    // An index whose value is empty stands for the name, except where an empty value is meant: either way it is right.
    for (let i = this.staticIndex; i > 0 && STATIC_NAMES[i] === text; i++) this.values.set(STATIC_VALUES[i] ?? "", -i);
  }

  /** To be asked for each header that no table has, once. */
  isWorthAnEntry(value: string, isNameInTable: boolean): boolean {
    switch (this.policy) {
      case "always":
        return true;
      case "never":
        return false;
      case "named":
        return this.isNameWorthAnEntry(isNameInTable);
      case "learned":
        return this.hasComeAgain(value) || this.isNameWorthAnEntry(isNameInTable);
      default:
        return this.policy satisfies never;
    }
  }

  /** Any value's entry makes later ones of the name shorter. */
  private isNameWorthAnEntry(isNameInTable: boolean): boolean {
    if (isNameInTable) return false;
    this.timesSpelled++;
    return this.timesSpelled > CANDIDATES;
  }

  private hasComeAgain(value: string): boolean {
    if (this.candidates.includes(value)) return true;
    this.candidates[this.nextCandidate] = value;
    this.nextCandidate = (this.nextCandidate + 1) % CANDIDATES;
    return false;
  }
}
