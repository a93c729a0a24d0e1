import path from "node:path";
import { z } from "zod";
import { choice, decimal, duration, integer, leaf, section, text, type Complain } from "../../core/options.ts";

export type LoadBalancing =
  | { readonly policy: "least_request" | "round_robin" | "weighted_round_robin"; readonly slowStart?: SlowStart | null }
  | { readonly policy: "p2c_ewma"; readonly decayMs: number; readonly slowStart?: SlowStart | null }
  | { readonly policy: "random" | "pick_first" }
  | (Hashing & { readonly policy: "ring_hash"; readonly pointsPerEndpoint: number })
  | (Hashing & { readonly policy: "maglev"; readonly tableSize: number })
  /** One's own: the absolute path of a JavaScript module. */
  | { readonly policy: "module"; readonly path: string; readonly hashOn: HashOn | null };

/** How the share of an instance grows that has just come or come back. */
export interface SlowStart {
  readonly windowMs: number;
  /** 1: in proportion to time; above: faster at first. */
  readonly aggression: number;
  /** What it begins with, of its whole share. */
  readonly minRatio: number;
}

export interface Hashing {
  readonly hashOn: HashOn;
  /** How many times the average load an instance may have before a request goes on to the next; null for no limit. */
  readonly boundedLoad: number | null;
}

/** What of a request says where it goes. */
export type HashOn =
  | { readonly kind: "header"; /** In lower case. */ readonly name: string }
  /** A scalar field of the request message, by its path. */
  | { readonly kind: "field"; readonly path: string }
  | { readonly kind: "client_ip" };

const POLICIES = [
  "least_request",
  "p2c_ewma",
  "round_robin",
  "weighted_round_robin",
  "random",
  "pick_first",
  "ring_hash",
  "maglev",
] as const;
type PolicyName = (typeof POLICIES)[number];

const DEFAULT_POLICY = "least_request";
const DEFAULT_DECAY_MS = 10_000;
// As ketama has: shares then differ by some 8 % (1 / sqrt(160)).
const DEFAULT_POINTS = 160;
// As Envoy and the paper have: a prime, 65 times the 1,000 instances that are many.
const DEFAULT_TABLE = 65_537;

const policy = choice({
  docs:
    "least_request: the less busy of two chosen at random by weight. p2c_ewma: the same, and one that is more than " +
    "twice as slow counts as busier. round_robin: each connection in turn. weighted_round_robin: as often as the weight " +
    "says. random: by weight. pick_first: all to the first of the list that is ready. ring_hash, maglev: the same " +
    "`hash_on`, the same instance.",
  of: POLICIES,
  default: DEFAULT_POLICY,
});

const slowStart = section(
  { docs: "Instances that have just come, or come back after they could not be reached, get less at first." },
  {
    window: duration({ docs: "How long until they have their whole share." }),
    aggression: decimal({
      docs: "The share grows with (time / window) ^ (1 / aggression).",
      default: 1,
      min: 0.1,
      max: 100,
    }).optional(),
    min_ratio: decimal({ docs: "What they begin with, of their share.", default: 0.1, min: 0.001, max: 1 }).optional(),
  },
);

const hashOn = leaf<HashOn>(
  {
    docs:
      "What of a request says where it goes: {header: name}, {field: path} (a scalar field of the request message), or " +
      "client_ip. A request without it goes anywhere.",
  },
  {
    title: "header, field or client_ip",
    anyOf: [
      { enum: ["client_ip"] },
      {
        type: "object",
        properties: { header: { type: "string" }, field: { type: "string" } },
        minProperties: 1,
        maxProperties: 1,
        additionalProperties: false,
      },
    ],
  },
  (value) => {
    const expected = "expected {header: NAME}, {field: PATH} or client_ip";
    if (value === "client_ip") return { value: { kind: "client_ip" } };
    if (typeof value !== "object" || value === null) return { expected };
    const [entry, ...more] = Object.entries(value);
    const [kind, name] = entry ?? [];
    if (more.length > 0 || typeof name !== "string") return { expected };
    if (kind === "header" && /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) {
      return { value: { kind, name: name.toLowerCase() } };
    }
    if (kind === "field" && /^\w+(\.\w+)*$/.test(name)) return { value: { kind, path: name } };
    return { expected };
  },
);

