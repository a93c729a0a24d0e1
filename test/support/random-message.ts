import type { DescEnum, DescField, DescMessage, FileRegistry, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { allFieldsOf, type Draw, messagesOf } from "./random-schema.ts";
import {
  BYTES,
  bytes,
  double,
  FIXED32,
  FIXED64,
  group,
  number,
  tag,
  VARINT,
  varint,
  wireTypeOf,
} from "./wire-bytes.ts";

const TEXTS = [
  "",
  "a",
  "ü",
  "😀 \u2028",
  '"\\\n\u0000',
  "x".repeat(50),
  "é".repeat(40),
  "long ".repeat(60),
  "1",
  "null",
];
const LARGE = [
  0n,
  1n,
  127n,
  128n,
  300n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
];

interface Context {
  readonly draw: Draw;
  readonly registry: FileRegistry;
}

/**
 * Random bytes of a message as some serializer may write them: fields in any order and more than once, lists packed or
 * not, unknown fields among them. What protobuf-es reads otherwise than others is left out: a wrapper in two pieces, a
 * Value without a kind.
 */
export function randomBytes(draw: Draw, registry: FileRegistry, message: DescMessage, depth = 3): Buffer {
  return fieldsOf({ draw, registry }, message, depth);
}

function fieldsOf(context: Context, message: DescMessage, depth: number): Buffer {
  const { draw, registry } = context;
  const known = wellKnown(context, message, depth);
  if (known !== undefined) return known;
  const fields = allFieldsOf(registry, message);
  if (fields.length === 0 || depth < 0) return Buffer.alloc(0);
  const parts: Buffer[] = [];
  const wrapped = new Set<unknown>();
  for (let count = draw.int(0, 8); count > 0; count--) {
    const field = draw.pick(fields);
    if (draw.chance(4)) parts.push(unknown(draw));
    if (field.message !== undefined && isWhole(field.message) && field.fieldKind === "message") {
      // These are given once.
      const owner = field.oneof ?? field;
      if (wrapped.has(owner)) continue;
      wrapped.add(owner);
    }
    parts.push(...records(context, field, depth));
  }
  return Buffer.concat(parts);
}

function isWhole(message: DescMessage): boolean {
  return message.typeName.startsWith("google.protobuf.");
}

function records(context: Context, field: DescField, depth: number): Buffer[] {
  const { draw } = context;
  if (field.fieldKind === "map") {
    return Array.from({ length: draw.int(1, draw.chance(5) ? 20 : 3) }, () => {
      const key = one(context, { number: 1, scalar: field.mapKey }, depth);
      const value = one(context, { number: 2, scalar: field.scalar, enum: field.enum, message: field.message }, depth);
      const whole = field.message !== undefined && isWhole(field.message);
      return bytes(
        field.number,
        ...(draw.chance(80) || whole ? [key, value] : draw.pick([[key], [value], [value, key], []])),
      );
    });
  }
  const isDelimited = "delimitedEncoding" in field && field.delimitedEncoding;
  const value = { number: field.number, scalar: field.scalar, enum: field.enum, message: field.message, isDelimited };
  if (field.fieldKind !== "list") return [one(context, value, depth)];
  const values = Array.from({ length: draw.int(1, 4) }, () => one(context, value, depth));
  const wireType = wireTypeOf(value.scalar);
  if (field.message !== undefined || wireType === BYTES || draw.chance(40)) return values;
  const tagLength = tag(field.number, wireType).length;
  return [bytes(field.number, ...values.map((record) => record.subarray(tagLength)))];
}

interface Value {
  readonly number: number;
  readonly scalar?: ScalarType | undefined;
  readonly enum?: DescEnum | undefined;
  readonly message?: DescMessage | undefined;
  readonly isDelimited?: boolean;
}

function one(context: Context, value: Value, depth: number): Buffer {
  const { draw } = context;
  if (value.message !== undefined) {
    const content = fieldsOf(context, value.message, depth - 1);
    return value.isDelimited ? group(value.number, content) : bytes(value.number, content);
  }
  if (value.enum !== undefined) {
    const known = draw.pick(value.enum.values).number;
    return number(value.number, draw.chance(15) ? draw.pick([77, -77, 2 ** 31 - 1]) : known);
  }
  switch (wireTypeOf(value.scalar)) {
    case FIXED64:
      return Buffer.concat([tag(value.number, FIXED64), fixed(draw, 8)]);
    case FIXED32:
      return Buffer.concat([tag(value.number, FIXED32), fixed(draw, 4)]);
    case BYTES:
      return bytes(value.number, draw.pick(TEXTS));
    default: {
      const large = draw.pick(LARGE);
      const signed = draw.chance(25) ? -large : large;
      return Buffer.concat([
        tag(value.number, VARINT),
        varint(draw.chance(70) ? draw.int(0, 200) : signed, draw.chance(5) ? 10 : 1),
      ]);
    }
  }
}

/** Bits that are sensible as an integer or as a floating-point number, or any. */
function fixed(draw: Draw, size: 4 | 8): Buffer {
  const content = Buffer.alloc(size);
  const how = draw.int(0, 3);
  if (how === 0) content[0] = draw.int(0, 255);
  else if (how === 1) for (let i = 0; i < size; i++) content[i] = draw.int(0, 255);
  else {
    const value = draw.pick([
      0.1,
      -1.5,
      1e20,
      -0,
      Infinity,
      NaN,
      123456.789,
      5e-324,
      1.25,
      16777217,
      draw.int(-999, 999) / 100,
    ]);
    if (size === 8) content.writeDoubleLE(value);
    else content.writeFloatLE(value);
  }
  return content;
}

function unknown(draw: Draw): Buffer {
  return draw.pick([number(60_000, 5), bytes(60_001, "x"), group(60_002, number(1, 1)), double(60_003, 1)]);
}

function wellKnown(context: Context, message: DescMessage, depth: number): Buffer | undefined {
  const { draw, registry } = context;
  if (!isWhole(message)) return undefined;
  const [field] = message.fields;
  if (isWrapperDesc(message) && field !== undefined) {
    return draw.chance(20) ? Buffer.alloc(0) : one(context, { number: 1, scalar: field.scalar }, depth);
  }
  switch (message.typeName) {
    case "google.protobuf.Timestamp": {
      const seconds = draw.pick([
        0,
        1,
        1_700_000_000,
        -62_135_596_800,
        253_402_300_799,
        -1,
        draw.int(-(2 ** 31), 2 ** 31),
      ]);
      const isOut = draw.chance(3);
      return Buffer.concat([
        number(1, isOut ? 253_402_300_800 : seconds),
        number(2, draw.pick([0, 1, 1000, 5_000_000, 999_999_999])),
      ]);
    }
    case "google.protobuf.Duration": {
      const sign = draw.pick([1, -1]);
      const seconds = sign * draw.pick([0, 1, 315_576_000_000, draw.int(0, 10_000)]);
      return Buffer.concat([number(1, seconds), number(2, sign * draw.pick([0, 1, 1000, 5_000_000]))]);
    }
    case "google.protobuf.FieldMask":
      return Buffer.concat(
        Array.from({ length: draw.int(0, 3) }, () => bytes(1, draw.pick(["a", "a_b.c", "foo_bar_baz"]))),
      );
    case "google.protobuf.Struct":
      return struct(context, depth);
    case "google.protobuf.ListValue":
      return list(context, depth);
    case "google.protobuf.Value":
      return value(context, depth);
    case "google.protobuf.Any": {
      const held = draw.pick([
        ...messagesOf(registry),
        ...["Duration", "Int32Value", "Struct", "Empty"].map((name) => {
          const found = registry.getMessage(`google.protobuf.${name}`);
          if (found === undefined) throw new Error(name);
          return found;
        }),
      ]);
      if (draw.chance(3)) return bytes(1, "type.googleapis.com/no.Such");
      if (draw.chance(3)) return Buffer.alloc(0);
      return Buffer.concat([
        bytes(1, `type.googleapis.com/${held.typeName}`),
        bytes(2, fieldsOf(context, held, depth - 1)),
      ]);
    }
    default:
      return Buffer.alloc(0);
  }
}

function value(context: Context, depth: number): Buffer {
  const { draw } = context;
  const kind = draw.int(0, depth < 0 ? 3 : 5);
  if (kind === 0) return number(1, 0);
  if (kind === 1) return double(2, draw.pick([0, -0, 1.5, 1e300, draw.int(-100, 100)]));
  if (kind === 2) return bytes(3, draw.pick(TEXTS));
  if (kind === 3) return number(4, draw.int(0, 1));
  return kind === 4 ? bytes(5, struct(context, depth - 1)) : bytes(6, list(context, depth - 1));
}

function struct(context: Context, depth: number): Buffer {
  const { draw } = context;
  return Buffer.concat(
    Array.from({ length: draw.int(0, 3) }, () =>
      bytes(1, bytes(1, draw.pick([...TEXTS, "__proto__"])), bytes(2, value(context, depth))),
    ),
  );
}

function list(context: Context, depth: number): Buffer {
  return Buffer.concat(Array.from({ length: context.draw.int(0, 3) }, () => bytes(1, value(context, depth))));
}
