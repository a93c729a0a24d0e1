import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { didYouMean } from "../core/suggest.ts";

/** Steps of a path that are followed: as deep as a body may be. */
export const MAX_STEPS = 100;

/** A field that is a list or a map, one of whose elements a path may name. */
export type ContainerField = DescField & { readonly fieldKind: "list" | "map" };

export interface PathProblem {
  readonly kind: "problem";
  readonly code: "FIELD_INVALID" | "FIELD_UNKNOWN";
  readonly reason: string;
}

/** Where a path leads from a message, or why it leads nowhere. `fields` goes from the message down, and is never empty. */
export type FieldPath =
  | { readonly kind: "field"; readonly fields: readonly DescField[] }
  /** An element of the last field; `rest` is a path from there, "" for the element itself. */
  | {
      readonly kind: "element";
      readonly fields: readonly DescField[];
      readonly container: ContainerField;
      readonly selector: Selector;
      readonly rest: string;
    }
  | PathProblem;

/** An item's index, or a map's key as text. */
export type Selector = number | string;

/**
 * Follows a path such as `book.author.name` from a message; each step is a field's JSON or proto name. All but the last
 * are singular messages, but for elements: `items[0].name` of lists, `labels[key]` and `labels.key` of maps.
 *
 *     Path    = Name { "." Name } [ Element ] ;
 *     Element = ( "[" Selector "]" | "." Key ) [ "." Path ] ;
 *
 * A key may hold anything. Where values are scalars it takes all the text that is left; where they are messages, it
 * ends ahead of `].` in brackets, and at the next dot without.
 */
export function resolveFieldPath(message: DescMessage, path: string): FieldPath {
  const fields: DescField[] = [];
  let desc = message;
  for (let at = 0; ;) {
    const end = endOfName(path, at);
    const name = path.slice(at, end);
    const field = fieldOf(desc, name);
    if (field === undefined) return unknownField(desc, name);
    if (fields.push(field) > MAX_STEPS) return invalid(`deeper than ${MAX_STEPS} fields`);
    if (end === path.length) return { kind: "field", fields };
    if (isContainer(field)) return elementAt(fields, field, path.slice(end));
    if (path[end] === "[") return invalid(`${field.name} is neither repeated nor a map; it takes no brackets`);
    const next = nestedMessage(field);
    if (next === undefined) return invalid(noFieldsReason(field));
    desc = next;
    at = end + 1;
  }
}

const fieldsByName = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** The field that a client means by `name`, JSON or proto; where two fields lay claim to it, it is its own field's. */
export function fieldOf(desc: DescMessage, name: string): DescField | undefined {
  let byName = fieldsByName.get(desc);
  if (byName === undefined) {
    const proto = desc.fields.map((field) => [field.name, field] as const);
    byName = new Map([...desc.fields.map((field) => [field.jsonName, field] as const), ...proto]);
    fieldsByName.set(desc, byName);
  }
  return byName.get(name);
}

// Messages that JSON writes as one scalar.
const VALUE_LIKE: ReadonlySet<string> = new Set([
  "google.protobuf.Timestamp",
  "google.protobuf.Duration",
  "google.protobuf.FieldMask",
]);

// Messages whose JSON is any JSON.
const JSON_LIKE: ReadonlySet<string> = new Set([
  "google.protobuf.Struct",
  "google.protobuf.Value",
  "google.protobuf.ListValue",
]);

/** Whether a message is written as one plain value, in a parameter too: Timestamp, Duration, FieldMask, wrappers. */
export function isValueLike(desc: DescMessage): boolean {
  return VALUE_LIKE.has(desc.typeName) || isWrapperDesc(desc);
}

/** Whether a message holds any JSON: Struct, Value, ListValue. */
export function isJsonLike(desc: DescMessage): boolean {
  return JSON_LIKE.has(desc.typeName);
}

/** The message into whose fields a path may go on from a field, or from an element of one. */
export function nestedMessage(field: DescField): DescMessage | undefined {
  const { message } = field;
  return message === undefined || isValueLike(message) || isJsonLike(message) ? undefined : message;
}

