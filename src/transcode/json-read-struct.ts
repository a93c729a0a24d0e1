// google.protobuf.Struct, Value and ListValue: any JSON (struct.proto).

import { malformed, tooDeep } from "./json-read-error.ts";
import { input, MAX_DEPTH } from "./json-read-input.ts";
import { readPlainNumber } from "./json-read-number.ts";
import { readString } from "./json-read-string.ts";
import { colon, skip, skipSpace, wrong } from "./json-read-syntax.ts";
import { addKey, type Keys } from "./json-read-keys.ts";
import { close, ROOM, wire } from "./wire.ts";

/** Reads any JSON value at `input.at` as a Value. */
export function readValue(o: number): number {
  const out = wire.bytes;
  switch (input.bytes[input.at]) {
    case 0x22: // string_value = 3
      out[o] = 0x1a;
      return readString(o + 1);
    case 0x7b: // struct_value = 5
      out[o] = 0x2a;
      return close(o + 1, readStruct(o + 2));
    case 0x5b: // list_value = 6
      out[o] = 0x32;
      return close(o + 1, readListValue(o + 2));
    case 0x74: // bool_value = 4
    case 0x66:
      out[o] = 0x20;
      out[o + 1] = input.bytes[input.at] === 0x74 ? 1 : 0;
      skip();
      return o + 2;
    case 0x6e: // null_value = 1
      out[o] = 0x08;
      out[o + 1] = 0;
      skip();
      return o + 2;
    default: // number_value = 2
      out[o] = 0x11;
      wire.view.setFloat64(o + 1, readPlainNumber("a JSON value"), true);
      return o + 9;
  }
}

/** Reads an object at `input.at` as a Struct. */
export function readStruct(o: number): number {
  const { bytes, at: start } = input;
  if (bytes[start] !== 0x7b) wrong(start, "an object");
  if (++input.depth > MAX_DEPTH) tooDeep(start);
  let at = skipSpace(start + 1);
  const first = o;
  let keys: Keys = 0;
  if (bytes[at] === 0x7d) at++;
  else {
    for (;;) {
      if (bytes[at] !== 0x22) malformed(at, "a name in double quotes");
      // fields = 1, a map: its entries have the key as field 1 and the value as field 2
      const entry = o;
      wire.grow(o, ROOM)[o] = 0x0a;
      wire.bytes[o + 2] = 0x0a;
      input.at = at;
      o = readString(o + 3);
      keys = addKey(keys, first, entry, 1, o, at);
      input.at = colon(input.at);
      wire.grow(o, ROOM)[o] = 0x12;
      o = close(o + 1, readValue(o + 2));
      o = close(entry + 1, o);
      at = skipSpace(input.at);
      if (bytes[at] === 0x7d) break;
      if (bytes[at] !== 0x2c) malformed(at, '"," or "}"');
      at = skipSpace(at + 1);
    }
    at++;
  }
  input.depth--;
  input.at = at;
  return o;
}

/** Reads an array at `input.at` as a ListValue. */
export function readListValue(o: number): number {
  const { bytes, at: start } = input;
  if (bytes[start] !== 0x5b) wrong(start, "an array");
  if (++input.depth > MAX_DEPTH) tooDeep(start);
  let at = skipSpace(start + 1);
  if (bytes[at] === 0x5d) at++;
  else {
    for (;;) {
      input.at = at;
      wire.grow(o, ROOM)[o] = 0x0a; // values = 1
      o = close(o + 1, readValue(o + 2));
      at = skipSpace(input.at);
      if (bytes[at] === 0x5d) break;
      if (bytes[at] !== 0x2c) malformed(at, '"," or "]"');
      at = skipSpace(at + 1);
    }
    at++;
  }
  input.depth--;
  input.at = at;
  return o;
}
