import { FieldDescriptorProto_Type as Type, type FieldDescriptorProto } from "@bufbuild/protobuf/wkt";
import type { Cursor } from "./cursor.ts";
import { escapeBytes, formatDouble, formatFloat, integerValue, numberValue } from "./literal.ts";
import { SyntaxFailure } from "./source.ts";

const RANGES: ReadonlyMap<Type, readonly [bigint, bigint]> = new Map([
  ...[Type.INT32, Type.SINT32, Type.SFIXED32].map((type) => [type, [-(2n ** 31n), 2n ** 31n - 1n]] as const),
  ...[Type.INT64, Type.SINT64, Type.SFIXED64].map((type) => [type, [-(2n ** 63n), 2n ** 63n - 1n]] as const),
  ...[Type.UINT32, Type.FIXED32].map((type) => [type, [0n, 2n ** 32n - 1n]] as const),
  ...[Type.UINT64, Type.FIXED64].map((type) => [type, [0n, 2n ** 64n - 1n]] as const),
]);

/** Reads what follows `default =` into the text that FieldDescriptorProto.default_value holds. */
export function parseDefaultValue(cursor: Cursor, field: FieldDescriptorProto): string {
  const { offset } = cursor;
  // The name of a type: the linker finds out whether it is an enum that has this value.
  if (field.typeName !== "") return cursor.advance().text;
  switch (field.type) {
    case Type.BOOL:
      if (!cursor.at("true") && !cursor.at("false")) cursor.fail('"true" or "false"');
      return cursor.advance().text;
    case Type.STRING:
      return cursor.expectText("a string");
    case Type.BYTES:
      return escapeBytes(cursor.expectString("a string"));
    case Type.FLOAT:
    case Type.DOUBLE: {
      const negative = cursor.take("-");
      const value = parseNumber(cursor);
      return (field.type === Type.FLOAT ? formatFloat : formatDouble)(negative ? -value : value);
    }
    case Type.GROUP:
      throw new SyntaxFailure(offset, "a message has no default value");
    default: {
      const negative = cursor.take("-");
      if (!cursor.atKind("integer")) cursor.fail("an integer");
      const value = integerValue(cursor.advance().text) * (negative ? -1n : 1n);
      const [min, max] = RANGES.get(field.type) ?? [value, value];
      if (value < min || value > max) {
        throw new SyntaxFailure(offset, `default value ${value} is out of range; expected ${min} to ${max}`);
      }
      return String(value);
    }
  }
}

function parseNumber(cursor: Cursor): number {
  if (cursor.take("inf")) return Infinity;
  if (cursor.take("nan")) return NaN;
  if (!cursor.atKind("integer") && !cursor.atKind("float")) cursor.fail("a number");
  return numberValue(cursor.advance());
}
