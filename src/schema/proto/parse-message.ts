import { create } from "@bufbuild/protobuf";
import {
  DescriptorProtoSchema,
  DescriptorProto_ExtensionRangeSchema,
  DescriptorProto_ReservedRangeSchema,
  Edition,
  OneofDescriptorProtoSchema,
  SymbolVisibility,
  type DescriptorProto,
} from "@bufbuild/protobuf/wkt";
import { addOptions, joinName, parseBlock, report, type ParseContext } from "./parse-context.ts";
import { parseEnum } from "./parse-enum.ts";
import { parseField, type FieldSite } from "./parse-field.ts";
import { parseBracketOptions, parseOptionStatement } from "./parse-option.ts";
import { parseRanges, parseReserved } from "./parse-reserved.ts";
import { parseVisibility } from "./parse-visibility.ts";
import { SyntaxFailure } from "./source.ts";
import type { OptionStatement } from "./unit.ts";

// As protoc's MaxMessageDeclarationNestingDepth().
const MAX_DEPTH = 32;
const MAX_FIELD_NUMBER = 2 ** 29 - 1;
const MAX_INT32 = 2 ** 31 - 1;

/** `message Name { … }` */
export function parseMessage(
  context: ParseContext,
  site: { into: DescriptorProto[]; scope: string; depth: number; visibility: SymbolVisibility },
): void {
  const { cursor } = context;
  cursor.expect("message");
  const { text: name, offset } = cursor.expectIdentifier("the name of a message");
  const message = create(DescriptorProtoSchema, { name });
  if (site.visibility !== SymbolVisibility.VISIBILITY_UNSET) message.visibility = site.visibility;
  context.offsets.set(message, offset);
  site.into.push(message);
  parseMessageBody(context, message, { scope: joinName(site.scope, name), depth: site.depth });
}

/** The block of a message or group; `scope` is the message's own name, without the package. */
function parseMessageBody(
  context: ParseContext,
  message: DescriptorProto,
  { scope, depth }: { scope: string; depth: number },
): void {
  const { cursor } = context;
  if (depth >= MAX_DEPTH)
    throw new SyntaxFailure(cursor.offset, `messages are nested deeper than ${MAX_DEPTH - 1} levels`);
  const site: FieldSite = {
    fields: message.field,
    nested: message.nestedType,
    scope,
    depth: depth + 1,
    parseGroupBody: parseMessageBody,
  };
  const statements: OptionStatement[] = [];
  parseBlock(context, `message "${message.name}"`, () => {
    const visibility = parseVisibility(context);
    switch (cursor.current.text) {
      case "message":
        return parseMessage(context, { into: message.nestedType, scope, depth: depth + 1, visibility });
      case "enum":
        return parseEnum(context, { into: message.enumType, scope, visibility });
      case "extend":
        return parseExtend(context, { fields: message.extension, nested: message.nestedType, scope, depth: depth + 1 });
      case "extensions":
        return parseExtensionRanges(context, message, scope);
      case "reserved":
        return parseMessageReserved(context, message);
      case "oneof":
        return parseOneof(context, message, site);
      case "option":
        statements.push(parseOptionStatement(cursor));
        return;
      default:
        return parseField(context, site);
    }
  });
  endOpenRanges(message, statements);
  if (context.edition === Edition.EDITION_PROTO3) addSyntheticOneofs(message);
  addOptions(context, { owner: message, kind: "MessageOptions", scope, statements });
}

/** `extend pkg.Message { fields }` */
export function parseExtend(context: ParseContext, site: Omit<FieldSite, "parseGroupBody">): void {
  const { cursor } = context;
  cursor.expect("extend");
  const { offset } = cursor;
  const name = cursor.expectDottedName("the name of the message to extend", true);
  const before = site.fields.length;
  parseBlock(context, `extension of "${name}"`, () =>
    parseField(context, { ...site, extendee: { name, offset }, parseGroupBody: parseMessageBody }),
  );
  if (site.fields.length === before) report(context, offset, `extension of "${name}" has no field`);
}

function parseOneof(context: ParseContext, message: DescriptorProto, site: FieldSite): void {
  const { cursor } = context;
  cursor.expect("oneof");
  const { text: name, offset } = cursor.expectIdentifier("the name of a oneof");
  const oneof = create(OneofDescriptorProtoSchema, { name });
  context.offsets.set(oneof, offset);
  const oneofIndex = message.oneofDecl.push(oneof) - 1;
  const before = message.field.length;
  const statements: OptionStatement[] = [];
  parseBlock(context, `oneof "${name}"`, () => {
    if (cursor.at("option")) statements.push(parseOptionStatement(cursor));
    else parseField(context, { ...site, oneofIndex });
  });
  if (message.field.length === before) report(context, offset, `oneof "${name}" has no field`);
  addOptions(context, { owner: oneof, kind: "OneofOptions", scope: joinName(site.scope, name), statements });
}

/** `extensions 100 to 199, 500 to max [options];` */
function parseExtensionRanges(context: ParseContext, message: DescriptorProto, scope: string): void {
  const { cursor } = context;
  cursor.expect("extensions");
  const first = message.extensionRange.length;
  parseRanges(cursor, false, (start, end, offset) => {
    const range = create(DescriptorProto_ExtensionRangeSchema, { start, end: exclusiveEnd(end) });
    context.offsets.set(range, offset);
    message.extensionRange.push(range);
  });
  if (cursor.at("[")) {
    const statements = parseBracketOptions(cursor);
    for (const owner of message.extensionRange.slice(first)) {
      addOptions(context, { owner, kind: "ExtensionRangeOptions", scope, statements });
    }
  }
  cursor.expect(";", ' or "," after the range');
}

function parseMessageReserved(context: ParseContext, message: DescriptorProto): void {
  parseReserved(context, {
    names: message.reservedName,
    signed: false,
    addRange: (start, end, offset) => {
      const range = create(DescriptorProto_ReservedRangeSchema, { start, end: exclusiveEnd(end) });
      context.offsets.set(range, offset);
      message.reservedRange.push(range);
    },
  });
}

// Where `max` is depends on an option that may come later; until then it is this.
const OPEN_END = -1;

/** Descriptors keep the number after the last; a range that ends with the last int32 is out of bounds anyway. */
function exclusiveEnd(end: number | undefined): number {
  return end === undefined ? OPEN_END : Math.min(end + 1, MAX_INT32);
}

function endOpenRanges(message: DescriptorProto, statements: readonly OptionStatement[]): void {
  const isMessageSet = statements.some(
    ({ name, value }) =>
      name.length === 1 &&
      name[0]?.text === "message_set_wire_format" &&
      !name[0].extension &&
      value.kind === "word" &&
      value.text === "true",
  );
  const end = isMessageSet ? MAX_INT32 : MAX_FIELD_NUMBER + 1;
  for (const range of [...message.extensionRange, ...message.reservedRange]) {
    if (range.end === OPEN_END) range.end = end;
  }
}

/** `optional` in proto3 is a oneof of one field, after the oneofs that were written. */
function addSyntheticOneofs(message: DescriptorProto): void {
  const optional = message.field.filter((field) => field.proto3Optional);
  if (optional.length === 0) return;
  const names = new Set([...message.field, ...message.oneofDecl].map(({ name }) => name));
  for (const field of optional) {
    let name = field.name.startsWith("_") ? field.name : `_${field.name}`;
    while (names.has(name)) name = `X${name}`;
    names.add(name);
    field.oneofIndex = message.oneofDecl.push(create(OneofDescriptorProtoSchema, { name })) - 1;
  }
}
