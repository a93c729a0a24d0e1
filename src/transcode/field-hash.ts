import type { DescMessage } from "@bufbuild/protobuf";
import { hashBytes } from "../core/hash.ts";
import { resolveFieldPath } from "./field-path.ts";
import { wireTypeOf } from "./json-write-snippets.ts";
import { cursor, skipField, varintLength, varintTag, Wire } from "./wire-scan.ts";

/** Hashes one field of a message's bytes, to a whole number in [0, 2^32); -1 where it is not there or is empty. */
export type FieldHash = (bytes: Uint8Array) => number;

const ABSENT = -1;

/** The hash of the scalar field at `path`, or why there is none. */
export function compileFieldHash(message: DescMessage, path: string): FieldHash | { readonly reason: string } {
  const found = resolveFieldPath(message, path);
  if (found.kind === "problem") return { reason: found.reason };
  const last = found.fields.at(-1);
  const wire = last?.fieldKind === "scalar" || last?.fieldKind === "enum" ? wireTypeOf(last) : undefined;
  if (found.kind === "element" || wire === undefined) return { reason: "expected the path of a single scalar field" };
  if (found.fields.some((field) => field.fieldKind === "message" && field.delimitedEncoding)) {
    return { reason: "it leads through a group" };
  }
  // The field's own tag last; those before are of the messages around it.
  const tags = found.fields.map(({ number }, at) => ((number << 3) | (at < found.fields.length - 1 ? 2 : wire)) >>> 0);
  return (bytes) => find(bytes, 0, bytes.length, tags, 0);
}

// A field may be there more than once, and a message in parts: the last value counts, as for every reader.
function find(bytes: Uint8Array, start: number, end: number, tags: readonly number[], depth: number): number {
  const isLast = depth === tags.length - 1;
  let hash = ABSENT;
  for (let position = start; position < end;) {
    const tag = varintTag(bytes, position);
    const begin = cursor.next;
    position = skipField(bytes, begin, end, tag);
    if (tag !== tags[depth]) continue;
    const content = (tag & 7) === Wire.Bytes ? contentStart(bytes, begin) : begin;
    if (isLast) hash = content === position ? ABSENT : hashBytes(bytes, content, position);
    else hash = orElse(find(bytes, content, position, tags, depth + 1), hash);
  }
  return hash;
}

function contentStart(bytes: Uint8Array, position: number): number {
  varintLength(bytes, position);
  return cursor.next;
}

function orElse(hash: number, other: number): number {
  return hash === ABSENT ? other : hash;
}
