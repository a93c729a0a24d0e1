import type { DescEnum, DescField, DescMessage, FileRegistry } from "@bufbuild/protobuf";
import { allFieldsOf } from "./random-schema.ts";
import { BYTES, bytes, END_GROUP, FIXED32, FIXED64, group, GROUP, tag, VARINT, wireTypeOf } from "./wire-bytes.ts";

/**
 * A slow and plain reading of protobuf's wire format (protobuf.dev, "Encoding"): gives a message again with the records
 * alone that count, and throws where the bytes are malformed. A record counts where its field is known, its wire type
 * is the field's, and a closed enum has its value. protobuf-es does not look at wire types, and may read over the end of
 * a nested message; it can be asked about what comes from here.
 */
export function strictly(registry: FileRegistry, message: DescMessage, input: Buffer): StrictMessage {
  hasMalformedAny = false;
  return { bytes: fieldsOf(registry, message, input), hasMalformedAny };
}

export interface StrictMessage {
  readonly bytes: Buffer;
  /** Whether an Any holds malformed bytes: one that counts, or one that another has replaced. */
  readonly hasMalformedAny: boolean;
}

let hasMalformedAny = false;

function fieldsOf(registry: FileRegistry, message: DescMessage, input: Buffer): Buffer {
  const fields = new Map(allFieldsOf(registry, message).map((field) => [field.number, field]));
  const kept: { number: number; record: Buffer; content: Buffer }[] = [];
  for (const { number, wireType, content } of recordsOf(input)) {
    const field = fields.get(number);
    const record = field && keep(registry, field, wireType, content);
    if (record !== undefined) kept.push({ number, record, content });
  }
  if (message.typeName === "google.protobuf.Any") return any(registry, kept);
  return Buffer.concat(kept.map(({ record }) => record));
}

interface Record {
  readonly number: number;
  readonly wireType: number;
  /** Without tag, length and the end of a group. */
  readonly content: Buffer;
}

function recordsOf(input: Buffer): Record[] {
  const records: Record[] = [];
  let rest = input;
  while (rest.length > 0) {
    const [record, next] = recordAt(rest);
    if (record.wireType === END_GROUP) throw new Error("end of a group that did not begin");
    records.push(record);
    rest = next;
  }
  return records;
}

function recordAt(input: Buffer): [Record, Buffer] {
  const [value, rest] = varintAt(input);
  if (value >= 2n ** 32n || value < 8n) throw new Error(`tag ${value}`);
  const [number, wireType] = [Number(value >> 3n), Number(value & 7n)];
  switch (wireType) {
    case VARINT: {
      const [, next] = varintAt(rest);
      return [{ number, wireType, content: rest.subarray(0, rest.length - next.length) }, next];
    }
    case FIXED64:
    case FIXED32:
      return [
        { number, wireType, content: take(rest, wireType === FIXED64 ? 8 : 4) },
        rest.subarray(wireType === FIXED64 ? 8 : 4),
      ];
    case BYTES: {
      const [length, next] = varintAt(rest);
      return [{ number, wireType, content: take(next, Number(length)) }, next.subarray(Number(length))];
    }
    case GROUP:
      for (let inner = rest; ;) {
        const [record, next] = recordAt(inner);
        if (record.wireType === END_GROUP) {
          if (record.number !== number) throw new Error("groups end in the wrong order");
          return [{ number, wireType, content: rest.subarray(0, rest.length - inner.length) }, next];
        }
        inner = next;
      }
    case END_GROUP:
      return [{ number, wireType, content: Buffer.alloc(0) }, rest];
    default:
      throw new Error(`wire type ${wireType}`);
  }
}

function take(from: Buffer, length: number): Buffer {
  if (from.length < length) throw new Error("cut short");
  return from.subarray(0, length);
}

function varintAt(input: Buffer): [bigint, Buffer] {
  let value = 0n;
  for (let at = 0; at < 10; at++) {
    const byte = input[at];
    if (byte === undefined) throw new Error("cut short");
    value |= BigInt(byte & 127) << BigInt(7 * at);
    if (value >= 2n ** 64n) throw new Error("a varint of more than 64 bits");
    if (byte < 128) return [value, input.subarray(at + 1)];
  }
  throw new Error("a varint of more than 10 bytes");
}

