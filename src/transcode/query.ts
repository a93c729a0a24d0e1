import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { fieldError, type GatewayError } from "../core/errors.ts";
import { resolveFieldPath } from "./field-path.ts";
import { shorten } from "./json-read-error.ts";
import { loadText } from "./json-read-input.ts";
import type { Read } from "./json-read-scalar.ts";
import { compileTextWriter } from "./scalar.ts";
import { close, ROOM, tagBytes, wire } from "./wire.ts";

/** Where a parameter or path variable goes. */
export interface Target {
  readonly fields: readonly DescField[];
  readonly write: Read;
  /** Field numbers from the message down, joined; the same for every spelling of one path. */
  readonly id: string;
  /** The oneofs on the way, each by an id of its own, and which member this path takes. */
  readonly oneofs: readonly { readonly id: string; readonly member: number }[];
  readonly isRepeated: boolean;
}

/** A target, or why there is none. */
export type TargetOrProblem =
  Target | { readonly code: "FIELD_INVALID" | "FIELD_UNKNOWN"; readonly reason: string; readonly write?: undefined };

/** Finds the field that a path names from `message`, and what writes a plain text to it. */
export function targetOf(message: DescMessage, path: string): TargetOrProblem {
  const found = resolveFieldPath(message, path);
  if (!("fields" in found)) return found;
  const { fields } = found;
  const leaf = fields.at(-1) as DescField; // a path has at least one field
  const write = compileTextWriter(leaf);
  if (write === undefined) {
    const kind = leaf.fieldKind === "map" ? "a map; set its entries" : "a message; name one of its fields, or set it";
    return { code: "FIELD_INVALID", reason: `is ${kind} in a body` };
  }
  const ids = fields.map((_, depth) =>
    fields
      .slice(0, depth + 1)
      .map((field) => field.number)
      .join("."),
  );
  return {
    fields,
    write,
    id: ids.at(-1) ?? "",
    oneofs: fields.flatMap((field, depth) =>
      field.oneof === undefined ? [] : [{ id: `${ids[depth - 1] ?? ""} ${field.oneof.name}`, member: field.number }],
    ),
    isRepeated: leaf.fieldKind === "list",
  };
}

// Where the length prefixes stand of the messages around a value.
const prefixes: number[] = [];

/**
 * Appends the field at `target` with the value that `text` stands for, inside the messages that lead to it: protobuf
 * merges those with what was written before. `name` is what a violation blames.
 */
export function writeText(target: Target, text: string, name: string): void {
  const { fields } = target;
  loadText(text, name);
  let o = wire.length;
  for (let depth = 0; depth < fields.length - 1; depth++) {
    const field = fields[depth] as DescField;
    o = writeTag(field, isGroup(field) ? 3 : 2, o);
    prefixes[depth] = o;
    if (!isGroup(field)) o++;
  }
  wire.grow(o, ROOM);
  o = target.write(o);
  for (let depth = fields.length - 2; depth >= 0; depth--) {
    const field = fields[depth] as DescField;
    o = isGroup(field) ? writeTag(field, 4, o) : close(prefixes[depth] as number, o);
  }
  wire.length = o;
}

function isGroup(field: DescField): boolean {
  return "delimitedEncoding" in field && field.delimitedEncoding;
}

function writeTag(field: DescField, wireType: number, o: number): number {
  const bytes = wire.grow(o, ROOM);
  for (const byte of tagBytes(field.number, wireType)) bytes[o++] = byte;
  return o;
}

export interface QueryOptions {
  readonly message: DescMessage;
  readonly unknown: "reject" | "ignore";
  /** The field that the body sets, if it sets one; parameters may not reach into it. */
  readonly bodyField: DescField | undefined;
}

/** Appends to `wire` what a query (raw, without the `?`) says. Throws FIELD_INVALID or FIELD_UNKNOWN. */
export type QueryReader = (query: string) => void;

// A query is far smaller than a body, but each of its parameters costs more.
const MAX_PARAMETERS = 1000;
// Clients may spell one path in many ways; those that were seen first are remembered.
const MAX_REMEMBERED = 256;

/**
 * Compiles the reader of a request's query: application/x-www-form-urlencoded parameters, named by field paths. A
 * repeated field is given by repetition, any other once.
 */
export function compileQuery({ message, unknown, bodyField }: QueryOptions): QueryReader {
  const remembered = new Map<string, TargetOrProblem>();

  const find = (name: string): TargetOrProblem => {
    const known = remembered.get(name);
    if (known !== undefined) return known;
    const target = targetOf(message, name);
    if (target.write !== undefined && remembered.size < MAX_REMEMBERED) remembered.set(name, target);
    return target;
  };

  return (query) => {
    // What was given so far; few queries have more than one parameter.
    let given: Map<string, number> | undefined;
    let start = 0;
    for (let count = 0; start < query.length;) {
      const next = query.indexOf("&", start);
      const end = next < 0 ? query.length : next;
      const part = query.slice(start, end);
      start = end + 1;
      if (part === "") continue;
      if (++count > MAX_PARAMETERS)
        throw fieldError("FIELD_INVALID", "query", `more than ${MAX_PARAMETERS} parameters`);
      const equals = part.indexOf("=");
      const rawName = equals < 0 ? part : part.slice(0, equals);
      const name = decode(rawName, rawName);
      const target = find(name);
      if (target.write === undefined) {
        if (target.code === "FIELD_UNKNOWN" && unknown === "ignore") continue;
        throw parameterError(target.code, name, target.reason);
      }
      if (target.fields[0] === bodyField) {
        throw parameterError("FIELD_INVALID", name, `${bodyField?.name} is set by the body, not by parameters`);
      }
      given ??= new Map();
      take(given, target, name);
      writeText(target, equals < 0 ? "" : decode(part.slice(equals + 1), name), shorten(name, 200));
    }
  };
}

/** Refuses a second value for what takes one, and a second member of a oneof. */
function take(given: Map<string, number>, target: Target, name: string): void {
  if (!target.isRepeated) {
    if (given.has(target.id)) throw parameterError("FIELD_INVALID", name, "given twice");
    given.set(target.id, 0);
  }
  for (const { id, member } of target.oneofs) {
    const other = given.get(id) ?? member;
    if (other !== member) {
      const oneof = id.slice(id.indexOf(" ") + 1);
      throw parameterError("FIELD_INVALID", name, `another field of oneof "${oneof}" is given too`);
    }
    given.set(id, member);
  }
}

/** Undoes x-www-form-urlencoded (URL Standard, section 5), but refuses what is not UTF-8 instead of replacing it. */
function decode(text: string, name: string): string {
  if (/^[\w.~*-]*$/.test(text)) return text;
  if (/[^\x21-\x7e]/.test(text)) throw parameterError("FIELD_INVALID", name, "not percent-encoded");
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    // A URIError says nothing more.
    throw parameterError("FIELD_INVALID", name, "not UTF-8 in percent-encoding");
  }
}

function parameterError(code: "FIELD_INVALID" | "FIELD_UNKNOWN", name: string, reason: string): GatewayError {
  return fieldError(code, name === "" ? "query" : shorten(name, 200), reason);
}
