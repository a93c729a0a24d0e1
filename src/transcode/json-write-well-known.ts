// The types of google/protobuf/*.proto whose JSON is not that of their fields (ProtoJSON, "JSON Mapping"). Each function
// is a `WriteMessage`; Timestamp and Duration are in json-write-time.ts, the wrappers are generated.
import type { WriteMessage } from "./json-write-generate.ts";
import { IRREGULAR, keys } from "./json-write-keys.ts";
import { NUMBER_ROOM, writeDouble } from "./json-write-numbers.ts";
import { TAIL_ROOM, writeString } from "./json-write-text.ts";
import { sink } from "./sink.ts";
import {
  cursor,
  skipField,
  tooDeep,
  truncated,
  varint,
  varintLength,
  varintTag,
  viewOf,
  WireError,
} from "./wire-scan.ts";

const FIRST_BYTES = 10; // tag of a length-delimited field 1
const SECOND_BYTES = 18;
const Kind = { Null: 8, Number: 17, String: 26, Bool: 32, Struct: 42, List: 50 } as const;

const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;
const UNDERSCORE = 95;
const UPPER_A = 65;
const UPPER_Z = 90;
const LOWER_A = 97;
const LOWER_Z = 122;
const NOT_IN_PATHS = Buffer.from('",\\');

export const writeStruct: WriteMessage = (bytes, p, e, o, depth) => {
  if (depth < 0) throw tooDeep();
  let out = makeRoom(o);
  out.setUint8(o++, OPEN_OBJECT);
  const first = o;
  const map = keys.open();
  while (p < e) {
    if (bytes[p] !== FIRST_BYTES) {
      p = skipOther(bytes, p, e);
      continue;
    }
    p = readLength(bytes, p + 1, e);
    const entryEnd = cursor.next;
    const from = o;
    if (p < entryEnd && bytes[p] === FIRST_BYTES) {
      p = readLength(bytes, p + 1, entryEnd);
      o = writeString(bytes, p, cursor.next, o);
      p = cursor.next;
    } else {
      out.setUint8(o++, QUOTE);
      out.setUint8(o++, QUOTE);
    }
    out = sink.view;
    keys.add(map, out, from, o);
    out.setUint8(o++, COLON);
    if (p === entryEnd) throw noKind();
    if (bytes[p] !== SECOND_BYTES) throw IRREGULAR;
    p = readLength(bytes, p + 1, entryEnd);
    const valueEnd = cursor.next;
    o = writeValue(bytes, p, valueEnd, o, depth - 1);
    if (valueEnd !== entryEnd) throw IRREGULAR;
    p = entryEnd;
    sink.view.setUint8(o++, COMMA);
    out = makeRoom(o);
  }
  if (p !== e) throw truncated();
  keys.close(map);
  if (o > first) o--;
  out.setUint8(o, CLOSE_OBJECT);
  return o + 1;
};

export const writeListValue: WriteMessage = (bytes, p, e, o, depth) => {
  if (depth < 0) throw tooDeep();
  let out = makeRoom(o);
  out.setUint8(o++, OPEN_LIST);
  const first = o;
  while (p < e) {
    if (bytes[p] !== FIRST_BYTES) {
      p = skipOther(bytes, p, e);
      continue;
    }
    p = readLength(bytes, p + 1, e);
    const valueEnd = cursor.next;
    o = writeValue(bytes, p, valueEnd, o, depth - 1);
    p = valueEnd;
    sink.view.setUint8(o++, COMMA);
    out = makeRoom(o);
  }
  if (p !== e) throw truncated();
  if (o > first) o--;
  out.setUint8(o, CLOSE_LIST);
  return o + 1;
};

/** Nesting is counted by the objects and arrays of the JSON, as the reader does: a Value itself adds none. */
export const writeValue: WriteMessage = (bytes, p, e, o, depth) => {
  const first = o;
  while (p < e) {
    const before = o;
    const kind = bytes[p];
    switch (kind) {
      case Kind.String:
        p = readLength(bytes, p + 1, e);
        o = writeString(bytes, p, cursor.next, o);
        p = cursor.next;
        break;
      case Kind.Number: {
        if (p + 9 > e) throw truncated();
        const value = viewOf(bytes).getFloat64(p + 1, true);
        if (!Number.isFinite(value)) throw new WireError("google.protobuf.Value: number_value is not finite");
        o = writeDouble(value, makeRoom(o), o);
        p += 9;
        break;
      }
      case Kind.Bool: {
        const low = varint(bytes, p + 1);
        p = cursor.next;
        o = (low | cursor.high) === 0 ? writeFalse(o) : writeWord(TRUE, o);
        break;
      }
      case Kind.Null:
        varint(bytes, p + 1);
        p = cursor.next;
        o = writeWord(NULL, o);
        break;
      case Kind.Struct:
      case Kind.List: {
        p = readLength(bytes, p + 1, e);
        const end = cursor.next;
        o = kind === Kind.Struct ? writeStruct(bytes, p, end, o, depth) : writeListValue(bytes, p, end, o, depth);
        p = end;
        break;
      }
      default:
        p = skipOther(bytes, p, e);
    }
    // A second kind: the last one wins, or messages merge.
    if (o !== before && before !== first) throw IRREGULAR;
  }
  if (p !== e) throw truncated();
  if (o === first) throw noKind();
  return o;
};

