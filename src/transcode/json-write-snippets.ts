// Pieces of generated source that read one value, by its type; json-write-generate.ts names the variables.
import { type DescEnum, ScalarType } from "@bufbuild/protobuf";
import type { JsonOptions } from "./options.ts";
import { Wire } from "./wire-scan.ts";

/** What a value is: a field, an element of a list, the key or value of a map; not a message. */
export interface ValueType {
  readonly scalar?: ScalarType | undefined;
  readonly enum?: DescEnum | undefined;
}

/** Wire type of a value that stands alone. */
export function wireTypeOf(type: ValueType): number {
  switch (type.scalar) {
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return Wire.Fixed64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return Wire.Fixed32;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return Wire.Bytes;
    default:
      return Wire.Varint;
  }
}

/** Whether a value is read into two halves: a 64-bit integer. */
export function isWide(scalar: ScalarType | undefined): boolean {
  switch (scalar) {
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return true;
    default:
      return false;
  }
}

export function tagOf(field: { readonly number: number }, wireType: number): number {
  return field.number * 8 + wireType;
}

/** The bytes of a tag in its shortest form. */
export function tagBytes(tag: number): number[] {
  const bytes = [];
  for (; tag > 127; tag = Math.floor(tag / 128)) bytes.push((tag & 127) | 128);
  return [...bytes, tag];
}

/** Reads a length into v, and sets q to where what it counts ends; `end` is the variable that bounds it. */
export function readLength(end: string): string {
  return `v=b[p++];if(v>127){v=v&127|b[p]<<7;if(b[p++]>127){v=varintLength(b,p-2);p=cursor.next}}q=p+v;if(!(q<=${end}))throw truncated();`;
}

const READ_VARINT = "v=b[p++];if(v>127){v=v&127|b[p]<<7;if(b[p++]>127){v=varint(b,p-2);p=cursor.next}}";
const READ_BOOL = "v=b[p++];if(v>127){v=varint(b,p-1)|cursor.high;p=cursor.next}";
const READ_WIDE = "l=b[p++];h=0;if(l>127){l=varint(b,p-1);h=cursor.high;p=cursor.next}";
const READ_FIXED = "v=b[p]|b[p+1]<<8|b[p+2]<<16|b[p+3]<<24;p+=4;";
const READ_FIXED_WIDE = "l=b[p]|b[p+1]<<8|b[p+2]<<16|b[p+3]<<24;h=b[p+4]|b[p+5]<<8|b[p+6]<<16|b[p+7]<<24;p+=8;";

/**
 * Reads a value into v, l and h, x, or (text and bytes) leaves it at [p, q). A varint that runs over `end` is found
 * when the position is compared with it, once after many; for everything else that is here.
 */
export function readValue(type: ValueType, end: string): string {
  switch (type.scalar) {
    case ScalarType.DOUBLE:
      return `if(p+8>${end})throw truncated();x=viewOf(b).getFloat64(p,true);p+=8;`;
    case ScalarType.FLOAT:
      return `if(p+4>${end})throw truncated();x=viewOf(b).getFloat32(p,true);p+=4;`;
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return `if(p+4>${end})throw truncated();${READ_FIXED}`;
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return `if(p+8>${end})throw truncated();${READ_FIXED_WIDE}`;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return readLength(end);
    case ScalarType.BOOL:
      return READ_BOOL;
    case ScalarType.SINT32:
      return `${READ_VARINT}v=v>>>1^-(v&1);`;
    case ScalarType.SINT64:
      return `${READ_WIDE}v=-(l&1);l=(l>>>1|h<<31)^v;h=h>>>1^v;`;
    default:
      return isWide(type.scalar) ? READ_WIDE : READ_VARINT;
  }
}

/** Condition that a value just read is not its type's default; -0 is none (its bits are not zero). */
export function isSet(type: ValueType): string {
  if (isWide(type.scalar)) return "(l|h)!==0";
  return type.scalar === ScalarType.DOUBLE || type.scalar === ScalarType.FLOAT ? "x!==0||1/x<0" : "v!==0";
}

// By JsonOptions.int64: what is written behind the function's name.
const INT64_FORMS = { string: "", number: "Number", safe: "Safe" } as const;

/** Writes the value just read; enums apart. */
export function writeValue(scalar: ScalarType, int64: JsonOptions["int64"]): string {
  switch (scalar) {
    case ScalarType.DOUBLE:
      return "o=writeDouble(x,O,o);";
    case ScalarType.FLOAT:
      return "o=writeFloat(x,O,o);";
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return "o=writeInt32(v,O,o);";
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return "o=writeUint32(v>>>0,O,o);";
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return `o=writeInt64${INT64_FORMS[int64]}(l,h,O,o);`;
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return `o=writeUint64${INT64_FORMS[int64]}(l,h,O,o);`;
    case ScalarType.STRING:
      return "o=writeString(b,p,q,o);O=sink.view;p=q;";
    case ScalarType.BYTES:
      return "o=writeBase64(b,p,q,o);O=sink.view;p=q;";
    case ScalarType.BOOL:
      return "o=v===0?put(FALSE,O,o):put(TRUE,O,o);";
  }
}

/** JSON text of the default of a type; enums apart. */
export function defaultJson(type: ValueType, int64: JsonOptions["int64"]): string {
  if (type.scalar === ScalarType.STRING || type.scalar === ScalarType.BYTES) return '""';
  if (type.scalar === ScalarType.BOOL) return "false";
  return isWide(type.scalar) && int64 === "string" ? '"0"' : "0";
}

/** The code of one field, by its number: ends in `continue`, or in `break` where the wire type is another. */
export interface FieldCase {
  readonly number: number;
  readonly code: string;
}

// V8 makes one jump of a switch whose numbers are this dense, else compares one after the other.
const JUMP_SPREAD = 3;
const FEW_CASES = 6;

/** Finds the case of tag t among cases in order of their numbers: halves them until a switch is one jump, or short. */
export function dispatch(cases: readonly FieldCase[]): string {
  const [first, last] = [cases[0], cases.at(-1)];
  if (first === undefined || last === undefined) return "";
  if (cases.length <= FEW_CASES || last.number - first.number < cases.length * JUMP_SPREAD) {
    return `switch(t>>>3){\n${cases.map(({ number, code }) => `case ${number}:${code}\n`).join("")}}`;
  }
  const half = cases.length >> 1;
  const upper = cases.slice(half);
  return `if(t>>>3<${upper[0]?.number}){${dispatch(cases.slice(0, half))}}else{${dispatch(upper)}}`;
}
