import { ScalarType } from "@bufbuild/protobuf";
import { input } from "./json-read-input.ts";
import * as number from "./json-read-number.ts";
import { readBytes, readString, span } from "./json-read-string.ts";
import { wrong } from "./json-read-syntax.ts";
import { wire } from "./wire.ts";

/** Reads a value at `input.at`, writes it at offset `o` of the wire buffer and gives the offset behind it. */
export type Read = (o: number) => number;

interface ScalarRow {
  /** 0 varint, 1 64-bit, 2 length, 5 32-bit. */
  readonly wireType: number;
  readonly read: Read;
}

/** How each kind of scalar is read from JSON, without a tag. Numbers may stand in quotes, so map keys read alike. */
export const scalars: Readonly<Record<ScalarType, ScalarRow>> = {
  [ScalarType.DOUBLE]: { wireType: 1, read: number.readDouble },
  [ScalarType.FLOAT]: { wireType: 5, read: number.readFloat },
  [ScalarType.INT64]: { wireType: 0, read: number.readInt64 },
  [ScalarType.UINT64]: { wireType: 0, read: number.readUint64 },
  [ScalarType.INT32]: { wireType: 0, read: number.readInt32 },
  [ScalarType.FIXED64]: { wireType: 1, read: number.readFixed64 },
  [ScalarType.FIXED32]: { wireType: 5, read: number.readFixed32 },
  [ScalarType.BOOL]: { wireType: 0, read: readBool },
  [ScalarType.STRING]: { wireType: 2, read: readString },
  [ScalarType.BYTES]: { wireType: 2, read: readBytes },
  [ScalarType.UINT32]: { wireType: 0, read: number.readUint32 },
  [ScalarType.SFIXED32]: { wireType: 5, read: number.readSfixed32 },
  [ScalarType.SFIXED64]: { wireType: 1, read: number.readSfixed64 },
  [ScalarType.SINT32]: { wireType: 0, read: number.readSint32 },
  [ScalarType.SINT64]: { wireType: 0, read: number.readSint64 },
};

const BOOL = "true or false";

function readBool(o: number): number {
  const { bytes, at } = input;
  if (bytes[at] === 0x74 && bytes[at + 1] === 0x72 && bytes[at + 2] === 0x75 && bytes[at + 3] === 0x65) {
    wire.bytes[o] = 1;
    input.at = at + 4;
  } else {
    const isFalse = bytes[at] === 0x66 && bytes[at + 1] === 0x61 && bytes[at + 2] === 0x6c && bytes[at + 3] === 0x73;
    if (!isFalse || bytes[at + 4] !== 0x65) wrong(at, BOOL);
    wire.bytes[o] = 0;
    input.at = at + 5;
  }
  return o + 1;
}

/** Reads `"true"` or `"false"`, as a map has it for a key. */
export function readBoolKey(o: number): number {
  const { at } = input;
  span(BOOL);
  return putBool(at, o);
}

/** Writes the bool of the text that `span` left: `true` or `false`; `at` is where to blame it. */
export function putBool(at: number, o: number): number {
  const { text, from, to } = input;
  const word = to - from > 5 ? "" : text.latin1Slice(from, to);
  if (word !== "true" && word !== "false") wrong(at, BOOL);
  wire.bytes[o] = word === "true" ? 1 : 0;
  return o + 1;
}
