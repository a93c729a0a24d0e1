// Messages byte by byte, for tests of what no serializer would write.
import { ScalarType } from "@bufbuild/protobuf";

export const VARINT = 0;
export const FIXED64 = 1;
export const BYTES = 2;
export const GROUP = 3;
export const END_GROUP = 4;
export const FIXED32 = 5;

/** Wire type of a scalar or, where it is undefined, of an enum. */
export function wireTypeOf(scalar: ScalarType | undefined): number {
  switch (scalar) {
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return FIXED64;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return FIXED32;
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return BYTES;
    default:
      return VARINT;
  }
}

/** A varint in at least `length` bytes; negative numbers as 64 bits. */
export function varint(value: number | bigint, length = 1): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 127n || bytes.length < length - 1) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return Buffer.from([...bytes, Number(rest)]);
}

export function tag(field: number, wireType: number, length = 1): Buffer {
  return varint(field * 8 + wireType, length);
}

/** A varint field. */
export function number(field: number, value: number | bigint): Buffer {
  return Buffer.concat([tag(field, VARINT), varint(value)]);
}

/** A length-delimited field: text, or the fields of a message. */
export function bytes(field: number, ...content: readonly (string | Buffer)[]): Buffer {
  const joined = Buffer.concat(content.map((part) => Buffer.from(part as string)));
  return Buffer.concat([tag(field, BYTES), varint(joined.length), joined]);
}

export function group(field: number, ...content: readonly Buffer[]): Buffer {
  return Buffer.concat([tag(field, GROUP), ...content, tag(field, END_GROUP)]);
}

export function double(field: number, value: number): Buffer {
  const content = Buffer.alloc(8);
  content.writeDoubleLE(value);
  return Buffer.concat([tag(field, FIXED64), content]);
}

export function float(field: number, value: number): Buffer {
  const content = Buffer.alloc(4);
  content.writeFloatLE(value);
  return Buffer.concat([tag(field, FIXED32), content]);
}
