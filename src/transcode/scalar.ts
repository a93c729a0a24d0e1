import { ScalarType, type DescField } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { isValueLike } from "./field-path.ts";
import { input } from "./json-read-input.ts";
import {
  createEnumTable,
  findEnumValue,
  putEnum,
  putEnumNumber,
  wrongName,
  type EnumTable,
} from "./json-read-names.ts";
import { numberOfSpan, putFloat } from "./json-read-number.ts";
import { putBool, scalars, type Read } from "./json-read-scalar.ts";
import { putBase64, putBytes } from "./json-read-string.ts";
import { wrong } from "./json-read-syntax.ts";
import { putDuration, putFieldMask, putTimestamp } from "./json-read-well-known.ts";
import type { JsonOptions } from "./options.ts";
import { close, tagBytes, wire } from "./wire.ts";

/** How the names of enum values may be written. */
export type EnumOptions = Pick<JsonOptions, "enumPrefix" | "enumCase">;

/**
 * Gives the writer of a field's value from the plain text of a parameter or path variable, as `loadText` took it: tag
 * and value, defaults too. For a list, of one item; for a map, of the value in an entry. Undefined where the type has
 * no plain text.
 */
export function compileTextWriter(field: DescField, enums: EnumOptions): Read | undefined {
  const number = field.fieldKind === "map" ? 2 : field.number;
  if (field.scalar !== undefined) return tagged(number, scalars[field.scalar].wireType, scalarText(field.scalar));
  if (field.enum !== undefined) return tagged(number, 0, enumText(createEnumTable(field.enum, false, enums)));
  if (!isValueLike(field.message)) return undefined;
  const write = isWrapperDesc(field.message)
    ? compileTextWriter(field.message.fields[0] as DescField, enums) // isWrapperDesc saw it
    : WELL_KNOWN.get(field.message.typeName);
  if (write === undefined) return undefined;
  if (!("delimitedEncoding" in field && field.delimitedEncoding)) {
    return tagged(number, 2, (o) => close(o, write(o + 1)));
  }
  const endGroup = tagged(number, 4, (o) => o);
  return tagged(number, 3, (o) => endGroup(write(o)));
}

/** As compileTextWriter, of the key in a map's entry. */
export function compileKeyWriter(key: ScalarType): Read {
  return tagged(1, scalars[key].wireType, scalarText(key));
}

const WELL_KNOWN: ReadonlyMap<string, Read> = new Map([
  ["google.protobuf.Timestamp", (o) => putTimestamp(0, o)],
  ["google.protobuf.Duration", (o) => putDuration(0, o)],
  ["google.protobuf.FieldMask", (o) => putFieldMask(0, o)],
]);

function tagged(number: number, wireType: number, write: Read): Read {
  const tag = tagBytes(number, wireType);
  return (o) => {
    for (const byte of tag) wire.bytes[o++] = byte;
    return write(o);
  };
}

function scalarText(scalar: ScalarType): Read {
  switch (scalar) {
    case ScalarType.STRING:
      return (o) => putBytes(input.bytes, 0, input.end, o);
    case ScalarType.BYTES:
      return (o) => putBase64(0, o);
    case ScalarType.BOOL:
      return (o) => putBool(0, o);
    case ScalarType.DOUBLE:
      return (o) => wire.bytes.writeDoubleLE(numberOfSpan(0, "a double"), o);
    case ScalarType.FLOAT:
      return (o) => putFloat(0, numberOfSpan(0, "a float"), o);
    default:
      return (o) => {
        // An integer is read as in JSON, where it may stand in quotes; here they would be part of the text.
        const isQuoted = input.bytes[0] === 0x22;
        const end = isQuoted ? o : scalars[scalar].read(o);
        if (isQuoted || input.at !== input.end) wrong(0, expectedInteger(scalar));
        return end;
      };
  }
}

/** `an int32`, `a fixed64` */
function expectedInteger(scalar: ScalarType): string {
  const name = ScalarType[scalar].toLowerCase();
  return `${name.startsWith("i") ? "an" : "a"} ${name}`;
}

function enumText(table: EnumTable): Read {
  return (o) => {
    const first = input.bytes[0] as number;
    if (first === 0x2d || (first >= 0x30 && first <= 0x39)) {
      const end = putEnumNumber(0, o, table);
      if (input.at !== input.end) wrong(0, table.expected);
      return end;
    }
    const index = findEnumValue(table);
    return index < 0 ? wrongName(0, table) : putEnum(table.numbers[index] as number, o);
  };
}
