// google.protobuf.Any: an object whose "@type", anywhere in it, says what the rest is (any.proto, "JSON").

import type { DescMessage, Registry } from "@bufbuild/protobuf";
import { malformed, refuse, tooDeep } from "./json-read-error.ts";
import { input, MAX_DEPTH } from "./json-read-input.ts";
import { putBytes, span } from "./json-read-string.ts";
import { colon, skip, skipSpace, wrong } from "./json-read-syntax.ts";
import { close, ROOM, wire } from "./wire.ts";

/** A reader that is compiled when it is first used. */
export interface Lazy {
  /** Reads a message at `input.at`, appends its fields at offset `o` and gives the offset behind them. */
  read: (o: number) => number;
}

export interface AnyContext {
  readonly registry: Registry;
  /** Whether a type's JSON is not an object of its fields, so that in an Any it stands under "value". */
  readonly hasOwnJson: (desc: DescMessage) => boolean;
  readonly readerOf: (desc: DescMessage) => Lazy;
  readonly ignoreUnknown: boolean;
}

/** Gives a reader for google.protobuf.Any. */
export function createAnyReader(context: AnyContext): (o: number) => number {
  return (o) => readAny(context, o);
}

function readAny(context: AnyContext, o: number): number {
  const { bytes, at } = input;
  if (bytes[at] !== 0x7b) wrong(at, "an object");
  noteTypes(at);
  const typeAt = input.types.get(at);
  if (typeAt === undefined) {
    const inner = skipSpace(at + 1);
    if (bytes[inner] !== 0x7d) refuse("FIELD_INVALID", at, 'expected "@type" to say what the object is');
    input.at = inner + 1;
    return o;
  }
  input.at = typeAt;
  span("a type URL");
  const url = input.text.utf8Slice(input.from, input.to);
  const slash = url.lastIndexOf("/");
  const desc = slash < 0 ? undefined : context.registry.getMessage(url.slice(slash + 1));
  if (desc === undefined) wrong(typeAt, 'a known type such as "type.googleapis.com/google.protobuf.Duration"');
  wire.bytes[o] = 0x0a; // type_url = 1
  o = putBytes(input.text, input.from, input.to, o + 1);
  wire.bytes[o] = 0x12; // value = 2
  const value = o + 1;
  const reader = context.readerOf(desc);
  if (context.hasOwnJson(desc)) o = readMembers(context, at, reader, value + 1);
  else {
    const outer = input.any;
    input.any = at;
    input.at = at;
    o = reader.read(value + 1);
    input.any = outer;
  }
  return o === value + 1 ? value - 1 : close(value, o);
}

/**
 * Learns where "@type" stands in the object at `at` and in all objects below it, at once: an Any within an Any is then
 * not scanned again, whose text would else be read once per level.
 */
function noteTypes(at: number): void {
  if (at < input.typesEnd) return;
  input.at = at;
  skip(noteType);
  input.typesEnd = input.at;
}

function noteType(object: number, name: number, value: number): void {
  // "@type" in quotes has seven bytes, with escapes more
  const first = input.bytes[name + 1];
  if (first !== 0x40 && first !== 0x5c) return;
  input.at = name;
  span("a name");
  if (input.to - input.from !== 5 || input.text.latin1Slice(input.from, input.to) !== "@type") return;
  if (input.types.has(object)) refuse("FIELD_INVALID", name, "given twice");
  input.types.set(object, value);
}

const UNKNOWN = 'unknown field; a well-known type in an Any has "@type" and "value" alone';

/** Reads an Any whose message stands under "value"; the object is known to be well-formed. */
function readMembers(context: AnyContext, start: number, reader: Lazy, o: number): number {
  const { bytes } = input;
  if (++input.depth > MAX_DEPTH) tooDeep(start);
  let at = skipSpace(start + 1);
  let isRead = false;
  for (;;) {
    input.at = at;
    span("a name");
    const { text, from, to } = input;
    const name = to - from > 5 ? "" : text.latin1Slice(from, to);
    input.at = colon(input.at);
    if (name === "value") {
      if (isRead) refuse("FIELD_INVALID", at, "given twice");
      isRead = true;
      wire.grow(o, ROOM);
      o = reader.read(o);
    } else {
      if (name !== "@type" && !context.ignoreUnknown) refuse("FIELD_UNKNOWN", at, UNKNOWN);
      skip();
    }
    at = skipSpace(input.at);
    if (bytes[at] === 0x7d) break;
    if (bytes[at] !== 0x2c) malformed(at, '"," or "}"');
    at = skipSpace(at + 1);
  }
  if (!isRead) refuse("FIELD_INVALID", start, 'expected the message under "value"');
  input.depth--;
  input.at = at + 1;
  return o;
}
