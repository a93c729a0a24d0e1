import { FieldDescriptorProto_Type as Type } from "@bufbuild/protobuf/wkt";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { didYouMean } from "../../core/suggest.ts";
import { SyntaxFailure } from "./source.ts";
import type { FieldSymbol, SymbolTable } from "./symbols.ts";
import type { Literal } from "./unit.ts";

const MIN_INT32 = -(2n ** 31n);
const MAX_INT32 = 2n ** 31n - 1n;
const MAX_UINT32 = 2n ** 32n - 1n;
const MIN_INT64 = -(2n ** 63n);
const MAX_INT64 = 2n ** 63n - 1n;
const MAX_UINT64 = 2n ** 64n - 1n;

const TRUE_WORDS = new Set(["true", "True", "t"]);
const FALSE_WORDS = new Set(["false", "False", "f"]);

/** Whether values of this type may stand packed in one record. */
export function isPackable(type: Type): boolean {
  return type !== Type.STRING && type !== Type.BYTES && type !== Type.MESSAGE && type !== Type.GROUP;
}

export function wireTypeOf(type: Type): WireType {
  switch (type) {
    case Type.DOUBLE:
    case Type.FIXED64:
    case Type.SFIXED64:
      return WireType.Bit64;
    case Type.FLOAT:
    case Type.FIXED32:
    case Type.SFIXED32:
      return WireType.Bit32;
    case Type.STRING:
    case Type.BYTES:
    case Type.MESSAGE:
      return WireType.LengthDelimited;
    case Type.GROUP:
      return WireType.StartGroup;
    default:
      return WireType.Varint;
  }
}

export type ScalarValue = bigint | number | boolean | Uint8Array;

/**
 * The value of a scalar or enum field as written. `inText` is protobuf's text format, within braces, which takes more
 * spellings than `option x = value;` does.
 *
 * @throws SyntaxFailure for a value that the field cannot have.
 */
export function scalarValue(field: FieldSymbol, literal: Literal, table: SymbolTable, inText: boolean): ScalarValue {
  const { type } = field.desc;
  switch (type) {
    case Type.DOUBLE:
    case Type.FLOAT:
      return floatValue(field, literal, inText);
    case Type.BOOL:
      return boolValue(field, literal, inText);
    case Type.ENUM:
      return enumValue(field, literal, table, inText);
    case Type.STRING:
    case Type.BYTES:
      return literal.kind === "string" ? literal.bytes : wrong(field, literal, "a string in quotes");
    case Type.UINT32:
    case Type.FIXED32:
      return integerWithin(field, literal, 0n, MAX_UINT32);
    case Type.UINT64:
    case Type.FIXED64:
      return integerWithin(field, literal, 0n, MAX_UINT64);
    case Type.INT32:
    case Type.SINT32:
    case Type.SFIXED32:
      return integerWithin(field, literal, MIN_INT32, MAX_INT32);
    case Type.INT64:
    case Type.SINT64:
    case Type.SFIXED64:
      return integerWithin(field, literal, MIN_INT64, MAX_INT64);
    default:
      return wrong(field, literal, "a message in braces");
  }
}

/** Writes a value without its tag. */
export function writeScalar(writer: BinaryWriter, type: Type, value: ScalarValue): void {
  switch (type) {
    case Type.DOUBLE:
      writer.double(value as number);
      return;
    case Type.FLOAT:
      // The writer refuses what overflows a float; C++ makes it infinite.
      writer.float(Math.fround(value as number));
      return;
    case Type.BOOL:
      writer.bool(value as boolean);
      return;
    case Type.STRING:
    case Type.BYTES:
      writer.bytes(value as Uint8Array);
      return;
    case Type.UINT32:
      writer.uint32(Number(value));
      return;
    case Type.FIXED32:
      writer.fixed32(Number(value));
      return;
    case Type.INT32:
    case Type.ENUM:
      writer.int32(Number(value));
      return;
    case Type.SINT32:
      writer.sint32(Number(value));
      return;
    case Type.SFIXED32:
      writer.sfixed32(Number(value));
      return;
    case Type.INT64:
      writer.int64(value as bigint);
      return;
    case Type.UINT64:
      writer.uint64(value as bigint);
      return;
    case Type.SINT64:
      writer.sint64(value as bigint);
      return;
    case Type.FIXED64:
      writer.fixed64(value as bigint);
      return;
    case Type.SFIXED64:
      writer.sfixed64(value as bigint);
      return;
    default:
      throw new Error(`no scalar type ${type}`);
  }
}

/** Whether a field without presence leaves this value out. */
export function isZero(value: ScalarValue): boolean {
  if (typeof value === "number") return Object.is(value, 0);
  return typeof value === "object" ? value.length === 0 : !value;
}

function wrong(field: FieldSymbol, literal: Literal, expected: string): never {
  throw new SyntaxFailure(literal.offset, `"${field.name}" takes ${expected}, found ${literal.text}`);
}

function integerWithin(field: FieldSymbol, literal: Literal, min: bigint, max: bigint): bigint {
  const expected = `an integer from ${min} to ${max}`;
  if (literal.kind !== "integer" || literal.value < min || literal.value > max) return wrong(field, literal, expected);
  return literal.value;
}

function floatValue(field: FieldSymbol, literal: Literal, inText: boolean): number {
  if (literal.kind === "float") return literal.value;
  if (literal.kind === "integer") {
    return inText && literal.value === 0n && literal.text.startsWith("-") ? -0 : Number(literal.value);
  }
  if (literal.kind === "word") {
    const word = inText ? literal.text.toLowerCase() : literal.text;
    if (word === "nan") return NaN;
    if (word === "inf" || (inText && word === "infinity")) return literal.negative ? -Infinity : Infinity;
  }
  return wrong(field, literal, "a number");
}

function boolValue(field: FieldSymbol, literal: Literal, inText: boolean): boolean {
  if (literal.kind === "word" && !literal.negative) {
    if (literal.text === "true" || (inText && TRUE_WORDS.has(literal.text))) return true;
    if (literal.text === "false" || (inText && FALSE_WORDS.has(literal.text))) return false;
  }
  if (inText && literal.kind === "integer" && (literal.value === 0n || literal.value === 1n))
    return literal.value === 1n;
  return wrong(field, literal, "true or false");
}

function enumValue(field: FieldSymbol, literal: Literal, table: SymbolTable, inText: boolean): bigint {
  const type = table.get(field.desc.typeName.slice(1));
  const values = type?.kind === "enum" ? type.desc.value : [];
  if (inText && literal.kind === "integer") {
    const found = values.find(({ number }) => BigInt(number) === literal.value);
    return found !== undefined ? literal.value : wrong(field, literal, "a number of its enum");
  }
  if (literal.kind !== "word" || literal.negative) return wrong(field, literal, "the name of an enum value");
  const found = values.find(({ name }) => name === literal.text);
  if (found !== undefined) return BigInt(found.number);
  const hint = didYouMean(
    literal.text,
    values.map(({ name }) => name),
  );
  throw new SyntaxFailure(literal.offset, `enum "${type?.name}" has no value ${literal.text}${hint}`);
}
