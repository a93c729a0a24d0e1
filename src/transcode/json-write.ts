import type { DescExtension, DescField, DescMessage, Registry } from "@bufbuild/protobuf";
import { createForms, zeroJson } from "./json-write-forms.ts";
import { type AnyField, generateWriter, type WriteMessage, type WriterSlot } from "./json-write-generate.ts";
import { IRREGULAR, keys } from "./json-write-keys.ts";
import { writeDuration, writeTimestamp } from "./json-write-time.ts";
import { anyWriter, writeFieldMask, writeListValue, writeStruct, writeValue } from "./json-write-well-known.ts";
import type { JsonOptions } from "./options.ts";
import { sink } from "./sink.ts";
import { createNormalise } from "./wire-normalise.ts";
import { MAX_DEPTH, releaseView, WireError } from "./wire-scan.ts";

export { WireError };

/**
 * Appends the JSON of the message bytes[start, end) to the sink. Throws WireError where the bytes are malformed, or the
 * message has no JSON form; the sink is then as before.
 */
export type JsonWriter = (bytes: Uint8Array, start: number, end: number) => void;

/** Writers are compiled when they are first called, and kept. */
export interface JsonWriters {
  message(desc: DescMessage): JsonWriter;
  /**
   * Of a message, the value of one field alone (HttpRule.response_body). Where it is absent: "", 0, "0", false, [] or
   * {} by its type, the first name of an enum, null for a well-known type whose JSON is no object or array.
   */
  field(desc: DescMessage, field: DescField): JsonWriter;
  /**
   * Compiles the writers that were asked for and those that they call, one a step, so that no request has to wait for
   * it: `for (const _ of writers.warm()) await aWhile()`. What an Any holds is not known before.
   */
  warm(): Generator<void, void>;
}

