import type { Cursor } from "./cursor.ts";
import { integerValue, numberValue } from "./literal.ts";
import { SyntaxFailure } from "./source.ts";
import type { Aggregate, AggregateField, Literal, OptionNamePart, OptionStatement } from "./unit.ts";

// protoc's text format reader stops at 100 too, by protobuf's recursion limit.
const MAX_AGGREGATE_DEPTH = 100;
const MAX_UINT64 = 2n ** 64n - 1n;
const MIN_INT64 = -(2n ** 63n);

/** `option name = value;` */
export function parseOptionStatement(cursor: Cursor): OptionStatement {
  cursor.expect("option");
  const statement = parseOptionAssignment(cursor);
  cursor.expect(";", " after the option");
  return statement;
}

/** `[a = 1, (b).c = {…}]`; `special` may take what looks like an option and is none (`default`, `json_name`). */
export function parseBracketOptions(cursor: Cursor, special: () => boolean = () => false): OptionStatement[] {
  const statements: OptionStatement[] = [];
  cursor.expect("[");
  do {
    if (!special()) statements.push(parseOptionAssignment(cursor));
  } while (cursor.take(","));
  cursor.expect("]", ' or "," after the option');
  return statements;
}

/** `name = value`, where a name is `a.b`, `(ext.name)` or a mix such as `features.(pb.cpp).string_type`. */
function parseOptionAssignment(cursor: Cursor): OptionStatement {
  const { offset } = cursor;
  const name = [parseNamePart(cursor)];
  while (cursor.take(".")) name.push(parseNamePart(cursor));
  cursor.expect("=", " after the name of the option");
  const value = cursor.at("{") ? cursor.withinBraces(() => parseAggregate(cursor, 1)) : parseLiteral(cursor);
  return { name, value, offset };
}

function parseNamePart(cursor: Cursor): OptionNamePart {
  const { offset } = cursor;
  if (!cursor.take("("))
    return { text: cursor.expectIdentifier("the name of an option").text, extension: false, offset };
  const text = cursor.expectDottedName("the name of an extension", true);
  cursor.expect(")");
  return { text, extension: true, offset };
}

function parseLiteral(cursor: Cursor): Literal {
  const { offset } = cursor;
  const negative = cursor.take("-");
  const token = cursor.current;
  const text = negative ? `-${token.text}` : token.text;
  switch (token.kind) {
    case "identifier":
      cursor.advance();
      return { kind: "word", text: token.text, negative, offset };
    case "integer": {
      cursor.advance();
      const value = negative ? -integerValue(token.text) : integerValue(token.text);
      // As protoc: what fits no 64-bit integer is a float. It gets its error where an integer is wanted.
      if (value > MAX_UINT64 || value < MIN_INT64) return { kind: "float", value: Number(value), text, offset };
      return { kind: "integer", value, text, offset };
    }
    case "float": {
      cursor.advance();
      const value = numberValue(token);
      return { kind: "float", value: negative ? -value : value, text, offset };
    }
    case "string":
      if (negative) throw new SyntaxFailure(offset, 'a string cannot have a "-" before it');
      return { kind: "string", bytes: cursor.expectString("a string"), text: token.text, offset };
    default:
      return cursor.fail("a value");
  }
}

/** `{ a: 1 b { … } [ext]: [x, y] }` or the same in angle brackets: protobuf's text format. */
function parseAggregate(cursor: Cursor, depth: number): Aggregate {
  const { offset } = cursor;
  if (depth > MAX_AGGREGATE_DEPTH) {
    throw new SyntaxFailure(offset, `option value is nested deeper than ${MAX_AGGREGATE_DEPTH} levels`);
  }
  const close = cursor.take("<") ? ">" : "}";
  if (close === "}") cursor.expect("{");
  const fields: AggregateField[] = [];
  cursor.skipHashComments();
  while (!cursor.take(close)) {
    fields.push(parseAggregateField(cursor, depth));
    if (!cursor.take(",")) cursor.take(";");
    cursor.skipHashComments();
  }
  return { kind: "aggregate", fields, offset };
}

function parseAggregateField(cursor: Cursor, depth: number): AggregateField {
  const { offset } = cursor;
  const { name, form } = parseAggregateName(cursor);
  const colon = cursor.take(":");
  if (cursor.take("[")) {
    const values: (Literal | Aggregate)[] = [];
    if (!cursor.take("]")) {
      do values.push(parseAggregateValue(cursor, depth));
      while (cursor.take(","));
      cursor.expect("]", ' or "," in the list');
    }
    return { name, form, offset, values, isList: true };
  }
  if (!colon && !cursor.at("{") && !cursor.at("<")) cursor.fail(`":" after "${name}"`);
  return { name, form, offset, values: [parseAggregateValue(cursor, depth)], isList: false };
}

function parseAggregateName(cursor: Cursor): Pick<AggregateField, "name" | "form"> {
  if (!cursor.take("[")) return { name: cursor.expectIdentifier('the name of a field or "}"').text, form: "field" };
  let name = cursor.expectDottedName("the name of an extension or type", true);
  let form: AggregateField["form"] = "extension";
  while (cursor.take("/")) {
    name += `/${cursor.expectDottedName("the name of a type", false)}`;
    form = "any";
  }
  cursor.expect("]");
  return { name, form };
}

function parseAggregateValue(cursor: Cursor, depth: number): Literal | Aggregate {
  return cursor.at("{") || cursor.at("<") ? parseAggregate(cursor, depth + 1) : parseLiteral(cursor);
}
