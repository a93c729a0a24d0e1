import { fromBinary } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FieldOptions_OptionTargetType as TargetType,
} from "@bufbuild/protobuf/wkt";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { didYouMean } from "../../core/suggest.ts";
import { AggregateEncoder } from "./aggregate.ts";
import { usesEditions } from "./features.ts";
import { fullName } from "./link.ts";
import { scalarValue, wireTypeOf, writeScalar } from "./option-value.ts";
import { optionsSchemas } from "./options-schemas.ts";
import { SyntaxFailure, type Problems } from "./source.ts";
import type { FieldSymbol, MessageSymbol, SymbolTable } from "./symbols.ts";
import type { Aggregate, FileUnit, OptionList, OptionNamePart, OptionsKind, OptionStatement } from "./unit.ts";

/**
 * Turns the options of all files from text into options messages; what protobuf-es does not know (extensions) becomes
 * their unknown fields, byte for byte as protoc has it. Standard options come first in all files: they hold features,
 * on which the encoding of the others depends.
 */
export function interpretOptions(units: readonly FileUnit[], table: SymbolTable, problems: Problems): void {
  const interpreters = units.flatMap((unit) =>
    unit.options.map((list) => new OptionInterpreter({ unit, list, table, problems })),
  );
  for (const interpreter of interpreters) interpreter.interpret(false);
  for (const interpreter of interpreters) interpreter.interpret(true);
}

const TARGETS: Readonly<Record<OptionsKind, TargetType>> = {
  FileOptions: TargetType.TARGET_TYPE_FILE,
  MessageOptions: TargetType.TARGET_TYPE_MESSAGE,
  FieldOptions: TargetType.TARGET_TYPE_FIELD,
  OneofOptions: TargetType.TARGET_TYPE_ONEOF,
  EnumOptions: TargetType.TARGET_TYPE_ENUM,
  EnumValueOptions: TargetType.TARGET_TYPE_ENUM_ENTRY,
  ServiceOptions: TargetType.TARGET_TYPE_SERVICE,
  MethodOptions: TargetType.TARGET_TYPE_METHOD,
  ExtensionRangeOptions: TargetType.TARGET_TYPE_EXTENSION_RANGE,
};

// What a gateway's users forget to import more than anything else.
const ANNOTATIONS = "google/api/annotations.proto";

/** The options of one declaration. */
class OptionInterpreter {
  private readonly unit: FileUnit;
  private readonly list: OptionList;
  private readonly table: SymbolTable;
  private readonly problems: Problems;
  private readonly encoder: AggregateEncoder;
  private readonly records: Uint8Array[] = [];
  /** Field numbers from the options message down to whatever was set, joined by dots. */
  private readonly set = new Set<string>();

  constructor(site: { unit: FileUnit; list: OptionList; table: SymbolTable; problems: Problems }) {
    this.unit = site.unit;
    this.list = site.list;
    this.table = site.table;
    this.problems = site.problems;
    this.encoder = new AggregateEncoder(site.table, site.unit);
  }

  interpret(extensions: boolean): void {
    const statements = this.list.statements.filter(({ name }) => name[0]?.extension === extensions);
    if (statements.length === 0) return;
    for (const statement of statements) {
      try {
        this.records.push(this.encodeStatement(statement));
      } catch (error) {
        if (!(error instanceof SyntaxFailure)) throw error;
        this.problems.add(this.unit.source, error.offset, error.message);
      }
    }
    const { owner, kind } = this.list;
    (owner as { options?: unknown }).options = fromBinary(optionsSchemas[kind], Buffer.concat(this.records));
  }

  private encodeStatement(statement: OptionStatement): Uint8Array {
    this.checkStandard(statement);
    const path = this.resolvePath(statement.name);
    const field = path.at(-1) as FieldSymbol; // a name has at least one part
    this.checkUnset(statement, path);
    let bytes = this.encodeValue(field, statement);
    this.markSet(statement, path);
    for (const outer of path.slice(0, -1).reverse()) {
      const writer = new BinaryWriter();
      this.encoder.writeMessage(writer, outer, bytes);
      bytes = writer.finish();
    }
    return bytes;
  }

  private checkStandard({ name: [first], offset }: OptionStatement): void {
    if (first === undefined || first.extension) return;
    if (first.text === "features" && !usesEditions(this.unit.proto)) {
      throw new SyntaxFailure(offset, "features need an edition; this file is proto2 or proto3");
    }
    if (first.text === "map_entry" && this.list.kind === "MessageOptions") {
      throw new SyntaxFailure(offset, '"map_entry" is not for hand-written messages; use map<KeyType, ValueType>');
    }
  }

  private resolvePath(name: readonly OptionNamePart[]): FieldSymbol[] {
    const optionsName = `google.protobuf.${this.list.kind}`;
    let message = this.table.message(optionsName);
    if (message === undefined) throw new Error(`google/protobuf/descriptor.proto lacks ${optionsName}`);
    const path: FieldSymbol[] = [];
    for (const [index, part] of name.entries()) {
      const field = part.extension ? this.findExtension(message, part) : this.findField(message, part);
      this.checkTarget(field, part);
      path.push(field);
      if (index === name.length - 1) break;
      const { type, label } = field.desc;
      if (type !== Type.MESSAGE && type !== Type.GROUP) {
        throw new SyntaxFailure(part.offset, `option "${part.text}" is no message and has no fields`);
      }
      if (label === Label.REPEATED) {
        throw new SyntaxFailure(part.offset, `option "${part.text}" is repeated; set each of its messages in braces`);
      }
      message = this.encoder.typeOf(field);
    }
    return path;
  }

