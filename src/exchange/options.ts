import { z } from "zod";
import { choice, duration, flag, leaf, list, record, section } from "../core/options.ts";
import {
  envelopeForm,
  parseEnvelope,
  problemForm,
  statusForm,
  type Envelope,
  type ErrorForm,
} from "../transcode/error-form.ts";
import { whyNeverCrosses, type HeaderDirection, type HeaderRules } from "./headers.ts";

export interface HeaderPolicyOptions {
  readonly headers: { readonly request: HeaderRules; readonly response: HeaderRules };
}

/** How replies are written, besides their JSON. */
export interface ReplyPolicyOptions {
  readonly etag: boolean;
  readonly stream: { readonly heartbeatMs: number };
  readonly errors: { readonly format: ErrorFormat };
}

export type ErrorFormat = "google.rpc.Status" | "problem+json" | Envelope;

export const defaultReplyPolicy: ReplyPolicyOptions = {
  etag: false,
  stream: { heartbeatMs: 15_000 },
  errors: { format: "google.rpc.Status" },
};

const none: HeaderRules = { allow: [], deny: [], rename: {} };
export const defaultHeaderPolicy: HeaderPolicyOptions = { headers: { request: none, response: none } };

// RFC 9110, 5.6.2 "Tokens", but "*", which stands for the rest of a name here.
const TOKEN = "[!#$%&'+.^_`|~0-9A-Za-z-]+";
const NAME = new RegExp(`^${TOKEN}$`);
const PATTERN = new RegExp(`^(${TOKEN})?\\*$`);

/** A name in lower case. With `crosses` set, one that could never go on in that direction is refused. */
function headerName(docs: string, options: { pattern: boolean; crosses?: HeaderDirection }) {
  const { pattern, crosses } = options;
  const expected = `expected a header name${pattern ? ", or a beginning that ends in *" : ""}`;
  const source = pattern ? `^(${TOKEN}\\*?|\\*)$` : `^${TOKEN}$`;
  return leaf<string>({ docs }, { title: "header name", type: "string", pattern: `${source}|\\$\\{` }, (value) => {
    if (typeof value !== "string") return { expected };
    if (!NAME.test(value) && !(pattern && PATTERN.test(value))) return { expected };
    const reason = crosses === undefined || !NAME.test(value) ? null : whyNeverCrosses(crosses, value);
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
          if (!NAME.test(name)) complain(["rename", name], "expected a header name before the colon");
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

/** A JSON template; what is wrong in it is told at its place. */
const envelope = z
  .unknown()
  .transform((value, context): Envelope =>
    parseEnvelope(value, (path, message) => {
      context.issues.push({ code: "custom", path: [...path], message, params: { sentence: true }, input: value });
    }),
  )
  .meta({
    title: "JSON template",
    type: "object",
    description:
      "The JSON of failures, in place of format. In its texts {code}, {status}, {message}, {details}, {http_status} and " +
      "{request_id} stand for values; a text that is one of them alone is the value itself, a number or a list, too.",
  });

const errors = section(
  {
    docs: "How failures look. In defaults: those of requests that no route takes, too.",
    check({ format, envelope }, complain) {
      if (format === undefined || envelope === undefined) return;
      complain(["envelope"], "stands in place of format; one of them is enough");
    },
  },
  {
    format: choice({
      docs: "google.rpc.Status as JSON, or as problem details for clients that ask for these; or the latter for all.",
      of: ["google.rpc.Status", "problem+json"],
      default: "google.rpc.Status",
    }).optional(),
    envelope: envelope.optional(),
  },
);

/** Keys of `defaults`, an upstream and a route. */
export const replyPolicyShape = {
  errors: errors.optional(),
  etag: flag({
    docs:
      "Whether replies to GET get an ETag, a hash of their bytes where the upstream sent none, and clients that have " +
      "it (If-None-Match) get 304. The call is made all the same; streams have none.",
    default: false,
  }).optional(),
  stream: section(
    { docs: "How streams of replies are written. Their shape is chosen by the request's Accept." },
    {
      heartbeat: duration({
        docs: "Silence after which a text/event-stream gets a comment, so that proxies keep its connection; a WebSocket gets a ping as often.",
        default: "15s",
        none: true,
      }).optional(),
    },
  ).optional(),
};

/** What a level sets, undefined where it leaves a key to the level above. */
export function toReplyPolicy({ etag, stream, errors }: z.output<z.ZodObject<typeof replyPolicyShape>>) {
  return {
    etag,
    stream: { heartbeatMs: stream?.heartbeat },
    errors: { format: errors?.envelope ?? errors?.format },
  };
}

export function toErrorForm(format: ErrorFormat): ErrorForm {
  if (typeof format !== "string") return envelopeForm(format);
  return format === "problem+json" ? problemForm : statusForm;
}
