import type { z } from "zod";
import { leaf, list, record, section } from "../../core/options.ts";
import { whyNeverCrosses, type HeaderDirection, type HeaderRules } from "./headers.ts";

export interface HeaderPolicyOptions {
  readonly headers: { readonly request: HeaderRules; readonly response: HeaderRules };
}

const none: HeaderRules = { allow: [], deny: [], rename: {} };
export const defaultHeaderPolicy: HeaderPolicyOptions = { headers: { request: none, response: none } };

// RFC 9110, 5.6.2 "Tokens", but "*", which stands for the rest of a name here.
const TOKEN = "[!#$%&'+.^_`|~0-9A-Za-z-]+";
export const HEADER_NAME = new RegExp(`^${TOKEN}$`);
const PATTERN = new RegExp(`^(${TOKEN})?\\*$`);

/** A header's name, in lower case. With `crosses` set, one that could never go on in that direction is refused. */
export function headerName(docs: string, options: { pattern: boolean; crosses?: HeaderDirection }) {
  const { pattern, crosses } = options;
  const expected = `expected a header name${pattern ? ", or a beginning that ends in *" : ""}`;
  const source = pattern ? `^(${TOKEN}\\*?|\\*)$` : `^${TOKEN}$`;
  return leaf<string>({ docs }, { title: "header name", type: "string", pattern: `${source}|\\$\\{` }, (value) => {
    if (typeof value !== "string") return { expected };
    if (!HEADER_NAME.test(value) && !(pattern && PATTERN.test(value))) return { expected };
    const reason = crosses === undefined || !HEADER_NAME.test(value) ? null : whyNeverCrosses(crosses, value);
    if (reason === null) return { value: value.toLowerCase() };
    return { sentence: `header ${JSON.stringify(value)} never crosses: ${reason}` };
  });
}

function direction(docs: string, crosses: HeaderDirection) {
  return section(
    {
      docs,
      check({ rename }, complain) {
        for (const name of Object.keys(rename ?? {})) {
          // The old name may be one that the gateway sets, so that only the new one is held to what may cross.
          if (!HEADER_NAME.test(name)) complain(["rename", name], "expected a header name before the colon");
        }
      },
    },
    {
      allow: list(
        { docs: "Only these headers cross; empty: all that may.", default: [] },
        headerName("A header name, or a beginning that ends in *; case does not matter.", { pattern: true }),
      ).optional(),
      deny: list(
        { docs: "These headers do not cross; wins over allow.", default: [] },
        headerName("A header name, or a beginning that ends in *; case does not matter.", { pattern: true }),
      ).optional(),
      rename: record(
        { docs: "From the name as it comes to the name as it goes on.", default: {} },
        headerName("The new name.", { pattern: false, crosses }),
      ).optional(),
    },
  );
}

/** Keys of `defaults`, an upstream and a route. */
export const headerPolicyShape = {
  headers: section(
    { docs: "Which headers cross, in addition to what never does (hop-by-hop, host, content-*, grpc-*)." },
    {
      request: direction("From HTTP headers to gRPC metadata.", "request").optional(),
      response: direction("From gRPC metadata to HTTP headers.", "response").optional(),
    },
  ).optional(),
};

type Parsed = z.output<z.ZodObject<typeof headerPolicyShape>>;
type ParsedDirection = z.output<ReturnType<typeof direction>>;

/** What a level sets, undefined where it leaves a key to the level above. */
export function toHeaderPolicy({ headers }: Parsed) {
  return { headers: { request: toHeaderRules(headers?.request), response: toHeaderRules(headers?.response) } };
}

function toHeaderRules(parsed: ParsedDirection | undefined) {
  const renames = Object.entries(parsed?.rename ?? {});
  return {
    allow: parsed?.allow,
    deny: parsed?.deny,
    rename: Object.fromEntries(renames.map(([from, to]) => [from.toLowerCase(), to])),
  };
}
