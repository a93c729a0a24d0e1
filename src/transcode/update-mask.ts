import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { fieldError } from "../core/errors.ts";
import { isJsonLike, isValueLike } from "./field-path.ts";
import { input } from "./json-read-input.ts";
import { createEnumTable, findEnumValue, NameTable, type EnumTable } from "./json-read-names.ts";
import { span } from "./json-read-string.ts";
import { colon, skip, skipSpace } from "./json-read-syntax.ts";
import type { JsonOptions } from "./options.ts";
import { closeMessage, openMessage } from "./query-target.ts";
import { close, ROOM, wire } from "./wire.ts";

/**
 * Appends to `wire` the field mask of the JSON that a JsonReader has just read: `input` still holds it, well-formed and
 * of the right types. Writes nothing where the value is null. Throws FIELD_INVALID for a mask that would be too long.
 */
export type MaskWriter = () => void;

/** The field of a request that says what an update changes (AIP-134): `update_mask`, a google.protobuf.FieldMask. */
export function updateMaskOf(input: DescMessage): DescField | undefined {
  return input.fields.find(
    (field) =>
      field.name === "update_mask" &&
      field.fieldKind === "message" &&
      field.message.typeName === "google.protobuf.FieldMask",
  );
}

/** Whether the JSON of a field's value is an object of fields, so that a mask can list them. */
export function hasMask(field: DescField): boolean {
  return field.fieldKind === "message" && !isOpaque(field.message);
}

/**
 * Compiles the writer of `mask` for the JSON of a message: the paths, by proto names, of the fields that the JSON names.
 * Nested messages are followed to their leaves, but lists, maps and well-known types count as a whole, and so do null,
 * which clears, and an empty object. Extensions are not listed, since no path can name them, and where unknown
 * fields are ignored, neither are they nor fields with unknown names of enum values, which the reader has passed over, too.
 */
export function compileMaskWriter(mask: DescField, message: DescMessage, options: JsonOptions): MaskWriter {
  const shape = shapeOf(message, options, new Map());
  return () => {
    input.at = skipSpace(0);
    if (input.bytes[input.at] !== 0x7b) return;
    const opened = openMessage(mask);
    limit = wire.length + MAX_MASK_BYTES;
    writePaths(shape, "", mask.name);
    closeMessage(mask, opened);
  };
}

/** Appends to `wire` a mask of paths that are known. */
export function writeMaskOf(mask: DescField, paths: Iterable<string>): void {
  const opened = openMessage(mask);
  limit = wire.length + MAX_MASK_BYTES;
  for (const path of paths) writePath(path, mask.name);
  closeMessage(mask, opened);
}

// A body of 4 MiB can name fields whose paths take a hundred times as much: those of a message that holds itself.
const MAX_MASK_BYTES = 262_144;
let limit = 0;

/** The fields of a message as a mask needs them. */
interface Shape {
  /** Index into `fields` by either name. */
  readonly names: NameTable;
  readonly fields: readonly FieldShape[];
}

interface FieldShape {
  readonly name: string;
  /** Where its fields are listed in its place. */
  readonly shape: Shape | undefined;
  /** Where values with other names are passed over. */
  readonly enumTable: EnumTable | undefined;
}

function shapeOf(desc: DescMessage, options: JsonOptions, known: Map<DescMessage, Shape>): Shape {
  const before = known.get(desc);
  if (before !== undefined) return before;
  const indexes = new Map<string, number>();
  desc.fields.forEach((field, index) => indexes.set(field.jsonName, index));
  // As the reader has it: where two fields lay claim to a name, it is its own field's.
  desc.fields.forEach((field, index) => indexes.set(field.name, index));
  const fields: FieldShape[] = [];
  const shape = { names: new NameTable(indexes), fields };
  known.set(desc, shape);
  for (const field of desc.fields) {
    const inner = hasMask(field) ? field.message : undefined;
    const enumDesc = options.unknownFields === "ignore" && field.fieldKind === "enum" ? field.enum : undefined;
    fields.push({
      name: field.name,
      shape: inner && shapeOf(inner, options, known),
      enumTable: enumDesc && createEnumTable(enumDesc, true, options),
    });
  }
  return shape;
}

/** Whether a message counts as a whole. */
function isOpaque(desc: DescMessage): boolean {
  return isValueLike(desc) || isJsonLike(desc) || desc.typeName === "google.protobuf.Any";
}

/** Writes the paths of the object at `input.at`, which stands at `path`, and reads over it. */
function writePaths(shape: Shape, path: string, mask: string): void {
  const { bytes } = input;
  let at = skipSpace(input.at + 1);
  if (bytes[at] === 0x7d && path !== "") writePath(path, mask);
  while (bytes[at] !== 0x7d) {
    input.at = at;
    const field = shape.fields[shape.names.findQuoted()];
    at = input.at = colon(input.at);
    if (field === undefined || isPassedOver(field, at)) skip();
    else {
      const inner = path === "" ? field.name : `${path}.${field.name}`;
      if (field.shape !== undefined && bytes[at] === 0x7b) writePaths(field.shape, inner, mask);
      else {
        skip();
        writePath(inner, mask);
      }
    }
    at = skipSpace(input.at);
    if (bytes[at] === 0x2c) at = skipSpace(at + 1);
  }
  input.at = at + 1;
}

/** Whether the value at `at` is a name that its enum does not have. */
function isPassedOver({ enumTable }: FieldShape, at: number): boolean {
  if (enumTable === undefined || input.bytes[at] !== 0x22) return false;
  span("a name");
  const isUnknown = findEnumValue(enumTable) < 0;
  input.at = at;
  return isUnknown;
}

/** `paths` is field 1 of a FieldMask. */
function writePath(path: string, mask: string): void {
  const o = wire.length;
  const bytes = wire.grow(o, path.length * 3 + ROOM); // a UTF-16 unit takes at most three bytes in UTF-8
  bytes[o] = 0x0a;
  wire.length = close(o + 1, o + 2 + bytes.utf8Write(path, o + 2));
  if (wire.length > limit) {
    throw fieldError("FIELD_INVALID", mask, "the body names too many fields to be listed; say which are to change");
  }
}