const shape = {
  policy: policy.optional(),
  module: text({
    docs: "One's own policy instead: a JavaScript module, relative to this file; docs/extending.md says how.",
    what: "the path of a module",
  }).optional(),
  slow_start: slowStart.optional(),
  decay: duration({
    docs: "Of p2c_ewma: how fast it forgets; a latency this long ago counts e times less.",
    default: "10s",
  }).optional(),
  hash_on: hashOn.optional(),
  bounded_load: decimal({
    docs:
      "Of ring_hash and maglev: an instance with so many times the average in flight passes requests on to the next; " +
      "without it there is no limit.",
    min: 1.01,
    max: 100,
  }).optional(),
  points: integer({
    docs: "Of ring_hash: points on the ring of an instance of average weight; at most 65,536 of all together.",
    default: DEFAULT_POINTS,
    min: 1,
    max: 1_000,
  }).optional(),
  table_size: integer({
    docs: "Of maglev: size of the table, a prime; a hundred times the number of instances.",
    default: DEFAULT_TABLE,
    min: 251,
    max: 5_000_011,
  }).optional(),
};

type Parsed = z.output<z.ZodObject<typeof shape>>;

const HASHING: readonly (PolicyName | "module")[] = ["ring_hash", "maglev"];

/** Keys that mean something to some policies only. */
const BELONGS: Partial<Record<keyof Parsed, readonly (PolicyName | "module")[]>> = {
  slow_start: ["least_request", "p2c_ewma", "round_robin", "weighted_round_robin"],
  decay: ["p2c_ewma"],
  hash_on: [...HASHING, "module"],
  bounded_load: HASHING,
  points: ["ring_hash"],
  table_size: ["maglev"],
};

/** `load_balancing:` of an upstream; a policy's name alone is the same as `{policy: name}`. */
export const loadBalancingOption = z
  .preprocess(
    (value, context) => {
      if (typeof value !== "string") return value;
      // What is wrong with it is wrong with the whole: there is no key `policy` to point at.
      for (const issue of policy.safeParse(value).error?.issues ?? []) {
        if (issue.code === "custom") context.issues.push({ ...issue, input: value });
      }
      return { policy: value };
    },
    section({ docs: "How calls are shared among instances; a policy's name alone suffices.", check }, shape),
  )
  .meta({ type: ["object", "string"], pattern: `^(${POLICIES.join("|")})$|\\$\\{` });

function check(parsed: Partial<Parsed>, complain: Complain): void {
  if (parsed.module !== undefined && parsed.policy !== undefined) {
    complain(["policy"], "a module is a policy of one's own; leave out one of the two");
  }
  if (parsed.table_size !== undefined && !isPrime(parsed.table_size)) {
    complain(["table_size"], `${parsed.table_size} is no prime; expected one, such as ${DEFAULT_TABLE}`);
  }
  const policy = parsed.module === undefined ? (parsed.policy ?? DEFAULT_POLICY) : "module";
  for (const [key, policies] of Object.entries(BELONGS)) {
    if (parsed[key as keyof Parsed] === undefined || policies.includes(policy)) continue;
    complain([key], `belongs to ${policies.join(", ")}; the policy is ${policy}`);
  }
  if (HASHING.includes(policy) && !("hash_on" in parsed)) {
    complain([], `${policy} needs hash_on: {header: NAME}, {field: PATH} or client_ip`);
  }
}

/** `folder` is where paths start. */
export function toLoadBalancing(parsed: Parsed, folder: string): LoadBalancing {
  const { policy = DEFAULT_POLICY, module, hash_on: hashOn } = parsed;
  if (module !== undefined) return { policy: "module", path: path.resolve(folder, module), hashOn: hashOn ?? null };
  const slowStart = toSlowStart(parsed.slow_start);
  const hashing = () => {
    if (hashOn === undefined) throw new Error("check lets no policy that hashes pass without hash_on");
    return { hashOn, boundedLoad: parsed.bounded_load ?? null };
  };
  switch (policy) {
    case "least_request":
    case "round_robin":
    case "weighted_round_robin":
      return { policy, slowStart };
    case "p2c_ewma":
      return { policy, decayMs: parsed.decay ?? DEFAULT_DECAY_MS, slowStart };
    case "random":
    case "pick_first":
      return { policy };
    case "ring_hash":
      return { policy, ...hashing(), pointsPerEndpoint: parsed.points ?? DEFAULT_POINTS };
    case "maglev":
      return { policy, ...hashing(), tableSize: parsed.table_size ?? DEFAULT_TABLE };
    default:
      return policy satisfies never;
  }
}

function toSlowStart(parsed: z.output<typeof slowStart> | undefined): SlowStart | null {
  if (parsed === undefined) return null;
  return { windowMs: parsed.window, aggression: parsed.aggression ?? 1, minRatio: parsed.min_ratio ?? 0.1 };
}

function isPrime(number: number): boolean {
  for (let divisor = 2; divisor * divisor <= number; divisor++) if (number % divisor === 0) return false;
  return true;
}