/** Paths in lowerCamelCase, joined by commas; refuses those that do not come back from it (field_mask.proto). */
export const writeFieldMask: WriteMessage = (bytes, p, e, o) => {
  sink.grow(o, e - p + TAIL_ROOM);
  const out = sink.view;
  out.setUint8(o++, QUOTE);
  const first = o;
  while (p < e) {
    if (bytes[p] !== FIRST_BYTES) {
      p = skipOther(bytes, p, e);
      continue;
    }
    p = readLength(bytes, p + 1, e);
    const end = cursor.next;
    if (o > first) out.setUint8(o++, COMMA);
    if (p === end) throw new WireError("google.protobuf.FieldMask: a path is empty");
    for (; p < end; p++) {
      let byte = bytes[p] as number;
      if (byte === UNDERSCORE) {
        byte = p + 1 < end ? (bytes[++p] as number) : 0;
        if (byte < LOWER_A || byte > LOWER_Z) throw irreversible();
        byte -= LOWER_A - UPPER_A;
      } else if ((byte >= UPPER_A && byte <= UPPER_Z) || byte <= 32 || byte > 126 || NOT_IN_PATHS.includes(byte)) {
        throw irreversible();
      }
      out.setUint8(o++, byte);
    }
  }
  if (p !== e) throw truncated();
  out.setUint8(o, QUOTE);
  return o + 1;
};

/** What a type URL names: how its JSON is written, and whether it goes under the key `value`. */
export interface AnyContent {
  readonly write: WriteMessage;
  readonly special: boolean;
}

/** Makes the writer of google.protobuf.Any; `find` knows messages by full name. */
export function anyWriter(find: (typeName: string) => AnyContent | undefined): WriteMessage {
  return (bytes, p, e, o, depth) => {
    if (depth < 0) throw tooDeep();
    let [url, urlEnd, value, valueEnd] = [p, p, p, p];
    while (p < e) {
      const tag = bytes[p];
      if (tag !== FIRST_BYTES && tag !== SECOND_BYTES) {
        p = skipOther(bytes, p, e);
        continue;
      }
      p = readLength(bytes, p + 1, e);
      if (tag === FIRST_BYTES) [url, urlEnd] = [p, cursor.next];
      else [value, valueEnd] = [p, cursor.next];
      p = cursor.next;
    }
    if (p !== e) throw truncated();
    if (url === urlEnd) {
      if (value !== valueEnd) throw new WireError("google.protobuf.Any: a value without a type_url");
      return writeAscii("{}", o);
    }
    const content = find(typeNameOf(bytes, url, urlEnd));
    if (content === undefined) {
      const shown = JSON.stringify(bytes.latin1Slice(url, Math.min(urlEnd, url + 200)));
      throw new WireError(`google.protobuf.Any: type_url ${shown} names no known message`);
    }
    o = writeString(bytes, url, urlEnd, writeAscii('{"@type":', o));
    if (content.special) {
      o = content.write(bytes, value, valueEnd, writeAscii(',"value":', o), depth - 1);
      return writeAscii("}", o);
    }
    const end = content.write(bytes, value, valueEnd, o, depth - 1);
    // `{…}` becomes `,…}`; of `{}` only the brace stays.
    sink.view.setUint8(o, end - o > 2 ? COMMA : CLOSE_OBJECT);
    return end - o > 2 ? end : o + 1;
  };
}

/** What stands behind the last slash of a type URL; "", which names nothing, where there is none. */
export function typeNameOf(bytes: Buffer, url: number, urlEnd: number): string {
  const text = bytes.latin1Slice(url, urlEnd);
  return text.includes("/") ? text.slice(text.lastIndexOf("/") + 1) : "";
}

function readLength(bytes: Buffer, p: number, e: number): number {
  const length = varintLength(bytes, p);
  const start = cursor.next;
  if (start + length > e) throw truncated();
  cursor.next = start + length;
  return start;
}

/** Skips a field that is not expected where it stands, tag included. A known one in a long form goes the slow way. */
function skipOther(bytes: Buffer, p: number, e: number): number {
  const tag = varintTag(bytes, p);
  if (cursor.next > p + 1 && tag < 128) throw IRREGULAR;
  return skipField(bytes, cursor.next, e, tag);
}

/** Makes room for one number, a few words of JSON's own, and the usual rest. */
function makeRoom(o: number): DataView {
  if (o + NUMBER_ROOM + TAIL_ROOM > sink.size) sink.grow(o, NUMBER_ROOM + TAIL_ROOM);
  return sink.view;
}

// The letters of these words, as writing 32 bits at once wants them.
const TRUE = 0x74727565;
const NULL = 0x6e756c6c;

function writeWord(word: number, o: number): number {
  makeRoom(o).setUint32(o, word);
  return o + 4;
}

function writeFalse(o: number): number {
  const out = makeRoom(o);
  out.setUint32(o, 0x66616c73);
  out.setUint8(o + 4, 0x65);
  return o + 5;
}

/** Writes up to NUMBER_ROOM bytes of ASCII. */
function writeAscii(text: string, o: number): number {
  const out = makeRoom(o);
  for (let i = 0; i < text.length; i++) out.setUint8(o + i, text.charCodeAt(i));
  return o + text.length;
}

function noKind(): WireError {
  return new WireError("google.protobuf.Value: no kind is set");
}

function irreversible(): WireError {
  return new WireError("google.protobuf.FieldMask: a path does not come back from lowerCamelCase");
}