/** Why no plain text can be the value of a field, or of an element of one, which is a message. */
export function noTextReason(field: DescField, isElement: boolean): string {
  const type = field.message?.typeName ?? "";
  if (JSON_LIKE.has(type)) return `${field.name} holds ${type}, which only a body can set`;
  if (field.fieldKind === "map" && !isElement) return `is a map; name an entry, as in ${field.name}[key]`;
  if (field.fieldKind === "list" && !isElement) {
    return `is a list of messages; name a field of an item, as in ${field.name}[0].name`;
  }
  return "is a message; name one of its fields, or set it in a body";
}

function isContainer(field: DescField): field is ContainerField {
  return field.fieldKind === "list" || field.fieldKind === "map";
}

/** Reads what follows a list's or map's name: `[0].name`, `[key]`, `.key`. */
function elementAt(fields: readonly DescField[], container: ContainerField, tail: string): FieldPath {
  const isNested = nestedMessage(container) !== undefined;
  const isBracketed = tail.startsWith("[");
  const { name } = container;
  if (container.fieldKind === "list" && !isBracketed) {
    return invalid(`${name} is repeated; name an item, as in ${name}[0]${isNested ? ".name" : ""}`);
  }
  const end = isBracketed ? endOfBrackets(tail, container.fieldKind === "map" && !isNested) : endOfKey(tail, isNested);
  if (end < 0) return invalid(`no "]" behind ${name}[${container.fieldKind === "list" ? "index" : "key"}`);
  const text = tail.slice(1, end);
  const behind = isBracketed ? tail.slice(end + 1) : tail.slice(end);
  if (behind !== "" && !behind.startsWith(".")) {
    return invalid(`expected "." or nothing behind ${name}[${text.slice(0, 40)}]`);
  }
  if (behind !== "" && !isNested) return invalid(noFieldsReason(container));
  const rest = behind.slice(1);
  if (behind !== "" && rest === "") return unknownField(nestedMessage(container) as DescMessage, ""); // isNested
  if (container.fieldKind === "map") {
    if (text === "") return invalid(`empty key; name an entry, as in ${name}[key]`);
    return { kind: "element", fields, container, selector: text, rest };
  }
  if (!/^(0|[1-9][0-9]{0,8})$/.test(text)) {
    const hint = isNested ? "" : `, or repeat ${name} without brackets`;
    return invalid(`${JSON.stringify(text.slice(0, 40))} is no index; number the items as in ${name}[0]${hint}`);
  }
  return { kind: "element", fields, container, selector: Number(text), rest };
}

/** Offset of the bracket that ends what the one at 0 began: the last of all, or the first that ends a step; -1: none. */
function endOfBrackets(tail: string, takesAll: boolean): number {
  if (takesAll) return tail.endsWith("]") ? tail.length - 1 : -1;
  const step = tail.indexOf("].");
  return step >= 0 ? step : tail.endsWith("]") ? tail.length - 1 : tail.indexOf("]");
}

function endOfKey(tail: string, isNested: boolean): number {
  const dot = isNested ? tail.indexOf(".", 1) : -1;
  return dot < 0 ? tail.length : dot;
}

function endOfName(path: string, at: number): number {
  for (let i = at; i < path.length; i++) {
    const char = path.charCodeAt(i);
    if (char === 0x2e || char === 0x5b) return i;
  }
  return path.length;
}

function unknownField(desc: DescMessage, name: string): PathProblem {
  const known = desc.fields.flatMap((candidate) => [candidate.name, candidate.jsonName]);
  const reason = `unknown field "${name.slice(0, 100)}"${didYouMean(name, known)}`;
  return { kind: "problem", code: "FIELD_UNKNOWN", reason };
}

function noFieldsReason(field: DescField): string {
  if (field.message !== undefined && isJsonLike(field.message)) return noTextReason(field, true);
  return field.fieldKind === "list" || field.fieldKind === "map"
    ? `elements of ${field.name} have no fields`
    : `${field.name} has no fields`;
}

function invalid(reason: string): PathProblem {
  return { kind: "problem", code: "FIELD_INVALID", reason };
}
