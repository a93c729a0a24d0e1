import { create } from "@bufbuild/protobuf";
import {
  DescriptorProtoSchema,
  Edition,
  FieldDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  MessageOptionsSchema,
  type DescriptorProto,
  type FieldDescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { parseDefaultValue } from "./default-value.ts";
import { addOptions, isEditions, joinName, report, type ParseContext } from "./parse-context.ts";
import { parseBracketOptions } from "./parse-option.ts";
import { SyntaxFailure } from "./source.ts";
import type { OptionStatement } from "./unit.ts";

/** Where a field stands. */
export interface FieldSite {
  readonly fields: FieldDescriptorProto[];
  /** Where the messages of groups and maps go. */
  readonly nested: DescriptorProto[];
  /** The message around, without the package; "" at file level. */
  readonly scope: string;
  /** Nesting level of a group that is declared here. */
  readonly depth: number;
  readonly oneofIndex?: number;
  readonly extendee?: { readonly name: string; readonly offset: number };
  readonly parseGroupBody: (
    context: ParseContext,
    group: DescriptorProto,
    site: { scope: string; depth: number },
  ) => void;
}

const LABELS: ReadonlyMap<string, Label> = new Map([
  ["optional", Label.OPTIONAL],
  ["required", Label.REQUIRED],
  ["repeated", Label.REPEATED],
]);

const TYPES: ReadonlyMap<string, Type> = new Map([
  ["double", Type.DOUBLE],
  ["float", Type.FLOAT],
  ["int64", Type.INT64],
  ["uint64", Type.UINT64],
  ["int32", Type.INT32],
  ["fixed64", Type.FIXED64],
  ["fixed32", Type.FIXED32],
  ["bool", Type.BOOL],
  ["string", Type.STRING],
  ["group", Type.GROUP],
  ["bytes", Type.BYTES],
  ["uint32", Type.UINT32],
  ["sfixed32", Type.SFIXED32],
  ["sfixed64", Type.SFIXED64],
  ["sint32", Type.SINT32],
  ["sint64", Type.SINT64],
]);

/** A type as written: a scalar, or a name that the linker resolves. */
interface WrittenType {
  readonly scalar: Type | undefined;
  readonly name: string;
  readonly offset: number;
}

/** `[label] type name = 1 [options];`, `map<K, V> name = 1;` or `[label] group Name = 1 { … }` */
export function parseField(context: ParseContext, site: FieldSite): void {
  const { cursor } = context;
  const label = parseLabel(context, site);
  const map = cursor.at("map") && cursor.following === "<" ? parseMapType(context, site, label) : undefined;
  const type = map === undefined ? parseType(context) : undefined;
  const { text: name, offset } = cursor.expectIdentifier("the name of a field");
  cursor.expect("=", ` and a number after "${name}"`);
  const number = cursor.expectInt32("the number of a field");

  const field = create(FieldDescriptorProtoSchema, { name, number });
  context.offsets.set(field, offset);
  site.fields.push(field);
  field.label = map === undefined ? (label ?? Label.OPTIONAL) : Label.REPEATED;
  if (site.oneofIndex !== undefined) field.oneofIndex = site.oneofIndex;
  if (label === Label.OPTIONAL && context.edition === Edition.EDITION_PROTO3) field.proto3Optional = true;
  const isGroup = type?.scalar === Type.GROUP;
  if (isGroup) field.name = name.toLowerCase();
  const scope = joinName(site.scope, field.name);
  if (site.extendee !== undefined) {
    field.extendee = site.extendee.name;
    context.references.push({ role: "extendee", owner: field, scope, offset: site.extendee.offset });
  }
  if (type !== undefined && !isGroup) setType(context, field, type, scope);
  const statements = parseFieldOptions(context, field);
  addOptions(context, { owner: field, kind: "FieldOptions", scope, statements });

  if (isGroup) return parseGroup(context, site, field, { name, offset, scope });
  cursor.expect(";", " after the field");
  if (map !== undefined) addMapEntry(context, site, field, map, statements);
}

function parseLabel(context: ParseContext, site: FieldSite): Label | undefined {
  const { cursor } = context;
  const { text, offset } = cursor.current;
  const label = LABELS.get(text);
  if (label === undefined) {
    const needed = context.edition === Edition.EDITION_PROTO2 && site.oneofIndex === undefined;
    if (needed && !(cursor.at("map") && cursor.following === "<")) {
      report(context, offset, `expected "optional", "required" or "repeated" before the type, found "${text}"`);
    }
    return undefined;
  }
  cursor.advance();
  if (site.oneofIndex !== undefined) {
    report(context, offset, `a field of a oneof cannot be "${text}"`);
    return undefined;
  }
  if (isEditions(context) && label !== Label.REPEATED) {
    const instead = label === Label.REQUIRED ? "use features.field_presence = LEGACY_REQUIRED" : "leave it out";
    report(context, offset, `editions have no "${text}"; ${instead}`);
  }
  return label;
}

function parseType({ cursor }: ParseContext): WrittenType {
  const { offset, current } = cursor;
  const scalar = TYPES.get(current.text);
  if (scalar === undefined) return { scalar, name: cursor.expectDottedName("the type of a field", true), offset };
  cursor.advance();
  return { scalar, name: "", offset };
}

function setType(context: ParseContext, field: FieldDescriptorProto, type: WrittenType, scope: string): void {
  if (type.scalar !== undefined) {
    field.type = type.scalar;
  } else {
    field.typeName = type.name;
    context.references.push({ role: "type", owner: field, scope, offset: type.offset });
  }
}

function parseFieldOptions(context: ParseContext, field: FieldDescriptorProto): OptionStatement[] {
  const { cursor } = context;
  if (!cursor.at("[")) return [];
  let hasDefault = false;
  return parseBracketOptions(cursor, () => {
    const { text, offset } = cursor.current;
    if (cursor.following !== "=" || (text !== "default" && text !== "json_name")) return false;
    cursor.advance();
    cursor.expect("=");
    if (text === "default") {
      if (hasDefault) report(context, offset, '"default" is set twice');
      hasDefault = true;
      field.defaultValue = parseDefaultValue(cursor, field);
    } else {
      if (Object.hasOwn(field, "jsonName")) report(context, offset, '"json_name" is set twice');
      if (field.extendee !== "") report(context, offset, 'an extension has no "json_name"');
      field.jsonName = cursor.expectText("the JSON name in quotes");
    }
    return true;
  });
}

/** A group is a field and the message of its type at once. */
function parseGroup(
  context: ParseContext,
  site: FieldSite,
  field: FieldDescriptorProto,
  { name, offset, scope }: { name: string; offset: number; scope: string },
): void {
  if (isEditions(context)) {
    report(context, offset, "editions have no groups; use features.message_encoding = DELIMITED on a message field");
  }
  if (!/^[A-Z]/.test(name))
    report(context, offset, `the name of a group begins with a capital letter, found "${name}"`);
  field.type = Type.GROUP;
  field.typeName = name;
  context.references.push({ role: "type", owner: field, scope, offset });
  const group = create(DescriptorProtoSchema, { name });
  context.offsets.set(group, offset);
  site.nested.push(group);
  site.parseGroupBody(context, group, { scope: joinName(site.scope, name), depth: site.depth });
}

function parseMapType(
  context: ParseContext,
  site: FieldSite,
  label: Label | undefined,
): { key: WrittenType; value: WrittenType } {
  const { cursor } = context;
  const { offset } = cursor;
  if (label !== undefined) report(context, offset, "a map field has no label");
  if (site.oneofIndex !== undefined) report(context, offset, "a map field cannot be in a oneof");
  if (site.extendee !== undefined) report(context, offset, "a map field cannot be an extension");
  cursor.expect("map");
  cursor.expect("<");
  const key = parseType(context);
  cursor.expect(",", " between the key and the value of the map");
  const value = parseType(context);
  cursor.expect(">", " after the value of the map");
  if (key.scalar === Type.GROUP || value.scalar === Type.GROUP) {
    throw new SyntaxFailure(offset, "a map cannot hold groups");
  }
  return { key, value };
}

/** A map is a repeated message of key and value. Features of the field hold for both. */
function addMapEntry(
  context: ParseContext,
  site: FieldSite,
  field: FieldDescriptorProto,
  map: { key: WrittenType; value: WrittenType },
  statements: readonly OptionStatement[],
): void {
  const name = mapEntryName(field.name);
  const entry = create(DescriptorProtoSchema, { name, options: create(MessageOptionsSchema, { mapEntry: true }) });
  context.offsets.set(entry, context.offsets.get(field) ?? 0);
  site.nested.push(entry);
  field.typeName = name;
  context.references.push({
    role: "type",
    owner: field,
    scope: joinName(site.scope, field.name),
    offset: context.offsets.get(field) ?? 0,
  });
  const features = statements.filter(({ name: [first] }) => first?.text === "features" && !first.extension);
  for (const [number, part, type] of [
    [1, "key", map.key],
    [2, "value", map.value],
  ] as const) {
    const member = create(FieldDescriptorProtoSchema, { name: part, number, label: Label.OPTIONAL });
    context.offsets.set(member, type.offset);
    entry.field.push(member);
    const scope = joinName(joinName(site.scope, name), part);
    setType(context, member, type, scope);
    addOptions(context, { owner: member, kind: "FieldOptions", scope, statements: features });
  }
}

/** `foo_bar` -> `FooBarEntry` */
function mapEntryName(field: string): string {
  let name = "";
  let upper = true;
  for (const char of field) {
    if (char !== "_") name += upper ? char.toUpperCase() : char;
    upper = char === "_";
  }
  return `${name}Entry`;
}
