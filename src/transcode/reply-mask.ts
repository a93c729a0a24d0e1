import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { fieldError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import { fieldOf, nestedMessage } from "./field-path.ts";
import type { Mask } from "./json-filter.ts";
import { shorten } from "./json-read-error.ts";
import type { JsonOptions } from "./options.ts";

/** What a client may choose fields of: a message, or the value of a field of one. */
export type Maskable = DescMessage | DescField;

// A path of some depth for each of the fields that anyone would choose by hand.
const MAX_CHARACTERS = 2000;

/**
 * Compiles what a client chose of a reply; undefined where that is all of it. Names may be JSON or proto names.
 *
 *     Fields = Item { "," Item } ;
 *     Item   = Name { ( "." | "/" ) Name } [ "(" Fields ")" ] ;
 *     Name   = "*" | any characters but , . / ( )
 *
 * `a.b`, `a/b` and `a(b)` are the same: that of google.protobuf.FieldMask, and of Google's older "partial response". In
 * lists a path goes on into each item, in maps by the entry's key; `*` is all of a message, or any key. Throws
 * FIELD_INVALID and FIELD_UNKNOWN.
 */
export function compileReplyMask(text: string, root: Maskable, names: JsonOptions["names"]): Mask | undefined {
  if (text.length > MAX_CHARACTERS) throw invalid(`longer than ${MAX_CHARACTERS} characters`);
  return toMask(new Parser(text).parse(), shapeOf(root), names);
}

/** Chosen names with what is chosen below each; an empty one is all. */
type Tree = Map<string, Tree>;

const WHOLE: Tree = new Map();

class Parser {
  private readonly tokens: readonly string[];
  private at = 0;

  constructor(text: string) {
    this.tokens = text.match(/[,./()]|[^,./()]+/g) ?? [];
  }

  parse(): Tree {
    const tree = this.fields();
    if (this.at < this.tokens.length) throw invalid(`unexpected "${this.tokens[this.at] ?? ""}"`);
    return tree;
  }

  private fields(): Tree {
    const tree: Tree = new Map();
    do this.item(tree);
    while (this.take(","));
    return tree;
  }

  private item(into: Tree): void {
    const name = (this.tokens[this.at] ?? "").trim();
    if (name === "" || /^[,./()]$/.test(name)) {
      throw invalid(`expected a name ${name === "" ? "at the end" : `in place of "${name}"`}`);
    }
    this.at++;
    let below: Tree = new Map();
    if (this.take(".") || this.take("/")) this.item(below);
    else if (this.take("(")) {
      below = this.fields();
      if (!this.take(")")) throw invalid(`expected ")"`);
    } else below = WHOLE;
    merge(into, name, below);
  }

  private take(token: string): boolean {
    if (this.tokens[this.at]?.trim() !== token) return false;
    this.at++;
    return true;
  }
}

/** What is chosen as a whole stays so. */
function merge(into: Tree, name: string, below: Tree): void {
  const before = into.get(name);
  if (before === undefined || below.size === 0) into.set(name, below);
  else if (before.size > 0) for (const [inner, tree] of below) merge(before, inner, tree);
}

/** What names may follow a place: fields of a message, keys of a map, or nothing. */
type Shape =
  | { readonly kind: "message"; readonly message: DescMessage }
  | { readonly kind: "map"; readonly value: Shape }
  | { readonly kind: "leaf"; readonly name: string };

function shapeOf(of: Maskable): Shape {
  if (of.kind === "message") return messageShape({ name: of.name, message: of });
  const value = messageShape(of);
  return of.fieldKind === "map" ? { kind: "map", value } : value;
}

function messageShape(of: { readonly name: string; readonly message?: DescMessage | undefined }): Shape {
  // nestedMessage asks no more of a field.
  const message = of.message && nestedMessage(of as DescField);
  if (message === undefined || message.typeName === "google.protobuf.Any") return { kind: "leaf", name: of.name };
  return { kind: "message", message };
}

function toMask(tree: Tree, shape: Shape, names: JsonOptions["names"]): Mask | undefined {
  if (tree.size === 0) return undefined;
  const all = tree.get("*");
  switch (shape.kind) {
    case "leaf":
      if (all?.size === 0) return undefined;
      throw unknown(`${shape.name} has no fields to choose from`);
    case "map": {
      const entries = [...tree].filter(([key]) => key !== "*");
      return {
        members: entries.map(([key, below]) => ({ name: nameBytes(key), mask: toMask(below, shape.value, names) })),
        others: all && { mask: toMask(all, shape.value, names) },
      };
    }
    case "message": {
      if (all !== undefined && all.size > 0) throw invalid(`nothing may follow "*", which is all fields`);
      // Those beside it have to exist all the same.
      const members = [...tree].filter(([name]) => name !== "*").map(([name, below]) => member(name, below));
      return all === undefined ? { members, others: undefined } : undefined;
    }
    default:
      return shape satisfies never;
  }

  function member(name: string, below: Tree): Mask["members"][number] {
    const { message } = shape as Shape & { kind: "message" }; // its caller has looked
    const field = fieldOf(message, name);
    if (field === undefined) {
      const known = message.fields.flatMap((candidate) => [candidate.name, candidate.jsonName]);
      throw unknown(`unknown field "${shorten(name, 100)}" of ${message.typeName}${didYouMean(name, known)}`);
    }
    const written = names === "proto" ? field.name : field.jsonName;
    return { name: nameBytes(written), mask: toMask(below, shapeOf(field), names) };
  }
}

/** As it stands in JSON, without quotes. */
function nameBytes(name: string): Buffer {
  return Buffer.from(JSON.stringify(name).slice(1, -1));
}

function unknown(reason: string): Error {
  return fieldError("FIELD_UNKNOWN", "fields", reason);
}

function invalid(reason: string): Error {
  return fieldError("FIELD_INVALID", "fields", reason);
}
