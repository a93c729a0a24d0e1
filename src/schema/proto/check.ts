import {
  FeatureSet_EnumType as EnumType,
  FeatureSet_JsonFormat as JsonFormat,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  Edition,
  FieldOptionsSchema,
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { isFieldSet } from "@bufbuild/protobuf";
import { editionOf, featureOf, usesEditions } from "./features.ts";
import { jsonNameOf } from "../json-name.ts";
import { isPackable } from "./option-value.ts";
import type { Problems } from "./source.ts";
import type { MessageSymbol, SymbolTable } from "./symbols.ts";
import type { FileUnit } from "./unit.ts";

const MAX_FIELD_NUMBER = 2 ** 29 - 1;
const MAX_INT32 = 2 ** 31 - 1;
// Between these the numbers belong to protobuf's own code.
const FIRST_INTERNAL = 19000;
const LAST_INTERNAL = 19999;

const MAP_KEYS: ReadonlySet<Type> = new Set([
  ...[Type.INT32, Type.INT64, Type.UINT32, Type.UINT64, Type.SINT32, Type.SINT64],
  ...[Type.FIXED32, Type.FIXED64, Type.SFIXED32, Type.SFIXED64, Type.BOOL, Type.STRING],
]);

/** Reports what reads well but is no valid declaration: numbers, reserved names, what an edition forbids. */
export function checkFile(unit: FileUnit, table: SymbolTable, problems: Problems): void {
  new Checker(unit, table, problems).checkFile();
}

interface NumberRange {
  readonly start: number;
  /** Not part of the range. */
  readonly end: number;
}

class Checker {
  private readonly unit: FileUnit;
  private readonly table: SymbolTable;
  private readonly problems: Problems;
  private readonly isProto3: boolean;
  /** Which extension has which number of which message. */
  private readonly extensions = new Map<string, string>();

  constructor(unit: FileUnit, table: SymbolTable, problems: Problems) {
    this.unit = unit;
    this.table = table;
    this.problems = problems;
    this.isProto3 = editionOf(unit.proto) === Edition.EDITION_PROTO3;
  }

  checkFile(): void {
    const { proto } = this.unit;
    const prefix = proto.package === "" ? "" : `${proto.package}.`;
    for (const message of proto.messageType) this.checkMessage(message, prefix);
    for (const enumeration of proto.enumType) this.checkEnum(enumeration, prefix);
    for (const extension of proto.extension) this.checkExtension(extension);
  }

  private complain(at: object, message: string): void {
    this.problems.add(this.unit.source, this.unit.offsets.get(at) ?? 0, message);
  }

  private checkMessage(message: DescriptorProto, prefix: string): void {
    const name = prefix + message.name;
    const symbol = this.table.message(name);
    if (symbol?.desc !== message) return; // a duplicate, reported already
    for (const field of message.field) this.checkField(field);
    if (message.options?.mapEntry === true) this.checkMapEntry(message);
    this.checkNumbers(message);
    this.checkRanges(message);
    this.checkJsonNames(symbol);
    if (this.isProto3 && message.extensionRange[0] !== undefined) {
      this.complain(message.extensionRange[0], "proto3 has no extension ranges");
    }
    for (const nested of message.nestedType) this.checkMessage(nested, `${name}.`);
    for (const enumeration of message.enumType) this.checkEnum(enumeration, `${name}.`);
    for (const extension of message.extension) this.checkExtension(extension);
  }

  private checkField(field: FieldDescriptorProto): void {
    const { name, number, label, type, options } = field;
    if (number < 1 || (field.extendee === "" && number > MAX_FIELD_NUMBER)) {
      this.complain(field, `number ${number} of "${name}" is out of range; expected 1 to ${MAX_FIELD_NUMBER}`);
    } else if (number >= FIRST_INTERNAL && number <= LAST_INTERNAL) {
      const range = `${FIRST_INTERNAL} to ${LAST_INTERNAL}`;
      this.complain(field, `number ${number} of "${name}" is one of protobuf's own, ${range}`);
    }
    if (Object.hasOwn(field, "defaultValue") && label === Label.REPEATED) {
      this.complain(field, `"${name}" is repeated and cannot have a default value`);
    }
    if (options !== undefined && isFieldSet(options, FieldOptionsSchema.field.packed)) {
      if (usesEditions(this.unit.proto)) {
        this.complain(field, `editions have no option "packed"; use features.repeated_field_encoding`);
      } else if (options.packed && (label !== Label.REPEATED || !isPackable(type))) {
        this.complain(field, `"${name}" cannot be packed; only repeated numbers, bools and enums can`);
      }
    }
    if (this.isProto3) this.checkProto3Field(field);
  }

  private checkProto3Field(field: FieldDescriptorProto): void {
    const { name } = field;
    if (field.label === Label.REQUIRED) this.complain(field, `proto3 has no required fields, found "${name}"`);
    if (Object.hasOwn(field, "defaultValue"))
      this.complain(field, `proto3 has no default values, found one of "${name}"`);
    if (field.type === Type.GROUP) this.complain(field, `proto3 has no groups, found "${name}"`);
    const type = this.table.get(field.typeName.slice(1));
    if (type?.kind !== "enum") return;
    if (featureOf(type, "enumType") === EnumType.CLOSED) {
      this.complain(field, `"${name}" is in proto3 and cannot be of the closed enum "${type.name}"`);
    }
  }

  private checkExtension(extension: FieldDescriptorProto): void {
    this.checkField(extension);
    const { name, number, extendee } = extension;
    const target = this.table.message(extendee.slice(1));
    if (target === undefined) return; // reported by the linker
    if (extension.label === Label.REQUIRED) this.complain(extension, `extension "${name}" cannot be required`);
    if (this.isProto3 && !/^\.google\.protobuf\.\w+Options$/.test(extendee)) {
      this.complain(extension, `proto3 has extensions of options only, found one of "${target.name}"`);
    }
    if (!target.desc.extensionRange.some(({ start, end }) => number >= start && number < end)) {
      this.complain(extension, `"${target.name}" has no extension range with number ${number} of "${name}"`);
    }
    const key = `${extendee} ${number}`;
    const other = this.extensions.get(key);
    if (other === undefined) this.extensions.set(key, name);
    else this.complain(extension, `number ${number} of "${target.name}" is already extension "${other}"`);
  }

  private checkMapEntry(entry: DescriptorProto): void {
    const [key, value] = entry.field;
    if (key !== undefined && !MAP_KEYS.has(key.type)) {
      this.complain(key, "the key of a map is an integer, a bool or a string");
    }
    const type = this.table.get(value?.typeName.slice(1) ?? "");
    if (value !== undefined && type?.kind === "enum" && type.desc.value[0]?.number !== 0) {
      this.complain(value, `the first value of enum "${type.name}" must be 0 for a map to hold it`);
    }
  }

  private checkNumbers(message: DescriptorProto): void {
    const byNumber = new Map<number, string>();
    for (const field of message.field) {
      const { name, number } = field;
      const other = byNumber.get(number);
      if (other !== undefined) {
        const free = nextFreeNumber(message);
        this.complain(
          field,
          `number ${number} of "${name}" is already that of "${other}"; the next free one is ${free}`,
        );
      }
      byNumber.set(number, name);
      if (message.reservedName.includes(name)) this.complain(field, `field name "${name}" is reserved`);
      if (within(number, message.reservedRange)) this.complain(field, `number ${number} of "${name}" is reserved`);
      if (within(number, message.extensionRange)) {
        this.complain(field, `number ${number} of "${name}" is within an extension range`);
      }
    }
  }

  private checkRanges(message: DescriptorProto): void {
    const isMessageSet = message.options?.messageSetWireFormat === true;
    const last = isMessageSet ? MAX_INT32 : MAX_FIELD_NUMBER + 1;
    const seen: NumberRange[] = [];
    for (const range of [...message.reservedRange, ...message.extensionRange]) {
      const { start, end } = range;
      if (start < 1 || end > last) this.complain(range, `range is out of bounds; expected 1 to ${last - 1}`);
      else if (start >= end) this.complain(range, `range ends at ${end - 1}, before its start ${start}`);
      else if (seen.some((other) => start < other.end && other.start < end)) {
        this.complain(range, `range ${start} to ${end - 1} overlaps another one`);
      }
      seen.push(range);
    }
  }

  /** As protoc, by written names and again by the names that json_name gives. */
  private checkJsonNames(message: MessageSymbol): void {
    if (message.desc.options?.deprecatedLegacyJsonFieldConflicts === true) return;
    const lenient = featureOf(message, "jsonFormat") === JsonFormat.LEGACY_BEST_EFFORT;
    const byDefault = new Map<string, string>();
    const byJsonName = new Map<string, FieldDescriptorProto>();
    for (const field of message.desc.field) {
      const implied = jsonNameOf(field.name);
      const sameImplied = byDefault.get(implied);
      const same = byJsonName.get(field.jsonName);
      if (field.jsonName !== implied && /^\[.*\]$/s.test(field.jsonName)) {
        this.complain(field, `JSON name "${field.jsonName}" of "${field.name}" looks like that of an extension`);
      } else if (sameImplied !== undefined && !lenient) {
        this.complain(field, `"${field.name}" and "${sameImplied}" have the same default JSON name "${implied}"`);
      } else if (
        same !== undefined &&
        !(lenient && (field.jsonName === implied || same.jsonName === jsonNameOf(same.name)))
      ) {
        this.complain(field, `"${field.name}" and "${same.name}" have the same JSON name "${field.jsonName}"`);
      }
      byDefault.set(implied, field.name);
      byJsonName.set(field.jsonName, field);
    }
  }

  private checkEnum(enumeration: EnumDescriptorProto, prefix: string): void {
    const symbol = this.table.get(prefix + enumeration.name);
    if (symbol?.desc !== enumeration) return; // a duplicate, reported already
    const [first] = enumeration.value;
    if (first === undefined) return this.complain(enumeration, `enum "${enumeration.name}" has no value`);
    if (first.number !== 0 && featureOf(symbol, "enumType") === EnumType.OPEN) {
      this.complain(first, `the first value of an open enum must be 0, found ${first.name} = ${first.number}`);
    }
    this.checkAliases(enumeration);
    this.checkEnumRanges(enumeration);
    for (const value of enumeration.value) {
      // The end of an enum's range is part of it.
      const reserved = enumeration.reservedRange.some(({ start, end }) => value.number >= start && value.number <= end);
      if (reserved) this.complain(value, `number ${value.number} of ${value.name} is reserved`);
      if (enumeration.reservedName.includes(value.name))
        this.complain(value, `enum value name "${value.name}" is reserved`);
    }
  }

  /** Unlike a message's, both ends of an enum's ranges are part of them. */
  private checkEnumRanges({ reservedRange }: EnumDescriptorProto): void {
    for (const [index, range] of reservedRange.entries()) {
      const { start, end } = range;
      if (start > end) this.complain(range, `range ends at ${end}, before its start ${start}`);
      else if (reservedRange.slice(0, index).some((other) => start <= other.end && other.start <= end)) {
        this.complain(range, `range ${start} to ${end} overlaps another one`);
      }
    }
  }

  private checkAliases(enumeration: EnumDescriptorProto): void {
    const byNumber = new Map<number, string>();
    let aliases = false;
    for (const value of enumeration.value) {
      const other = byNumber.get(value.number);
      if (other === undefined) {
        byNumber.set(value.number, value.name);
        continue;
      }
      aliases = true;
      if (enumeration.options?.allowAlias === true) continue;
      const hint = "option allow_alias = true makes that legal";
      this.complain(value, `${value.name} and ${other} have the same number ${value.number}; ${hint}`);
    }
    if (enumeration.options?.allowAlias === true && !aliases) {
      this.complain(enumeration, `enum "${enumeration.name}" allows aliases and has none`);
    }
  }
}

function within(number: number, ranges: readonly NumberRange[]): boolean {
  return ranges.some(({ start, end }) => number >= start && number < end);
}

function nextFreeNumber(message: DescriptorProto): number {
  const used = new Set(message.field.map(({ number }) => number));
  for (let number = 1; ; number++) {
    const range = [...message.reservedRange, ...message.extensionRange].find(
      ({ start, end }) => number >= start && number < end,
    );
    if (range !== undefined) number = range.end - 1;
    else if (number === FIRST_INTERNAL) number = LAST_INTERNAL;
    else if (!used.has(number)) return number;
  }
}
