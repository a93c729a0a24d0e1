import { z } from "zod";
import { choice, duration, flag, integer, leaf, record, section, text } from "../core/options.ts";
import { parseEnvelope, type Envelope, type ErrorFormat } from "../transcode/error-form.ts";
import { parseTextTemplate, type TemplatePart } from "../transcode/text-template.ts";
import { whyNeverCrosses } from "./headers/headers.ts";
import { HEADER_NAME, headerName } from "./headers/options.ts";
import { needsLocation, type ReplyFields } from "./reply-head.ts";

/** How replies are written, besides their JSON. */
export interface ReplyPolicyOptions {
  /** Whether clients may choose fields of replies. */
  readonly partialResponses: boolean;
  readonly etag: boolean;
  readonly stream: {
    readonly heartbeatMs: number;
    /** What clients of a text/event-stream wait before they connect again; Infinity: as they like. */
    readonly retryMs: number;
    /** Whether lines of NDJSON are `{"result":…}` or messages. */
    readonly ndjson: "wrapped" | "bare";
    readonly webSocket: "bare" | "wrapped";
  };
  readonly response: { readonly statusFrom: string };
  readonly errors: { readonly format: ErrorFormat };
}

export const defaultReplyPolicy: ReplyPolicyOptions = {
  partialResponses: false,
  etag: false,
  stream: { heartbeatMs: 15_000, retryMs: Infinity, ndjson: "wrapped", webSocket: "bare" },
  response: { statusFrom: "" },
  errors: { format: "google.rpc.Status" },
};

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

const responseShape = {
  status_from: headerName(
    "Metadata, initial or trailing, whose value is the status of a reply that succeeds: 200 to 399; one above 300 needs a " +
      "location header. It does not cross as a header then. Streams of replies are always 200.",
    { pattern: false },
  ).optional(),
};

const streamShape = {
  heartbeat: duration({
    docs: "Silence after which a text/event-stream gets a comment, so that proxies keep its connection; a WebSocket gets a ping as often.",
    default: "15s",
    none: true,
  }).optional(),
  ndjson: choice({
    docs: 'Whether the lines of NDJSON are messages (bare) or hold them as {"result":…} (wrapped). A failure is {"error":…}.',
    of: ["wrapped", "bare"],
    default: "wrapped",
  }).optional(),
  websocket: choice({
    docs: 'Whether what a WebSocket sends are messages (bare) or {"result":…} (wrapped), as grpc-websocket-proxy does. A failure is {"error":…}.',
    of: ["bare", "wrapped"],
    default: "bare",
  }).optional(),
};

const sseShape = {
  retry: duration({
    docs: "What clients of a text/event-stream are told to wait before they connect again; none: as they like.",
    default: "none",
    none: true,
  }).optional(),
};

const BODY = {
  partial_responses: flag({
    docs:
      "Whether clients may choose fields of replies by the parameters fields or $fields, as in " +
      "?fields=name,author.name,items(id,title); the request then gets neither.",
    default: false,
  }).optional(),
  etag: flag({
    docs:
      "Whether replies to GET get an ETag, a hash of their bytes where the upstream sent none, and clients that have " +
      "it (If-None-Match) get 304. The call is made all the same; streams have none.",
    default: false,
  }).optional(),
};

const STREAM_DOCS = { docs: "How streams of replies are written. Their shape is chosen by the request's Accept." };
const SSE_DOCS = { docs: "Events of a text/event-stream." };
const RESPONSE_DOCS = { docs: "Status and headers of replies that succeed." };

/** Keys of `defaults` and an upstream. */
export const replyPolicyShape = {
  errors: errors.optional(),
  ...BODY,
  response: section(RESPONSE_DOCS, responseShape).optional(),
  stream: section(STREAM_DOCS, { ...streamShape, sse: section(SSE_DOCS, sseShape).optional() }).optional(),
};

const FIELD_PATH = "[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)*";
const fieldPath = (docs: string) =>
  text({ docs, pattern: FIELD_PATH, what: "a field path such as event.id" }).optional();

