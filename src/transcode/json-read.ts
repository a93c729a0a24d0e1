import type { DescEnum, DescField, DescMessage, Registry } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { GatewayError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { createAnyReader, type Lazy } from "./json-read-any.ts";
import { compileField, compileMessage, compileWrapper, type CompileContext, type Field } from "./json-read-compile.ts";
import { malformed, notUtf8, refuse } from "./json-read-error.ts";
import { input, loadJson } from "./json-read-input.ts";
import { resetKeys } from "./json-read-keys.ts";
import { createEnumTable, type EnumTable } from "./json-read-names.ts";
import type { Read } from "./json-read-scalar.ts";
import { span } from "./json-read-string.ts";
import { readListValue, readStruct, readValue } from "./json-read-struct.ts";
import { skip, skipSpace } from "./json-read-syntax.ts";
import { readDuration, readFieldMask, readTimestamp } from "./json-read-well-known.ts";
import type { JsonOptions } from "./options.ts";
import { ROOM, wire } from "./wire.ts";

/**
 * Reads the one JSON value in [start, end) of `json` by the ProtoJSON mapping and appends its protobuf bytes to `wire`.
 * Throws BODY_MALFORMED for what is no JSON, FIELD_INVALID and FIELD_UNKNOWN for JSON that is not such a message, each
 * with the path of the place; `wire.length` is then as it was.
 */
export type JsonReader = (json: Uint8Array, start: number, end: number) => void;

/** Readers of one schema's messages, each compiled when it is first used. */
export interface JsonReaders {
  /** Reads the message's JSON and appends its fields. */
  message(desc: DescMessage): JsonReader;
  /** Reads the JSON of one field's value and appends the field, tag included. */
  field(desc: DescMessage, field: DescField): JsonReader;
  /** As JsonWriters.warm. */
  warm(): Generator<void, void>;
}

/** Types whose JSON is not an object of their fields. */
const OWN_JSON: ReadonlyMap<string, Read> = new Map([
  ["google.protobuf.Timestamp", readTimestamp],
  ["google.protobuf.Duration", readDuration],
  ["google.protobuf.FieldMask", readFieldMask],
  ["google.protobuf.Struct", readStruct],
  ["google.protobuf.Value", readValue],
  ["google.protobuf.ListValue", readListValue],
]);
const ANY = "google.protobuf.Any";

/** Gives the readers of a schema: `registry` resolves extensions and what an Any holds. */
export function createJsonReaders(registry: Registry, options: JsonOptions): JsonReaders {
  const ignoreUnknown = options.unknownFields === "ignore";
  const readers = new Map<DescMessage | Field, Lazy>();
  const enums = new Map<DescEnum, EnumTable>();

  const lazy = (desc: DescMessage | Field, compile: () => Read): Lazy => {
    let reader = readers.get(desc);
    if (reader === undefined) {
      const made: Lazy = { read: (o) => (made.read = compile())(o) };
      readers.set(desc, (reader = made));
    }
    return reader;
  };
  const readerOf = (desc: DescMessage): Lazy =>
    lazy(desc, () => {
      if (desc.typeName === ANY) {
        const hasOwnJson = ({ typeName }: DescMessage): boolean => typeName === ANY || OWN_JSON.has(typeName);
        return createAnyReader({
          registry,
          readerOf,
          ignoreUnknown,
          hasOwnJson: (held) => hasOwnJson(held) || isWrapperDesc(held),
        });
      }
      return OWN_JSON.get(desc.typeName) ?? (isWrapperDesc(desc) ? compileWrapper : compileMessage)(desc, context);
    });
  const fieldReaderOf = (field: Field): Lazy => lazy(field, () => compileField(field, context));
  const context: CompileContext = {
    readerOf,
    enumTableOf(desc) {
      const table = enums.get(desc) ?? createEnumTable(desc, ignoreUnknown, options);
      enums.set(desc, table);
      return table;
    },
    unknown(desc, object, name, o, seen) {
      const { at } = input;
      const text = nameAt(name);
      input.at = at;
      if (text === "@type" && object === input.any) {
        skip();
        return o;
      }
      // With a sign in front, for V8 hashes digits alone as an array index, and a client could make those collide.
      const key = `.${text}`;
      if (seen.has(key)) refuse("FIELD_INVALID", name, "given twice");
      seen.add(key);
      const extension =
        text.startsWith("[") && text.endsWith("]") ? registry.getExtension(text.slice(1, -1)) : undefined;
      if (extension?.extendee.typeName === desc.typeName) {
        return fieldReaderOf(extension).read(o);
      }
      if (!ignoreUnknown) {
        const names = desc.fields.map((field) => (options.names === "proto" ? field.name : field.jsonName));
        refuse("FIELD_UNKNOWN", name, `unknown field${didYouMean(text, names)}`);
      }
      skip();
      return o;
    },
  };

  return {
    message: (desc) => reading("", readerOf(desc)),
    field: (_, field) => reading(options.names === "proto" ? field.name : field.jsonName, fieldReaderOf(field)),
    *warm() {
      // Compiling one adds those that it calls.
      for (const reader of readers.values()) {
        warmUp(reading("", reader));
        yield;
      }
    },
  };
}

const EMPTY_OBJECT = Buffer.from("{}");

/** V8, too, compiles a function when it is first called: hence with a text. */
function warmUp(reader: JsonReader): void {
  const { length } = wire;
  try {
    reader(EMPTY_OBJECT, 0, EMPTY_OBJECT.length);
  } catch (error) {
    // Not every type is an object in JSON; its reader is warm all the same.
    if (!(error instanceof GatewayError)) throw error;
  } finally {
    wire.length = length;
  }
}

/** The name whose opening quote is at `name`. */
function nameAt(name: number): string {
  input.at = name;
  span("a name");
  return input.text.utf8Slice(input.from, input.to);
}

function reading(root: string, reader: Lazy): JsonReader {
  return (json, start, end) => {
    if (!loadJson(json, start, end, root)) notUtf8();
    resetKeys();
    wire.grow(wire.length, ROOM);
    input.at = skipSpace(0);
    const o = reader.read(wire.length);
    const last = skipSpace(input.at);
    if (last !== input.end) malformed(last, "nothing after the value");
    wire.length = o;
  };
}
