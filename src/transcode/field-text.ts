// Reads one field of a message as text, straight from the bytes: what replies put into headers and events.
import { ScalarType, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import type { JsonWriter, JsonWriters } from "./json-write.ts";
import { defaultJsonOptions } from "./options.ts";
import { singularTargetOf } from "./query-target.ts";
import { sink } from "./sink.ts";
import { cursor, groupEnd, skipField, truncated, varintLength, varintTag, Wire } from "./wire-scan.ts";

/**
 * Gives the text of a field of the message bytes[start, end), as a path or parameter would have it; bytes as base64url.
 * "" where the field, or a message on the way to it, is absent; a number, bool or enum without presence is never absent.
 * Uses the sink. Throws WireError where the bytes are malformed.
 */
export type FieldText = (bytes: Uint8Array, start: number, end: number) => string;

/** Why no text can be read from that path; null where it can. */
export function whyNoText(message: DescMessage, path: string): string | null {
  const target = singularTargetOf(message, path, defaultJsonOptions);
  return target.kind === "problem" ? target.reason : null;
}

/** Compiles the reader of a path that `whyNoText` found nothing wrong with; `writers` say how enums look. */
export function compileFieldText(message: DescMessage, path: string, writers: JsonWriters): FieldText {
  const target = singularTargetOf(message, path, defaultJsonOptions);
  if (target.kind === "problem") throw new Error(`${path}: ${target.reason}; whyNoText was not asked`);
  const fields = [...target.fields];
  const last = fields.at(-1) as DescField; // a path has at least one field
  if (last.message !== undefined && isWrapperDesc(last.message)) fields.push(last.message.fields[0] as DescField);
  const leaf = compileLeaf(fields.at(-1) as DescField, writers);
  const way = fields.slice(0, -1).map(toStep);
  return (bytes, start, end) => {
    span.bytes = bytes;
    span.start = start;
    span.end = end;
    for (const step of way) if (!enter(step)) return "";
    return leaf(span.bytes, span.start, span.end);
  };
}

function compileLeaf(field: DescField, writers: JsonWriters): FieldText {
  const step = toStep(field);
  if (field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES) {
    const encoding = field.scalar === ScalarType.STRING ? "utf8" : "base64url";
    return (bytes, start, end) => {
      if (!find(step, bytes, start, end)) return "";
      return Buffer.from(bytes.buffer, bytes.byteOffset + span.start, span.end - span.start).toString(encoding);
    };
  }
  const write = writers.field(field.parent, field);
  const hasPresence = field.presence !== FeatureSet_FieldPresence.IMPLICIT;
  return (bytes, start, end) =>
    hasPresence && !find(step, bytes, start, end) ? "" : bareJson(write, bytes, start, end);
}

/** The JSON of a number, or of what has no escapes in its text. */
function bareJson(write: JsonWriter, bytes: Uint8Array, start: number, end: number): string {
  sink.reset();
  write(bytes, start, end);
  const json = sink.take().toString();
  return json.startsWith('"') ? json.slice(1, -1) : json;
}

/** A field to look for. */
interface Step {
  readonly tag: number;
  /** Numbers of the other members of its oneof, which clear it when they come later. */
  readonly rivals: ReadonlySet<number>;
}

function toStep(field: DescField): Step {
  const isGroup = field.fieldKind === "message" && field.delimitedEncoding;
  const rivals = (field.oneof?.fields ?? []).filter((other) => other !== field).map(({ number }) => number);
  const wireType = isGroup ? Wire.StartGroup : field.message || isText(field) ? Wire.Bytes : -1;
  return { tag: wireType < 0 ? -field.number : ((field.number << 3) | wireType) >>> 0, rivals: new Set(rivals) };
}

function isText({ scalar }: DescField): boolean {
  return scalar === ScalarType.STRING || scalar === ScalarType.BYTES;
}

/** What was found last; there is one reader at a time. */
const span: { bytes: Uint8Array; start: number; end: number } = { bytes: new Uint8Array(0), start: 0, end: 0 };

/** Moves the span from a message to the one in a field of it; several there are one, which joining the bytes does. */
function enter(step: Step): boolean {
  const { bytes, start, end } = span;
  const parts: Uint8Array[] = [];
  if (!find(step, bytes, start, end, parts)) return false;
  if (parts.length === 1) return true;
  span.bytes = Buffer.concat(parts);
  span.start = 0;
  span.end = span.bytes.length;
  return true;
}

/** Sets the span to the content of the last such field; false where there is none. `parts` get all of them. */
function find(step: Step, bytes: Uint8Array, start: number, end: number, parts?: Uint8Array[]): boolean {
  let isFound = false;
  for (let at = start; at < end;) {
    const tag = varintTag(bytes, at);
    const content = cursor.next;
    if (tag === step.tag) {
      readSpan(bytes, content, end, tag);
      at = cursor.next;
      parts?.push(bytes.subarray(span.start, span.end));
      isFound = true;
      continue;
    }
    at = skipField(bytes, content, end, tag);
    if (tag >>> 3 === -step.tag) isFound = true;
    if (!step.rivals.has(tag >>> 3)) continue;
    isFound = false;
    if (parts !== undefined) parts.length = 0;
  }
  return isFound;
}

/** Sets the span to the content of a field whose tag was read; `cursor.next` is behind it. */
function readSpan(bytes: Uint8Array, content: number, end: number, tag: number): void {
  if ((tag & 7) === Wire.StartGroup) {
    span.end = groupEnd(bytes, content, end, tag);
    span.start = content;
    return;
  }
  const length = varintLength(bytes, content);
  span.start = cursor.next;
  span.end = span.start + length;
  if (span.end > end) throw truncated();
  cursor.next = span.end;
}
