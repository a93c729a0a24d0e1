// The slow way for messages that are legal but not in the order that is written in one pass: the same message again,
// as a serializer would have put it. Rare, hence by descriptors and not by generated code.
import { type DescEnum, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { isUtf8 } from "node:buffer";
import type { AnyField } from "./json-write-generate.ts";
import { isWide, tagBytes, tagOf, type ValueType, wireTypeOf } from "./json-write-snippets.ts";
import { notUtf8 } from "./json-write-text.ts";
import { typeNameOf } from "./json-write-well-known.ts";
import { cursor, groupEnd, MAX_DEPTH, skipField, tooDeep, truncated, varint, varintTag, Wire } from "./wire-scan.ts";

export interface NormaliseOptions {
  /** Fields of a message, extensions among them, by number. */
  readonly fieldsOf: (message: DescMessage) => ReadonlyMap<number, AnyField>;
  /** A message by its full name, for google.protobuf.Any. */
  readonly messageOf: (typeName: string) => DescMessage | undefined;
}

/**
 * Makes the function that gives a message's bytes anew: each field once, in one piece, merged, without unknown ones.
 * Malformed bytes are refused also where they are of a value that a later one replaces.
 */
export function createNormalise(options: NormaliseOptions): (message: DescMessage, bytes: Buffer) => Buffer {
  return (message, bytes) => normalise(message, bytes, 0, options);
}

/** What was found of a field: its values in turn, or a map's entries by key. */
interface Found {
  readonly field: AnyField;
  values: Buffer[];
  readonly entries: Map<string, Buffer>;
}

// A google.protobuf.Value lies between any two levels of a Struct and counts for none; the writer counts exactly.
const DEPTH = 2 * MAX_DEPTH + 2;

function normalise(message: DescMessage, bytes: Buffer, depth: number, options: NormaliseOptions): Buffer {
  if (depth > DEPTH) throw tooDeep();
  const fields = options.fieldsOf(message);
  const found = new Map<number, Found>();
  eachField(bytes, (tag, value) => {
    const field = fields.get(tag >>> 3);
    if (field === undefined || !accepts(field, tag & 7)) return;
    if (field.enum !== undefined && field.fieldKind === "enum" && !knows(field.enum, value)) return;
    checkText(field.fieldKind === "map" ? undefined : field.scalar, value);
    for (const other of field.oneof?.fields ?? []) {
      const cleared = other.number === field.number ? undefined : found.get(other.number);
      if (cleared === undefined) continue;
      if (other.message !== undefined) normalise(other.message, joined(cleared.values), depth + 1, options);
      found.delete(other.number);
    }
    const before: Found = found.get(field.number) ?? { field, values: [], entries: new Map() };
    found.set(field.number, before);
    if (field.fieldKind === "map") addEntry(field, value, before.entries, depth, options);
    else if (field.fieldKind === "list" || field.fieldKind === "message") before.values.push(value);
    else before.values = [value];
  });
  if (message.typeName === "google.protobuf.Any") normaliseAny(found, depth, options);
  const parts: Buffer[] = [];
  for (const { field, values, entries } of found.values()) {
    const again = (value: Buffer): Buffer =>
      field.message === undefined ? value : normalise(field.message, value, depth + 1, options);
    if (field.fieldKind === "message") append(parts, field, valueType(field), again(joined(values)));
    else if (field.fieldKind !== "list") for (const value of values) append(parts, field, valueType(field), value);
    else if (valueType(field) === Wire.Bytes || field.listKind === "message")
      for (const value of values) append(parts, field, valueType(field), again(value));
    else append(parts, field, Wire.Bytes, packed(valueType(field), values));
    for (const entry of entries.values()) append(parts, field, Wire.Bytes, entry);
  }
  return Buffer.concat(parts);
}

/** Calls `visit` with every field of a message; the value is without its length, and a group's without its end. */
function eachField(bytes: Buffer, visit: (tag: number, value: Buffer) => void): void {
  let p = 0;
  while (p < bytes.length) {
    const tag = varintTag(bytes, p);
    const start = cursor.next;
    let end: number;
    if ((tag & 7) === Wire.StartGroup && tag >>> 3 !== 0) {
      end = groupEnd(bytes, start, bytes.length, tag);
      p = cursor.next;
    } else {
      p = end = skipField(bytes, start, bytes.length, tag);
    }
    if ((tag & 7) !== Wire.Bytes) {
      visit(tag, bytes.subarray(start, end));
    } else {
      varint(bytes, start);
      visit(tag, bytes.subarray(cursor.next, end));
    }
  }
}

/** The pieces of a message as one; each must end where a field ends, or it would go on in the next. */
function joined(pieces: readonly Buffer[]): Buffer {
  if (pieces.length > 1) for (const piece of pieces) eachField(piece, () => {});
  return Buffer.concat(pieces);
}

function checkText(scalar: ScalarType | undefined, value: Buffer): void {
  if (scalar === ScalarType.STRING && !isUtf8(value)) throw notUtf8();
}

/** Wire type of one value of a field. */
function valueType(field: AnyField): number {
  if (field.message === undefined) return wireTypeOf(field);
  return "delimitedEncoding" in field && field.delimitedEncoding ? Wire.StartGroup : Wire.Bytes;
}

function accepts(field: AnyField, wireType: number): boolean {
  if (field.fieldKind === "map") return wireType === Wire.Bytes;
  if (field.fieldKind === "list" && field.listKind !== "message" && wireType === Wire.Bytes) return true;
  return wireType === valueType(field);
}

/** A closed enum takes a value it does not have for an unknown field. */
function knows(type: DescEnum, value: Buffer): boolean {
  if (type.open) return true;
  const number = varint(value, 0);
  return type.values.some((known) => known.number === number);
}

function addEntry(
  field: AnyField & { readonly fieldKind: "map" },
  entry: Buffer,
  entries: Map<string, Buffer>,
  depth: number,
  options: NormaliseOptions,
): void {
  const key: ValueType = { scalar: field.mapKey };
  let keyValue = defaultKey(key);
  let values: Buffer[] = [];
  eachField(entry, (tag, value) => {
    if (tag === tagOf({ number: 1 }, wireTypeOf(key))) {
      checkText(key.scalar, value);
      keyValue = value;
    }
    if (tag !== tagOf({ number: 2 }, valueType(field))) return;
    checkText(field.scalar, value);
    if (field.message === undefined) values = [value];
    else values.push(value);
  });
  if (field.enum !== undefined && values[0] !== undefined && !knows(field.enum, values[0])) return;
  const parts: Buffer[] = [];
  append(parts, { number: 1 }, wireTypeOf(key), keyValue);
  if (field.message !== undefined) values = [normalise(field.message, joined(values), depth + 1, options)];
  for (const value of values) append(parts, { number: 2 }, valueType(field), value);
  entries.set(keyText(key, keyValue), Buffer.concat(parts));
}

function defaultKey(key: ValueType): Buffer {
  const wireType = wireTypeOf(key);
  return Buffer.alloc(wireType === Wire.Varint ? 1 : wireType === Wire.Fixed32 ? 4 : wireType === Wire.Fixed64 ? 8 : 0);
}

/** The same text for keys that are the same: a varint may be written in several lengths. */
function keyText(key: ValueType, value: Buffer): string {
  if (wireTypeOf(key) !== Wire.Varint) return value.latin1Slice();
  const low = varint(value, 0);
  if (key.scalar === ScalarType.BOOL) return String((low | cursor.high) !== 0);
  return isWide(key.scalar) ? `${cursor.high},${low}` : String(low);
}

/** The message in an Any is put in order as well, or its writer would give up in vain once more. */
function normaliseAny(found: ReadonlyMap<number, Found>, depth: number, options: NormaliseOptions): void {
  const url = found.get(1)?.values[0];
  const value = found.get(2);
  const content = value?.values[0];
  const message = url && options.messageOf(typeNameOf(url, 0, url.length));
  if (value && content && message) value.values = [normalise(message, content, depth + 1, options)];
}

/** Chunks and single values as one packed list; none may end within a value, or it would go on in the next. */
function packed(wireType: number, values: readonly Buffer[]): Buffer {
  for (const value of values) {
    const cut =
      wireType === Wire.Varint ? (value.at(-1) ?? 0) > 127 : value.length % (wireType === Wire.Fixed32 ? 4 : 8) !== 0;
    if (cut) throw truncated();
  }
  return Buffer.concat(values);
}

function append(parts: Buffer[], field: { readonly number: number }, wireType: number, value: Buffer): void {
  parts.push(Buffer.from(tagBytes(tagOf(field, wireType))));
  if (wireType === Wire.Bytes) parts.push(Buffer.from(tagBytes(value.length)));
  parts.push(value);
  if (wireType === Wire.StartGroup) parts.push(Buffer.from(tagBytes(tagOf(field, Wire.EndGroup))));
}
