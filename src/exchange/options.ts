import { z } from "zod";
import { list, record, section, text } from "../core/options.ts";

/** Which headers cross in one direction. Names in lower case. */
export interface HeaderOptions {
  /** Names that cross; empty = all that no rule holds back. */
  readonly allow: readonly string[];
  /** Names that do not cross; wins over `allow`. */
  readonly deny: readonly string[];
  /** From the name as it came to the name as it goes on. */
  readonly rename: Readonly<Record<string, string>>;
}

export interface HeaderPolicyOptions {
  readonly headers: { readonly request: HeaderOptions; readonly response: HeaderOptions };
}

const none: HeaderOptions = { allow: [], deny: [], rename: {} };
export const defaultHeaderPolicy: HeaderPolicyOptions = { headers: { request: none, response: none } };

// RFC 9110, 5.6.2 "Tokens": what gRPC metadata allows too is decided where headers cross.
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const what = "a header name";
const name = text({ docs: "A header name; case does not matter.", pattern: TOKEN, what });

function direction(docs: string) {
  return section(
    {
      docs,
      check({ rename }, complain) {
        for (const key of Object.keys(rename ?? {})) {
          if (!new RegExp(`^${TOKEN}$`).test(key))
            complain(["rename", key], `${JSON.stringify(key)} is no header name`);
        }
      },
    },
    {
      allow: list({ docs: "Only these headers cross; empty: all that may.", default: [] }, name).optional(),
      deny: list({ docs: "These headers do not cross; wins over allow.", default: [] }, name).optional(),
      rename: record({ docs: "Old name to new name.", default: {} }, name).optional(),
    },
  );
}

/** Keys of `defaults`, an upstream and a route. */
export const headerPolicyShape = {
  headers: section(
    { docs: "Which headers cross, in addition to what never does (hop-by-hop, host, content-*, grpc-*)." },
    {
      request: direction("From HTTP headers to gRPC metadata.").optional(),
      response: direction("From gRPC metadata to HTTP headers.").optional(),
    },
  ).optional(),
};

type Parsed = z.output<z.ZodObject<typeof headerPolicyShape>>;
type ParsedDirection = z.output<ReturnType<typeof direction>>;

/** What a level sets, undefined where it leaves a key to the level above. */
export function toHeaderPolicy({ headers }: Parsed) {
  return { headers: { request: toHeaderOptions(headers?.request), response: toHeaderOptions(headers?.response) } };
}

function toHeaderOptions(parsed: ParsedDirection | undefined) {
  const lower = (names: readonly string[] | undefined) => names?.map((one) => one.toLowerCase());
  const entries = Object.entries(parsed?.rename ?? {});
  return {
    allow: lower(parsed?.allow),
    deny: lower(parsed?.deny),
    rename: Object.fromEntries(entries.map(([from, to]) => [from.toLowerCase(), to.toLowerCase()])),
  };
}
