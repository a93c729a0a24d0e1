import { codeName } from "../core/code.ts";
import { STATUS_CODES } from "../core/node-http.ts";
import { didYouMean } from "../core/suggest.ts";
import { quote } from "./json-write-forms.ts";
import { sink } from "./sink.ts";
import { parseTextTemplate } from "./text-template.ts";

/** A failure, whoever made it. */
export interface Failure {
  /** gRPC code. */
  readonly code: number;
  readonly message: string;
  /** HTTP status of the reply; in the middle of a stream, what it would have been. */
  readonly http: number;
  /** "" where the failure is of no request. */
  readonly requestId: string;
}

/** How failures look as JSON. */
export interface ErrorForm {
  /** `content-type` of a reply that is one. */
  readonly type: string;
  /** Appends it to the sink, in ASCII; `writeDetails` appends the list of its details. */
  write(failure: Failure, writeDetails: () => void): void;
}

/** google.rpc.Status as ProtoJSON: `{"code":…,"message":…,"details":[…]}`. */
export const statusForm: ErrorForm = {
  type: "application/json",
  write({ code, message }, writeDetails) {
    sink.text(`{"code":${code},"message":${textJson(message)},"details":`);
    writeDetails();
    sink.text("}");
  },
};

/**
 * Problem details (RFC 9457), the code and details of the status being extensions:
 * `{"type":"about:blank","title":"Not Found","status":404,"detail":…,"code":…,"details":[…]}`.
 */
export const problemForm: ErrorForm = {
  type: "application/problem+json",
  write({ code, message, http }, writeDetails) {
    // Without a type of its own a problem is titled by its status (section 4.2.1).
    const title = STATUS_CODES[http] ?? codeName(code);
    sink.text(`{"type":"about:blank","title":"${title}","status":${http},"detail":${textJson(message)}`);
    sink.text(`,"code":${code},"details":`);
    writeDetails();
    sink.text("}");
  },
};

// What an envelope may name, each with its JSON; null: the list of details, which is no text.
const VALUES = {
  code: ({ code }: Failure) => String(code),
  status: ({ code }: Failure) => `"${codeName(code)}"`,
  message: ({ message }: Failure) => textJson(message),
  http_status: ({ http }: Failure) => String(http),
  request_id: ({ requestId }: Failure) => textJson(requestId),
  details: null,
} as const;
type ValueName = keyof typeof VALUES;

/** JSON text, or a value in it; `inText` where it stands between quotes. A list, so that levels replace it whole. */
export type Envelope = readonly (string | { readonly name: ValueName; readonly inText: boolean })[];

/**
 * Reads a JSON template: plain values, in whose texts `{code}`, `{status}`, `{message}`, `{details}`, `{http_status}`
 * and `{request_id}` stand for a failure's. A text that is one of them alone becomes the value in its own type.
 * `complain` is told what is wrong, with the path from the top.
 */
export function parseEnvelope(
  value: unknown,
  complain: (path: readonly PropertyKey[], sentence: string) => void,
): Envelope {
  const parts: Envelope[number][] = [];
  let json = "";
  const insert = (name: string, inText: boolean, path: readonly PropertyKey[]): void => {
    if (!isValueName(name)) {
      const names = Object.keys(VALUES);
      const hint = didYouMean(name, names) || `; there is ${names.map((one) => `{${one}}`).join(", ")}`;
      return complain(path, `unknown placeholder {${name}}${hint}`);
    }
    if (inText && VALUES[name] === null)
      return complain(path, `{${name}} is a list, and stands in no text with others`);
    parts.push(json, { name, inText });
    json = "";
  };
  const text = (template: string, path: readonly PropertyKey[]): void => {
    const found = parseTextTemplate(template);
    if (typeof found === "string") return complain(path, found);
    const [only] = found;
    if (found.length === 1 && typeof only === "object") return insert(only.name, false, path);
    json += '"';
    for (const part of found) {
      if (typeof part === "string") json += quote(part).slice(1, -1);
      else insert(part.name, true, path);
    }
    json += '"';
  };
  const read = (node: unknown, path: readonly PropertyKey[]): void => {
    if (typeof node === "string") return text(node, path);
    if (node === null || typeof node !== "object") {
      json += JSON.stringify(node);
      if (typeof node === "number" && !Number.isFinite(node)) complain(path, `JSON has no number ${node}`);
      return;
    }
    const isList = Array.isArray(node);
    json += isList ? "[" : "{";
    for (const [index, [key, inner]] of Object.entries(node).entries()) {
      json += `${index > 0 ? "," : ""}${isList ? "" : `${quote(key)}:`}`;
      read(inner, [...path, isList ? index : key]);
    }
    json += isList ? "]" : "}";
  };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    complain([], "an envelope is a map of keys");
    return [];
  }
  read(value, []);
  parts.push(json);
  return parts;
}

/** What the configuration says of failures. */
export type ErrorFormat = "google.rpc.Status" | "problem+json" | Envelope;

export function toErrorForm(format: ErrorFormat): ErrorForm {
  if (typeof format !== "string") return envelopeForm(format);
  return format === "problem+json" ? problemForm : statusForm;
}

function envelopeForm(envelope: Envelope): ErrorForm {
  return {
    type: "application/json",
    write(failure, writeDetails) {
      for (const part of envelope) {
        if (typeof part === "string") {
          sink.text(part);
          continue;
        }
        const json = VALUES[part.name]?.(failure);
        if (json === undefined) writeDetails();
        else sink.text(part.inText && json.startsWith('"') ? json.slice(1, -1) : json);
      }
    },
  };
}

function isValueName(name: string): name is ValueName {
  return Object.hasOwn(VALUES, name);
}

/** In ASCII: a status is short and rare, and so the reply stays a latin1 string. */
export function textJson(text: string): string {
  return quote(text.toWellFormed());
}
