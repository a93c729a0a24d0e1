import type { FlatMetadata } from "../call/call.ts";
import type { FieldText } from "../transcode/field-text.ts";
import type { TemplatePart } from "../transcode/text-template.ts";

/** What a route says of the head of its replies that succeed. */
export interface ReplyRule {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: readonly HeaderTemplate[];
  /** Metadata whose value is the status, where it is a number from 200 to 399; "" for none. */
  readonly statusFrom: string;
}

export interface HeaderTemplate {
  readonly name: string;
  /** Names are paths of fields of the reply message. */
  readonly template: readonly TemplatePart[];
}

/** What a route takes from the messages of its replies; paths name their fields. */
export interface ReplyFields {
  readonly status: number;
  /** `at`: where the template stands, from the route. */
  readonly headers: readonly (HeaderTemplate & { readonly at: readonly string[] })[];
  readonly id: string | undefined;
  readonly event: string | undefined;
}

export const noReplyFields: ReplyFields = { status: 200, headers: [], id: undefined, event: undefined };

/** The head of one route's replies, compiled. */
export interface ReplyHead {
  /** The headers that the reply message gives, as a flat list. Throws WireError. */
  read(bytes: Uint8Array, start: number, end: number): string[];
  /** Puts them over the headers that there are; gives the status. */
  complete(headers: string[], own: readonly string[], initial: FlatMetadata, trailers: FlatMetadata): number;
}

/** Null where a route says nothing. */
export function compileReplyHead(rule: ReplyRule, textOf: (path: string) => FieldText): ReplyHead | null {
  const { status, statusFrom } = rule;
  if (status === 200 && rule.headers.length === 0 && statusFrom === "") return null;
  const headers = rule.headers.map(({ name, template }) => ({ name, write: compileHeader(name, template, textOf) }));
  return {
    read(bytes, start, end) {
      const list: string[] = [];
      for (const { name, write } of headers) {
        const value = write(bytes, start, end);
        if (value !== "") list.push(name, value);
      }
      return list;
    },
    complete(list, own, initial, trailers) {
      for (let i = 0; i < own.length; i += 2) replace(list, own[i] as string, own[i + 1] as string); // pairs
      const told = statusFrom === "" ? 0 : statusIn(statusFrom, initial) || statusIn(statusFrom, trailers);
      const wanted = told || status;
      return needsLocation(wanted) && !list.includes("location") ? 200 : wanted;
    },
  };
}

/** Whether a status says to go elsewhere, which takes a word on where. */
export function needsLocation(status: number): boolean {
  return status >= 300 && status !== 300 && status !== 304;
}

/** Whether a reply with that status has no body (RFC 9110, sections 15.3.5, 15.3.6, 15.4.5). */
export function isBodiless(status: number): boolean {
  return status === 204 || status === 205 || status === 304;
}

function statusIn(name: string, metadata: FlatMetadata): number {
  const at = metadata.findIndex((text, index) => index % 2 === 0 && text === name);
  const value = at < 0 ? "" : (metadata[at + 1] ?? "");
  return /^[23]\d\d$/.test(value) ? Number(value) : 0;
}

function replace(headers: string[], name: string, value: string): void {
  for (let i = headers.length - 2; i >= 0; i -= 2) if (headers[i] === name) headers.splice(i, 2);
  headers.push(name, value);
}

// Nobody's idea of a header: what is longer is left out, for clients and proxies refuse a reply with it.
const MAX_VALUE_LENGTH = 4096;

/** A header's value; "" where one of its fields is empty. Whatever the fields hold, it is one line of ASCII. */
function compileHeader(
  name: string,
  template: readonly TemplatePart[],
  textOf: (path: string) => FieldText,
): FieldText {
  const isUri = name === "location" || name === "content-location";
  let before = "";
  const parts = template.map((part) => {
    const literal = before;
    if (typeof part === "string") {
      before += part;
      return part;
    }
    before += "x";
    return { text: textOf(part.name), encode: isUri ? encoderInUri(literal) : encoderInText(literal) };
  });
  return (bytes, start, end) => {
    let value = "";
    for (const part of parts) {
      if (typeof part === "string") {
        value += part;
        continue;
      }
      const text = part.text(bytes, start, end);
      if (text === "") return "";
      value += part.encode(text);
    }
    return value.length > MAX_VALUE_LENGTH ? "" : value;
  };
}

type Encoder = (text: string) => string;

// RFC 3986: unreserved, sub-delims, reserved.
const UNRESERVED = "A-Za-z0-9\\-._~";
const SUB_DELIMS = "!$&'()*+,;=";
const encodePath = percentEncoder(`${UNRESERVED}${SUB_DELIMS}:@/`);
const encodeQuery = percentEncoder(`${UNRESERVED}:@/`);
const encodeWhole = percentEncoder(`${UNRESERVED}${SUB_DELIMS}:@/?#\\[\\]%`);
const encodeText = percentEncoder("\\x20-\\x7e");
const encodeQuoted = percentEncoder("\\x20\\x21\\x23-\\x5b\\x5d-\\x7e");

/** A field behind nothing is a URI of its own; elsewhere it is a part of the path or of the query. */
function encoderInUri(before: string): Encoder {
  if (before === "") return encodeWhole;
  if (/[?#]/.test(before)) return encodeQuery;
  // `//` would begin the name of another host.
  return before.endsWith("/")
    ? (text) => encodePath(text).replace(/^\/+/, (all) => "%2F".repeat(all.length))
    : encodePath;
}

/** Between quotes, as of a file's name, none may end them. */
function encoderInText(before: string): Encoder {
  return before.split('"').length % 2 === 0 ? encodeQuoted : encodeText;
}

/** Percent-encodes the UTF-8 of what is not in a class of characters. */
function percentEncoder(kept: string): Encoder {
  const others = new RegExp(`[^${kept}]+`, "gu");
  return (text) =>
    text.replace(others, (found) => Buffer.from(found).toString("hex").replace(/../g, "%$&").toUpperCase());
}