/** Makes the writers of the messages of a registry, where the contents of Any and extensions are looked up as well. */
export function createJsonWriters(registry: Registry, options: JsonOptions): JsonWriters {
  const { emitDefaults } = options;
  const forms = createForms(options);
  const slots = new Map<DescMessage | DescField, WriterSlot>();
  const fields = new Map<DescMessage, ReadonlyMap<number, AnyField>>();
  const extensions = Map.groupBy(extensionsIn(registry), (extension) => extension.extendee.typeName);
  const normalise = createNormalise({ fieldsOf, messageOf: (typeName) => registry.getMessage(typeName) });
  const writeAny = anyWriter((typeName) => {
    const message = registry.getMessage(typeName);
    return message && { write: slotOf(message).write, special: SPECIAL.has(typeName) };
  });

  function fieldsOf(message: DescMessage): ReadonlyMap<number, AnyField> {
    let found = fields.get(message);
    if (found === undefined) {
      const all: AnyField[] = [...(extensions.get(message.typeName) ?? []), ...message.fields];
      found = new Map(all.map((field) => [field.number, field]));
      fields.set(message, found);
    }
    return found;
  }

  function nameOf(field: AnyField): string {
    return field.kind === "field" && options.names === "proto" ? field.name : field.jsonName;
  }

  function slotOf(message: DescMessage): WriterSlot {
    return lazy(message, () => compile(message));
  }

  function lazy(key: DescMessage | DescField, make: () => WriteMessage): WriterSlot {
    const known = slots.get(key);
    if (known !== undefined) return known;
    const slot: WriterSlot = {
      write(bytes, p, e, o, depth) {
        slot.write = make();
        return slot.write(bytes, p, e, o, depth);
      },
    };
    slots.set(key, slot);
    return slot;
  }

  function compile(message: DescMessage): WriteMessage {
    const special = SPECIAL.get(message.typeName);
    if (special === "any") return writeAny;
    if (typeof special === "function") return special;
    const [value] = message.fields;
    if (special === "wrapper" && value !== undefined) return compileField(value);
    return generateWriter({ fields: [...fieldsOf(message).values()], nameOf, slotOf, forms, emitDefaults });
  }

  function compileField(field: DescField): WriteMessage {
    return generateWriter({ fields: [field], nameOf, slotOf, forms, emitDefaults, bare: absentJson(field) });
  }

  function absentJson(field: DescField): string {
    if (field.fieldKind === "list") return "[]";
    if (field.fieldKind === "map") return "{}";
    if (field.fieldKind !== "message") return zeroJson(field, forms);
    const { typeName } = field.message;
    if (typeName === "google.protobuf.ListValue") return "[]";
    if (typeName === "google.protobuf.Struct" || typeName === "google.protobuf.Any") return "{}";
    return SPECIAL.has(typeName) ? "null" : "{}";
  }

  function entry(message: DescMessage, slot: WriterSlot): JsonWriter {
    return (bytes, start, end) => {
      const buffer = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      const { ascii } = sink;
      keys.reset();
      try {
        sink.length = slot.write(buffer, start, end, sink.length, MAX_DEPTH);
      } catch (error) {
        sink.ascii = ascii;
        if (error !== IRREGULAR && !(error instanceof WireError)) throw error;
        writeIrregular(message, slot, buffer.subarray(start, end), error);
      } finally {
        releaseView();
      }
    };
  }

  /** The second try, also after a refusal: a timestamp out of range, for one, may be replaced by what comes later. */
  function writeIrregular(message: DescMessage, slot: WriterSlot, bytes: Buffer, first: unknown): void {
    const { ascii } = sink;
    keys.distinct = true;
    try {
      const regular = normalise(message, bytes);
      sink.length = slot.write(regular, 0, regular.length, sink.length, MAX_DEPTH);
    } catch (error) {
      sink.ascii = ascii;
      if (first !== IRREGULAR) throw first;
      // Only what is malformed is irregular still, such as a map's entry that ends within its value.
      throw error === IRREGULAR ? new WireError("a field is malformed") : error;
    } finally {
      keys.distinct = false;
    }
  }

  return {
    message: (desc) => entry(desc, slotOf(desc)),
    field: (desc, field) =>
      entry(
        desc,
        lazy(field, () => compileField(field)),
      ),
    *warm() {
      // Compiling one adds those that it calls.
      for (const slot of slots.values()) {
        warmUp(slot);
        yield;
      }
    },
  };
}

/** V8, too, compiles a function when it is first called: hence with a message. */
function warmUp(slot: WriterSlot): void {
  keys.reset();
  try {
    slot.write(Buffer.alloc(0), 0, 0, sink.length, MAX_DEPTH);
  } catch (error) {
    // An empty google.protobuf.Value has no JSON; its writer is warm all the same.
    if (!(error instanceof WireError)) throw error;
  }
}

/** Messages whose JSON is not the object of their fields; in an Any it stands under `value`. */
const SPECIAL: ReadonlyMap<string, WriteMessage | "any" | "wrapper"> = new Map<
  string,
  WriteMessage | "any" | "wrapper"
>([
  ["google.protobuf.Any", "any"],
  ["google.protobuf.Timestamp", writeTimestamp],
  ["google.protobuf.Duration", writeDuration],
  ["google.protobuf.FieldMask", writeFieldMask],
  ["google.protobuf.Struct", writeStruct],
  ["google.protobuf.Value", writeValue],
  ["google.protobuf.ListValue", writeListValue],
  ["google.protobuf.DoubleValue", "wrapper"],
  ["google.protobuf.FloatValue", "wrapper"],
  ["google.protobuf.Int64Value", "wrapper"],
  ["google.protobuf.UInt64Value", "wrapper"],
  ["google.protobuf.Int32Value", "wrapper"],
  ["google.protobuf.UInt32Value", "wrapper"],
  ["google.protobuf.BoolValue", "wrapper"],
  ["google.protobuf.StringValue", "wrapper"],
  ["google.protobuf.BytesValue", "wrapper"],
]);

function* extensionsIn(registry: Registry): Generator<DescExtension> {
  for (const type of registry) if (type.kind === "extension") yield type;
}