  /** An option may say what it is for, as `features.message_encoding` does: files and fields. */
  private checkTarget(field: FieldSymbol, part: OptionNamePart): void {
    const targets = field.desc.options?.targets ?? [];
    const { kind } = this.list;
    if (targets.length === 0 || targets.includes(TARGETS[kind])) return;
    throw new SyntaxFailure(part.offset, `option "${part.text}" cannot be among ${kind}`);
  }

  private findField(message: MessageSymbol, part: OptionNamePart): FieldSymbol {
    const found = this.table.get(`${message.name}.${part.text}`);
    if (found?.kind === "field" && part.text !== "uninterpreted_option") return found;
    const hint = didYouMean(
      part.text,
      message.desc.field.map(({ name }) => name),
    );
    throw new SyntaxFailure(part.offset, `${message.name} has no option "${part.text}"${hint}`);
  }

  private findExtension(message: MessageSymbol, part: OptionNamePart): FieldSymbol {
    const found = this.table.resolve(part.text, fullName(this.unit, this.list.scope), this.unit, false);
    const { symbol } = found;
    if (symbol?.kind === "extension" && symbol.desc.extendee === `.${message.name}`) return symbol;
    throw new SyntaxFailure(part.offset, this.describeMissing(message, part, found));
  }

  private describeMissing(
    message: MessageSymbol,
    { text }: OptionNamePart,
    found: ReturnType<SymbolTable["resolve"]>,
  ): string {
    if (found.symbol !== undefined) return `"(${text})" is no extension of ${message.name}`;
    const known =
      "hidden" in found ? found.hidden.unit.name : text.endsWith("google.api.http") ? ANNOTATIONS : undefined;
    if (known !== undefined) {
      return `option "(${text})" is defined in "${known}", which "${this.unit.name}" does not import`;
    }
    if ("taken" in found) {
      return `option "(${text})" means "(${found.taken})" here, which does not exist; try "(.${text})"`;
    }
    const visible = [...this.table.namesVisibleFrom(this.unit)].filter(({ kind }) => kind === "extension");
    const hint = didYouMean(
      text,
      visible.map(({ name }) => name),
    );
    return `unknown option "(${text})"${hint === "" ? "; is the file that defines it imported?" : hint}`;
  }

  /** Refuses to set twice what is not repeated; `(opt).a` and `(opt).b` may both be set. */
  private checkUnset(statement: OptionStatement, path: readonly FieldSymbol[]): void {
    if (path.at(-1)?.desc.label === Label.REPEATED || !this.set.has(setKey(path))) return;
    const name = statement.name.map(({ text, extension }) => (extension ? `(${text})` : text)).join(".");
    throw new SyntaxFailure(statement.offset, `option "${name}" is set twice`);
  }

  private markSet(statement: OptionStatement, path: readonly FieldSymbol[]): void {
    for (let length = 1; length <= path.length; length++) this.set.add(setKey(path.slice(0, length)));
    const type = this.table.message(path.at(-1)?.desc.typeName.slice(1) ?? "");
    if (type !== undefined && statement.value.kind === "aggregate")
      this.markAggregate(setKey(path), type, statement.value);
  }

  private markAggregate(prefix: string, message: MessageSymbol, value: Aggregate): void {
    for (const { name, form, values } of value.fields) {
      const field = form === "field" ? this.table.get(`${message.name}.${name}`) : undefined;
      if (field?.kind !== "field") continue;
      const key = `${prefix}.${field.desc.number}`;
      this.set.add(key);
      const type = this.table.message(field.desc.typeName.slice(1));
      for (const inner of values) {
        if (type !== undefined && inner.kind === "aggregate") this.markAggregate(key, type, inner);
      }
    }
  }

  private encodeValue(field: FieldSymbol, { value }: OptionStatement): Uint8Array {
    const { type, number } = field.desc;
    const writer = new BinaryWriter();
    if (type === Type.MESSAGE || type === Type.GROUP) {
      if (value.kind !== "aggregate") {
        throw new SyntaxFailure(value.offset, `option "${field.name}" takes a message in braces, found ${value.text}`);
      }
      this.encoder.writeMessage(writer, field, this.encoder.encode(this.encoder.typeOf(field), value));
    } else {
      if (value.kind === "aggregate") {
        throw new SyntaxFailure(value.offset, `option "${field.name}" is no message, found a message in braces`);
      }
      writer.tag(number, wireTypeOf(type));
      writeScalar(writer, type, scalarValue(field, value, this.table, false));
    }
    return writer.finish();
  }
}

function setKey(path: readonly FieldSymbol[]): string {
  return path.map(({ desc }) => desc.number).join(".");
}