/** The record as it counts; undefined where it does not. */
function keep(registry: FileRegistry, field: DescField, wireType: number, content: Buffer): Buffer | undefined {
  if (field.fieldKind === "map") return wireType === BYTES ? entry(registry, field, content) : undefined;
  const isDelimited = "delimitedEncoding" in field && field.delimitedEncoding;
  const own = field.message !== undefined ? (isDelimited ? GROUP : BYTES) : wireTypeOf(field.scalar);
  if (field.fieldKind === "list" && wireType === BYTES && own !== BYTES && own !== GROUP) {
    return Buffer.concat(
      valuesOf(own, content)
        .filter((value) => knows(field.enum, value))
        .map((value) => Buffer.concat([tag(field.number, own), value])),
    );
  }
  if (wireType !== own) return undefined;
  if (field.message !== undefined) {
    const inner = fieldsOf(registry, field.message, content);
    return own === GROUP ? group(field.number, inner) : bytes(field.number, inner);
  }
  if (own === BYTES) return bytes(field.number, content);
  return knows(field.enum, content) ? Buffer.concat([tag(field.number, own), content]) : undefined;
}

/** The values of a packed list. */
function valuesOf(wireType: number, content: Buffer): Buffer[] {
  const values: Buffer[] = [];
  for (let rest = content; rest.length > 0;) {
    const size = wireType === FIXED64 ? 8 : wireType === FIXED32 ? 4 : rest.length - varintAt(rest)[1].length;
    values.push(take(rest, size));
    rest = rest.subarray(size);
  }
  return values;
}

function knows(type: DescEnum | undefined, value: Buffer): boolean {
  if (type === undefined || type.open) return true;
  const number = Number(BigInt.asIntN(32, varintAt(value)[0]));
  return type.values.some((known) => known.number === number);
}

function entry(registry: FileRegistry, field: DescField & { fieldKind: "map" }, content: Buffer): Buffer | undefined {
  let key: Buffer | undefined;
  let values: Buffer[] = [];
  const valueType = field.message === undefined ? wireTypeOf(field.scalar) : BYTES;
  for (const { number, wireType, content: value } of recordsOf(content)) {
    if (number === 1 && wireType === wireTypeOf(field.mapKey)) key = value;
    if (number !== 2 || wireType !== valueType) continue;
    if (field.message === undefined) values = [value];
    else values.push(fieldsOf(registry, field.message, value));
  }
  const last = values.at(-1);
  if (field.enum !== undefined && last !== undefined && !knows(field.enum, last)) return undefined;
  const keyType = wireTypeOf(field.mapKey);
  const parts = values.map((value) =>
    valueType === BYTES ? bytes(2, value) : Buffer.concat([tag(2, valueType), value]),
  );
  if (key !== undefined) parts.unshift(keyType === BYTES ? bytes(1, key) : Buffer.concat([tag(1, keyType), key]));
  return bytes(field.number, ...parts);
}

function any(registry: FileRegistry, kept: readonly { readonly number: number; readonly content: Buffer }[]): Buffer {
  const url = kept.findLast(({ number }) => number === 1)?.content;
  const value = kept.findLast(({ number }) => number === 2)?.content;
  const held = url && registry.getMessage(url.toString().replace(/^.*\//s, ""));
  return Buffer.concat([
    url === undefined ? Buffer.alloc(0) : bytes(1, url),
    value === undefined ? Buffer.alloc(0) : bytes(2, held === undefined ? value : contentOfAny(registry, held, value)),
  ]);
}

/** What an Any holds is read when its JSON is written, not before: another Any may have replaced it by then. */
function contentOfAny(registry: FileRegistry, held: DescMessage, value: Buffer): Buffer {
  try {
    return fieldsOf(registry, held, value);
  } catch {
    hasMalformedAny = true;
    return Buffer.from([0xff]); // half a tag, which nobody takes
  }
}