const headerTemplate = leaf<readonly TemplatePart[]>(
  { docs: "Text in which {path.of.field} stands for a field of the reply message." },
  { title: "header template", type: "string", minLength: 1 },
  (value) => {
    if (typeof value !== "string" || value === "") return { expected: "expected a text such as /v1/{name}" };
    if (/[^\x20-\x7e]/.test(value)) return { expected: "expected visible ASCII characters" };
    const parts = parseTextTemplate(value);
    return typeof parts === "string" ? { sentence: parts } : { value: parts };
  },
);

const responseOfRoute = section(
  {
    ...RESPONSE_DOCS,
    check({ status, headers }, complain) {
      const names = Object.keys(headers ?? {});
      for (const name of names) {
        const reason = HEADER_NAME.test(name) ? whyNotOwn(name) : "expected a header name before the colon";
        if (reason !== null) complain(["headers", name], reason);
      }
      if (status === undefined || !needsLocation(status) || names.some((name) => /^location$/i.test(name))) return;
      complain(["status"], `status ${status} sends clients elsewhere; say where by headers: { location: … }`);
    },
  },
  {
    ...responseShape,
    status: integer({
      docs: "Status of replies that succeed; 204, 205 and 304 have no body.",
      min: 200,
      max: 399,
      default: 200,
    }).optional(),
    headers: record(
      {
        docs:
          "Headers by name. One of which a field is empty is left out. In location, fields are percent-encoded as " +
          "parts of a path, slashes kept; elsewhere what is no visible ASCII is.",
        default: {},
      },
      headerTemplate,
    ).optional(),
  },
);

/** Keys of a route. */
export const replyPolicyShapeOfRoute = {
  ...replyPolicyShape,
  response: responseOfRoute.optional(),
  stream: section(STREAM_DOCS, {
    ...streamShape,
    sse: section(SSE_DOCS, {
      ...sseShape,
      id: fieldPath("Field of the messages that is the id of their events."),
      event: fieldPath("Field of the messages that names the type of their events; without it they have none."),
      last_event_id: fieldPath("Field of the request that Last-Event-ID sets, as request.from would."),
    }).optional(),
  }).optional(),
};

type ParsedOfRoute = z.output<z.ZodObject<typeof replyPolicyShapeOfRoute>>;

/** What a route says of its replies' messages, besides the policy. */
export function toReplyFields({ response, stream }: ParsedOfRoute): ReplyFields {
  const headers = Object.entries(response?.headers ?? {});
  return {
    status: response?.status ?? 200,
    headers: headers.map(([name, template]) => ({
      name: name.toLowerCase(),
      template,
      at: ["response", "headers", name],
    })),
    id: stream?.sse?.id,
    event: stream?.sse?.event,
  };
}

/** The field that Last-Event-ID sets, as a source of `request.from`. */
export function toEventSources({ stream }: ParsedOfRoute): { field: string; kind: "header"; name: string }[] {
  const field = stream?.sse?.last_event_id;
  return field === undefined ? [] : [{ field, kind: "header", name: "last-event-id" }];
}

/** Why a route may not set a header; null where it may. What tells of a body as a resource is left to it. */
function whyNotOwn(name: string): string | null {
  const reason = /^content-(location|language)$/i.test(name) ? null : whyNeverCrosses("response", name);
  return reason === null ? null : `header ${JSON.stringify(name)} cannot be set: ${reason}`;
}

/** What a level sets, undefined where it leaves a key to the level above. */
export function toReplyPolicy({
  partial_responses,
  etag,
  stream,
  errors,
  response,
}: z.output<z.ZodObject<typeof replyPolicyShape>>) {
  return {
    partialResponses: partial_responses,
    etag,
    stream: {
      heartbeatMs: stream?.heartbeat,
      retryMs: stream?.sse?.retry,
      ndjson: stream?.ndjson,
      webSocket: stream?.websocket,
    },
    response: { statusFrom: response?.status_from },
    errors: { format: errors?.envelope ?? errors?.format },
  };
}
