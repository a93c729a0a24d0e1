import {
  FeatureSet_FieldPresence as FieldPresence,
  FeatureSet_MessageEncoding as MessageEncoding,
  FeatureSet_RepeatedFieldEncoding as RepeatedFieldEncoding,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FieldOptionsSchema,
  type FieldDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { isFieldSet } from "@bufbuild/protobuf";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { didYouMean } from "../../core/suggest.ts";
import { featureOf } from "./features.ts";
import { isPackable, isZero, scalarValue, wireTypeOf, writeScalar } from "./option-value.ts";
import { SyntaxFailure } from "./source.ts";
import type { FieldSymbol, MessageSymbol, SymbolTable } from "./symbols.ts";
import type { Aggregate, AggregateField, FileUnit, Literal } from "./unit.ts";

type Value = Literal | Aggregate;

const ANY_PREFIXES = ["type.googleapis.com/", "type.googleprod.com/"];

/** Writes messages in text format, as they stand in options, as protobuf's wire format. */
export class AggregateEncoder {
  private readonly table: SymbolTable;
  private readonly unit: FileUnit;

  /** `unit` is the file that holds the option: names of extensions count as it sees them. */
  constructor(table: SymbolTable, unit: FileUnit) {
    this.table = table;
    this.unit = unit;
  }

  /**
   * The bytes protoc would write: fields by number, those without presence only where they are not zero.
   *
   * @throws SyntaxFailure for what the message cannot hold.
   */
  encode(message: MessageSymbol, aggregate: Aggregate): Uint8Array {
    const any = aggregate.fields.find(({ form }) => form === "any");
    if (any !== undefined) return this.encodeAny(message, aggregate, any);
    const given = new Map<number, { field: FieldSymbol; values: Value[] }>();
    for (const part of aggregate.fields) {
      const field = this.findField(message, part);
      if (field === undefined) continue;
      this.checkOnce(message, field, part, given);
      const { values } = given.get(field.desc.number) ?? { values: [] };
      given.set(field.desc.number, { field, values: [...values, ...part.values] });
    }
    if (message.desc.options?.mapEntry === true) this.completeEntry(message, aggregate, given);
    checkRequired(message, aggregate, given);
    const writer = new BinaryWriter();
    const isMessageSet = message.desc.options?.messageSetWireFormat === true;
    for (const [, { field, values }] of [...given].sort(([a], [b]) => a - b)) {
      if (isMessageSet) this.writeSetItem(writer, field, values);
      else this.write(writer, field, values);
    }
    return writer.finish();
  }

  /** Writes one message field with its tag. */
  writeMessage(writer: BinaryWriter, field: FieldSymbol, bytes: Uint8Array): void {
    const { number } = field.desc;
    if (!this.isDelimited(field)) writer.tag(number, WireType.LengthDelimited).bytes(bytes);
    else writer.tag(number, WireType.StartGroup).raw(bytes).tag(number, WireType.EndGroup);
  }

  /** The message that is the type of a field. */
  typeOf(field: FieldSymbol): MessageSymbol {
    const found = this.table.message(field.desc.typeName.slice(1));
    if (found === undefined) throw new Error(`${field.name} is no message field`);
    return found;
  }

  /** Undefined for a reserved name, which text format skips. */
  private findField(message: MessageSymbol, part: AggregateField): FieldSymbol | undefined {
    if (part.form === "extension") return this.findExtension(message, part);
    const found = this.table.get(`${message.name}.${part.name}`);
    if (found?.kind === "field" && found.desc.type !== Type.GROUP) return found;
    // A group goes by the name of its message.
    const group = this.table.get(`${message.name}.${part.name.toLowerCase()}`);
    if (group?.kind === "field" && (found === group || this.isGroupNamed(group, part.name))) return group;
    if (message.desc.reservedName.includes(part.name)) return undefined;
    const hint = didYouMean(
      part.name,
      message.desc.field.map(({ name }) => name),
    );
    throw new SyntaxFailure(part.offset, `message "${message.name}" has no field "${part.name}"${hint}`);
  }

  private findExtension(message: MessageSymbol, part: AggregateField): FieldSymbol {
    // As protoc: the scopes around the extended message are searched, not those around the option.
    const { symbol } = this.table.resolve(part.name, message.name, this.unit, false);
    if (symbol?.kind === "extension" && symbol.desc.extendee === `.${message.name}`) return symbol;
    throw new SyntaxFailure(part.offset, `message "${message.name}" has no extension "${part.name}"`);
  }

  private checkOnce(
    message: MessageSymbol,
    field: FieldSymbol,
    part: AggregateField,
    given: ReadonlyMap<number, { field: FieldSymbol }>,
  ): void {
    if (field.desc.label === Label.REPEATED) return;
    if (part.isList) throw new SyntaxFailure(part.offset, `"${field.name}" is not repeated and takes no list`);
    if (given.has(field.desc.number)) throw new SyntaxFailure(part.offset, `"${field.name}" is set twice`);
    if (field.kind === "extension" || !hasOneof(field.desc)) return;
    for (const { field: other } of given.values()) {
      if (other.kind === "extension" || !hasOneof(other.desc) || other.desc.oneofIndex !== field.desc.oneofIndex)
        continue;
      const oneof = message.desc.oneofDecl[field.desc.oneofIndex]?.name;
      throw new SyntaxFailure(
        part.offset,
        `"${field.desc.name}" and "${other.desc.name}" are both of oneof "${oneof}"`,
      );
    }
  }

  /** An entry of a map is written with key and value, also where the text leaves one out. */
  private completeEntry(
    entry: MessageSymbol,
    { offset }: Aggregate,
    given: Map<number, { field: FieldSymbol; values: Value[] }>,
  ): void {
    for (const { name, number, type } of entry.desc.field) {
      const field = this.table.get(`${entry.name}.${name}`);
      if (given.has(number) || field?.kind !== "field") continue;
      given.set(number, { field, values: [zeroOf(type, offset)] });
    }
  }

  private write(writer: BinaryWriter, field: FieldSymbol, values: readonly Value[]): void {
    const { number, type, label } = field.desc;
    if (type === Type.MESSAGE || type === Type.GROUP) {
      for (const value of values) this.writeMessage(writer, field, this.messageBytes(field, value));
      return;
    }
    const scalars = values.map((value) => {
      if (value.kind !== "aggregate") return scalarValue(field, value, this.table, true);
      throw new SyntaxFailure(value.offset, `"${field.name}" is no message, found a message in braces`);
    });
    if (label === Label.REPEATED && isPacked(field)) {
      if (scalars.length === 0) return;
      writer.tag(number, WireType.LengthDelimited).fork();
      for (const value of scalars) writeScalar(writer, type, value);
      writer.join();
      return;
    }
    for (const value of scalars) {
      if (label !== Label.REPEATED && isZero(value) && !hasPresence(field)) continue;
      writer.tag(number, wireTypeOf(type));
      writeScalar(writer, type, value);
    }
  }

  /** An item of a MessageSet: `group Item = 1 { type_id = 2; message = 3; }` (wire_format.h, "MessageSet"). */
  private writeSetItem(writer: BinaryWriter, field: FieldSymbol, values: readonly Value[]): void {
    for (const value of values) {
      writer.tag(1, WireType.StartGroup);
      writer.tag(2, WireType.Varint).uint32(field.desc.number);
      writer.tag(3, WireType.LengthDelimited).bytes(this.messageBytes(field, value));
      writer.tag(1, WireType.EndGroup);
    }
  }

  private isGroupNamed(field: FieldSymbol, name: string): boolean {
    return this.isDelimited(field) && field.desc.typeName.endsWith(`.${name}`);
  }

  /** Whether a message field is written between group tags. Neither maps nor what they hold ever are. */
  private isDelimited(field: FieldSymbol): boolean {
    if (field.desc.type === Type.GROUP) return true;
    if (field.desc.type !== Type.MESSAGE || featureOf(field, "messageEncoding") !== MessageEncoding.DELIMITED)
      return false;
    const inMapEntry = field.parent?.kind === "message" && field.parent.desc.options?.mapEntry === true;
    return !inMapEntry && this.typeOf(field).desc.options?.mapEntry !== true;
  }

  private messageBytes(field: FieldSymbol, value: Value): Uint8Array {
    if (value.kind === "aggregate") return this.encode(this.typeOf(field), value);
    throw new SyntaxFailure(value.offset, `"${field.name}" takes a message in braces, found ${value.text}`);
  }

  /** `[type.googleapis.com/pkg.Type] { … }`: a google.protobuf.Any and what it packs. */
  private encodeAny(message: MessageSymbol, aggregate: Aggregate, part: AggregateField): Uint8Array {
    const slash = part.name.lastIndexOf("/") + 1;
    const [value] = part.values;
    if (message.name !== "google.protobuf.Any" || aggregate.fields.length !== 1 || value?.kind !== "aggregate") {
      throw new SyntaxFailure(part.offset, `[${part.name}] { … } stands alone in a google.protobuf.Any`);
    }
    const found = this.table.resolve(`.${part.name.slice(slash)}`, "", this.unit, true);
    if (!ANY_PREFIXES.includes(part.name.slice(0, slash)) || found.symbol?.kind !== "message") {
      throw new SyntaxFailure(part.offset, `unknown type "${part.name}"; expected ${ANY_PREFIXES[0]} and a message`);
    }
    const writer = new BinaryWriter();
    writer.tag(1, WireType.LengthDelimited).string(part.name);
    const packed = this.encode(found.symbol, value);
    if (packed.length > 0) writer.tag(2, WireType.LengthDelimited).bytes(packed);
    return writer.finish();
  }
}

function zeroOf(type: Type, offset: number): Value {
  switch (type) {
    case Type.MESSAGE:
      return { kind: "aggregate", fields: [], offset };
    case Type.STRING:
    case Type.BYTES:
      return { kind: "string", bytes: new Uint8Array(0), text: '""', offset };
    default:
      // Read as text, 0 is a value of every number, of bool, and of every enum that a map may hold.
      return { kind: "integer", value: 0n, text: "0", offset };
  }
}

function isPacked(field: FieldSymbol): boolean {
  const { options, type } = field.desc;
  if (!isPackable(type)) return false;
  if (options !== undefined && isFieldSet(options, FieldOptionsSchema.field.packed)) return options.packed;
  return featureOf(field, "repeatedFieldEncoding") === RepeatedFieldEncoding.PACKED;
}

function hasOneof(field: FieldDescriptorProto): boolean {
  return Object.hasOwn(field, "oneofIndex");
}

function hasPresence(field: FieldSymbol): boolean {
  if (field.kind === "extension" || hasOneof(field.desc) || field.desc.label === Label.REQUIRED) return true;
  if (field.parent?.kind === "message" && field.parent.desc.options?.mapEntry === true) return true;
  return featureOf(field, "fieldPresence") !== FieldPresence.IMPLICIT;
}

function checkRequired(message: MessageSymbol, aggregate: Aggregate, given: ReadonlyMap<number, unknown>): void {
  const missing = message.desc.field.filter(({ label, number }) => label === Label.REQUIRED && !given.has(number));
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => `"${name}"`).join(", ");
  throw new SyntaxFailure(aggregate.offset, `message "${message.name}" needs ${names}`);
}
