import {
  FieldDescriptorProto_Type as Type,
  type DescriptorProto,
  type FieldDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { didYouMean } from "../../core/suggest.ts";
import { fillJsonName } from "../json-name.ts";
import type { Problems } from "./source.ts";
import { withArticle, type Found, type ProtoSymbol, type SymbolTable } from "./symbols.ts";
import type { FileUnit, TypeReference } from "./unit.ts";

/** Replaces every type name of a file by its full name, tells messages from enums, and fills in JSON names. */
export function linkFile(unit: FileUnit, table: SymbolTable, problems: Problems): void {
  for (const reference of unit.references) linkReference(unit, reference, table, problems);
  unit.proto.messageType.forEach(fillJsonNames);
  unit.proto.extension.forEach(fillJsonName);
}

function linkReference(unit: FileUnit, reference: TypeReference, table: SymbolTable, problems: Problems): void {
  const { role, owner, offset } = reference;
  const from = fullName(unit, reference.scope);
  const complain = (message: string): void => problems.add(unit.source, offset, message);
  const written = referredName(reference);
  const found = table.resolve(written, from, unit, role === "type");
  const { symbol } = found;
  if (symbol === undefined) return complain(describeMissing(written, found, unit, table));
  if (symbol.kind !== "message" && !(symbol.kind === "enum" && role === "type")) {
    const expected = role === "type" ? "a message or an enum" : "a message";
    return complain(`"${written}" is ${withArticle(symbol.kind)}; expected ${expected}`);
  }
  switch (role) {
    case "type":
      owner.typeName = `.${symbol.name}`;
      if (owner.type !== Type.GROUP) owner.type = symbol.kind === "message" ? Type.MESSAGE : Type.ENUM;
      return checkDefault(owner, symbol, complain);
    case "extendee":
      owner.extendee = `.${symbol.name}`;
      return;
    case "input":
      owner.inputType = `.${symbol.name}`;
      return;
    case "output":
      owner.outputType = `.${symbol.name}`;
      return;
    default:
      role satisfies never;
  }
}

/** The type name that a reference stands for: as written, or once linked with a dot before it. */
export function referredName({ role, owner }: TypeReference): string {
  if (role === "type") return owner.typeName;
  if (role === "extendee") return owner.extendee;
  return role === "input" ? owner.inputType : owner.outputType;
}

/** A scope as the parser writes it, with the package before it. */
export function fullName(unit: FileUnit, scope: string): string {
  return unit.proto.package === "" ? scope : `${unit.proto.package}.${scope}`;
}

function describeMissing(written: string, found: Found, unit: FileUnit, table: SymbolTable): string {
  if ("hidden" in found) {
    return `"${written}" is defined in "${found.hidden.unit.name}", which "${unit.name}" does not import`;
  }
  if ("taken" in found) {
    return `"${written}" means "${found.taken}" here, which does not exist; ".${written}" starts from the outermost scope`;
  }
  const simple = written.slice(written.lastIndexOf(".") + 1);
  const types = [...table.namesVisibleFrom(unit)].filter(({ kind }) => kind === "message" || kind === "enum");
  const byFullName = didYouMean(
    written.replace(/^\./, ""),
    types.map(({ name }) => name),
  );
  const bySimpleName = didYouMean(
    simple,
    types.map(({ desc: { name } }) => name),
  );
  return `unknown type "${written}"${written.includes(".") && byFullName !== "" ? byFullName : bySimpleName}`;
}

function checkDefault(field: FieldDescriptorProto, type: ProtoSymbol, complain: (message: string) => void): void {
  if (field.defaultValue === "") return;
  if (type.kind !== "enum") return complain(`"${field.name}" is a message and cannot have a default value`);
  const names = type.desc.value.map(({ name }) => name);
  if (names.includes(field.defaultValue)) return;
  const hint = didYouMean(field.defaultValue, names);
  complain(`enum "${type.name}" has no value ${field.defaultValue} for the default of "${field.name}"${hint}`);
}

function fillJsonNames(message: DescriptorProto): void {
  message.field.forEach(fillJsonName);
  message.extension.forEach(fillJsonName);
  message.nestedType.forEach(fillJsonNames);
}
