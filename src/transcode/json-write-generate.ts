// One function per message type: protobuf bytes in, JSON bytes out, fields in the order of the wire.
//
// What goes into the source: numbers, and names made of counters. Keys, enum names and the writers of other messages
// are arguments of the generated function; so no descriptor, however hostile, can bring in code.
//
// Variables of generated code: b = bytes, p = position, e = end of the message, O = view of the sink, o = offset in
// it, o0 = where the message begins, d = levels of nesting still allowed, t = tag, v = 32-bit value or length, l and h =
// halves of a 64-bit value, x = floating-point value, q = end of a length-delimited value, n = enum name, k = where a
// field begins, m = a map's number, a and c = where a map's entry begins and its key ends, f = its end, s0 … = fields
// seen so far. K0 … are constants.
import { type DescEnum, type DescExtension, type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { NULL_VALUE, quote, type ValueForms, zeroJson } from "./json-write-forms.ts";
import { IRREGULAR, keys } from "./json-write-keys.ts";
import * as numbers from "./json-write-numbers.ts";
import {
  defaultJson,
  dispatch,
  type FieldCase,
  isSet,
  isWide,
  readLength,
  readValue,
  tagBytes,
  tagOf,
  type ValueType,
  wireTypeOf,
  writeValue,
} from "./json-write-snippets.ts";
import { TAIL_ROOM, writeBase64, writeString } from "./json-write-text.ts";
import type { JsonOptions } from "./options.ts";
import { sink } from "./sink.ts";
import * as scan from "./wire-scan.ts";

/**
 * Writes the message bytes[p, e) as JSON at offset `o` of the sink, not moving `sink.length`; gives the offset behind
 * it. `depth`: levels of messages that may still be nested in it. Throws WireError or IRREGULAR.
 */
export type WriteMessage = (bytes: Buffer, p: number, e: number, o: number, depth: number) => number;

/** A writer that other writers call. */
export interface WriterSlot {
  write: WriteMessage;
}

export type AnyField = DescField | DescExtension;

export interface GenerateOptions {
  /** The fields to write, extensions among them; others are skipped. */
  readonly fields: readonly AnyField[];
  /** The name of a field in JSON. */
  readonly nameOf: (field: AnyField) => string;
  readonly slotOf: (message: DescMessage) => WriterSlot;
  readonly forms: ValueForms;
  readonly emitDefaults: JsonOptions["emitDefaults"];
  /** Write the value of the only field, without name and braces, and this JSON text where the field is absent. */
  readonly bare?: string;
}

/** What generated code calls. */
const RUNTIME = {
  ...numbers,
  ...scan,
  IRREGULAR,
  keys,
  put,
  sink,
  writeBase64,
  writeString,
  TRUE: toText("true"),
  FALSE: toText("false"),
};

/** Compiles the writer of a message type. */
export function generateWriter(options: GenerateOptions): WriteMessage {
  const { source, constants } = new Generator(options);
  const names = [...Object.keys(RUNTIME), ...constants.map((_, index) => `K${index}`)];
  return new Function(...names, source)(...Object.values(RUNTIME), ...constants) as WriteMessage;
}

/**
 * ASCII text as it is written: eight bytes at once, as a double (ASCII is never the bits of NaN), filled up with spaces
 * that what follows overwrites. Four times as fast as byte by byte.
 */
interface Text {
  readonly length: number;
  readonly words: Float64Array;
}

function toText(text: string): Text {
  const bytes = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const words = new Float64Array(bytes.length / 8);
  for (let i = 0; i < words.length; i++) words[i] = bytes.readDoubleLE(i * 8);
  return { length: text.length, words };
}

function put(text: Text, out: DataView, o: number): number {
  const { words } = text;
  for (let i = 0; i < words.length; i++) out.setFloat64(o + i * 8, words[i] as number, true);
  return o + text.length;
}

const SEEN_BITS = 31;
// Longer keys are copied by a loop; so are all where there are many, for V8 optimises no function of more than 60 KB of
// bytecode.
const INLINE_KEY_BYTES = 40;
const INLINE_FIELDS = 80;
// Names of enums are looked up in an array up to this number, then in a map.
const ARRAY_NUMBERS = 256;

const COMMA = "O.setUint8(o++,44);";
const OPEN_LIST = "[";
const OPEN_MAP = "{";

class Generator {
  readonly source: string;
  readonly constants: unknown[] = [];
  private readonly options: GenerateOptions;
  private readonly names: ReadonlyMap<AnyField, string>;
  /** Makes the sink ready for a key and a value that makes no room itself. */
  private readonly room: string;
  /** Which bit of "seen" a field, or the oneof it is in, has. */
  private readonly bits = new Map<unknown, number>();

  constructor(options: GenerateOptions) {
    this.options = options;
    const { fields, bare, forms } = options;
    this.names = new Map(fields.map((field) => [field, bare === undefined ? `,${quote(options.nameOf(field))}:` : ""]));
    const names = [
      ...fields.map((field) => (this.names.get(field) ?? "") + (this.defaultOf(field) ?? "")),
      ...fields.flatMap((field) => field.enum?.values.map(forms.enumJson) ?? []),
    ];
    const longest = names.reduce((most, name) => Math.max(most, name.length), 0);
    this.room = makeRoom(longest + numbers.NUMBER_ROOM + TAIL_ROOM);
    this.source = this.message();
  }

  private message(): string {
    const { fields, bare } = this.options;
    const cases: FieldCase[] = fields.map((field) => ({ number: field.number, code: this.field(field) }));
    if (bare !== undefined) cases.push(...fields.flatMap((field) => this.othersOfOneof(field)));
    cases.sort((one, other) => one.number - other.number);
    const words = Array.from({ length: Math.ceil(this.bits.size / SEEN_BITS) }, (_, word) => `,s${word}=0`);
    return `"use strict";return function(b,p,e,o,d){
if(d<0)throw tooDeep();
let O=sink.view,t=0,v=0,l=0,h=0,x=0.5,q=0,m=0,a=0,f=0,n${words.join("")};
const o0=o;
while(p<e){
t=b[p++];if(t>127){t=t&127|b[p]<<7;if(b[p++]>127){t=varintTag(b,p-2);p=cursor.next}}
${this.room}
${dispatch(cases)}
p=skipField(b,p,e,t);
}
if(p!==e)throw truncated();
${this.defaults()}${makeRoom(TAIL_ROOM)}
${bare === undefined ? "if(o===o0)o++;O.setUint8(o0,123);O.setUint8(o,125);return o+1" : `return o===o0?${this.put(bare)}:o`}
}`;
  }

  private field(field: AnyField): string {
    switch (field.fieldKind) {
      case "list":
        return field.listKind === "message" ? this.messages(field, field.message) : this.list(field);
      case "map":
        return this.map(field);
      case "message": {
        const write = this.name(field) + this.nested(field, field.message, "e");
        return `${onlyTag(messageTag(field))}${this.once(field)}${write}continue;`;
      }
      default:
        return this.single(field);
    }
  }

  private single(field: AnyField): string {
    const read = onlyTag(tagOf(field, wireTypeOf(field))) + readValue(field, "e");
    const leavesOut = isImplicit(field) && this.options.emitDefaults === "none";
    const put = this.name(field) + this.value(field);
    const write = this.once(field) + (leavesOut ? `if(${isSet(field)}){${put}}` : put);
    return isClosed(field.enum)
      ? `${read}${this.findName(field.enum)}if(n!==undefined){${write}}continue;`
      : `${read}${write}continue;`;
  }

  private messages(field: AnyField, message: DescMessage): string {
    const tag = messageTag(field);
    const elements = `for(;;){${this.nested(field, message, "e")}${COMMA}${this.another(tag)}}`;
    return `${onlyTag(tag)}${this.once(field)}${this.name(field, OPEN_LIST)}${elements}O.setUint8(o-1,93);continue;`;
  }

  private list(field: AnyField): string {
    const tag = tagOf(field, wireTypeOf(field));
    const packedTag = tagOf(field, scan.Wire.Bytes);
    const begin = `const k=o;${this.once(field)}${this.name(field, OPEN_LIST)}`;
    // Where a closed enum knew none of the values the list is empty.
    const none = this.defaultOf(field) === undefined ? "o=k" : "O.setUint8(o++,93)";
    const end = isClosed(field.enum)
      ? `if(O.getUint8(o-1)===44)O.setUint8(o-1,93);else ${none};continue;`
      : "O.setUint8(o-1,93);continue;";
    const alone = `{${begin}for(;;){${this.element(field, "e")}${this.another(tag)}}${end}}`;
    if (tag === packedTag) return onlyTag(tag) + alone;
    const packed = `const g=q;${begin}while(p<g){${this.room}${this.element(field, "g")}}if(p!==g)throw truncated();${end}`;
    return `if(t===${packedTag}){${readLength("e")}if(v===0)continue;${packed}}${onlyTag(tag)}${alone}`;
  }

  private element(field: AnyField, end: string): string {
    const read = readValue(field, end);
    const write = this.value(field) + COMMA;
    return isClosed(field.enum) ? `${read}${this.findName(field.enum)}if(n!==undefined){${write}}` : read + write;
  }

  private map(field: AnyField & { readonly fieldKind: "map" }): string {
    const tag = tagOf(field, scan.Wire.Bytes);
    const key: ValueType = { scalar: field.mapKey };
    const mark = field.mapKey === ScalarType.STRING || isWide(field.mapKey) ? "" : "O.setUint8(o++,34);";
    const noKey = mark === "" ? defaultJson(key, "string") : `"${defaultJson(key, "string")}"`;
    const isMessage = field.mapKind === "message";
    const valueTag = tagOf({ number: 2 }, isMessage ? scan.Wire.Bytes : wireTypeOf(field));
    const value = isMessage ? this.nested(field, field.message, "f") + COMMA : this.element(field, "f");
    const noValue = isMessage
      ? `o=${this.slot(field.message)}.write(b,p,p,o,d-1);O=sink.view;`
      : `o=${this.put(zeroJson(field, this.options.forms))};`;
    // An entry whose value a closed enum does not have is an unknown field, key and all.
    const drop = isClosed(field.enum) ? "if(n===undefined)o=a;" : "";
    const entry = `${readLength("e")}f=q;a=o;
if(p<f&&b[p]===${tagOf({ number: 1 }, wireTypeOf(key))}){p++;${readValue(key, "f")}${mark}${writeValue(field.mapKey, "string")}${mark}}else o=${this.put(noKey)};
keys.add(m,O,a,o);O.setUint8(o++,58);${this.room}
if(p>=f){${noValue}${COMMA}}else{if(b[p++]!==${valueTag})throw IRREGULAR;${value}${drop}}
if(p!==f)throw IRREGULAR;
${this.another(tag)}`;
    const none = this.defaultOf(field) === undefined ? "o=k" : "O.setUint8(o++,125)";
    return `${onlyTag(tag)}{const k=o;${this.once(field)}${this.name(field, OPEN_MAP)}m=keys.open();for(;;){${entry}}
keys.close(m);if(O.getUint8(o-1)===44)O.setUint8(o-1,125);else ${none};continue}`;
  }

  /** Writes a message that is the value of a field; `end` bounds it. */
  private nested(field: AnyField, message: DescMessage, end: string): string {
    const write = `o=${this.slot(message)}.write(b,p,q,o,d-1);O=sink.view;`;
    const tag = messageTag(field);
    if ((tag & 7) === scan.Wire.Bytes) return `${readLength(end)}${write}p=q;`;
    return `q=groupEnd(b,p,e,${tag});v=cursor.next;${write}p=v;`;
  }

  /** Writes the value just read. */
  private value(type: ValueType): string {
    const { int64, enums } = this.options.forms;
    if (type.enum === undefined) return writeValue(type.scalar as ScalarType, int64); // a value is one or the other
    if (type.enum.typeName === NULL_VALUE) return `o=${this.put("null")};`;
    if (isClosed(type.enum)) return "o=put(n,O,o);";
    if (enums === "number") return "o=writeInt32(v,O,o);";
    return `${this.findName(type.enum)}if(n!==undefined)o=put(n,O,o);else o=writeInt32(v,O,o);`;
  }

  /** Sets n to the JSON of the enum's value v, or to undefined. */
  private findName(type: DescEnum): string {
    // The first of several names for a number is its own, the others are aliases.
    const names = new Map(
      type.values.map((value) => [value.number, toText(this.options.forms.enumJson(value))] as const).reverse(),
    );
    const array: unknown[] = [];
    for (let number = 0; number < ARRAY_NUMBERS && names.has(number); number++) array[number] = names.get(number);
    const more = array.length < names.size ? `${this.constant(names)}.get(v)` : "undefined";
    return `n=v>=0&&v<${array.length}?${this.constant(array)}[v]:${more};`;
  }

  /** What a field is in JSON where it is absent; undefined where it is left out. */
  private defaultOf(field: AnyField): string | undefined {
    const { emitDefaults, bare, forms } = this.options;
    if (emitDefaults === "none" || bare !== undefined || field.kind === "extension") return undefined;
    if (field.fieldKind === "list") return emitDefaults === "all" ? "[]" : undefined;
    if (field.fieldKind === "map") return emitDefaults === "all" ? "{}" : undefined;
    return isImplicit(field) ? zeroJson(field, forms) : undefined;
  }

  /** Writes the fields at their default that were not seen. */
  private defaults(): string {
    const words = new Map<number, { mask: number; code: string }>();
    for (const field of this.options.fields) {
      const json = this.defaultOf(field);
      if (json === undefined) continue;
      const { word, bit } = this.bitOf(field);
      const write = `if((s${word}&${bit})===0){${this.room}${this.name(field, json)}}`;
      const { mask, code } = words.get(word) ?? { mask: 0, code: "" };
      words.set(word, { mask: mask | bit, code: `${code}${write}\n` });
    }
    return [...words].map(([word, { mask, code }]) => `if((s${word}&${mask})!==${mask}){${code}}\n`).join("");
  }

  /** Once in a message: the second one of a field, or of a oneof, goes the slow way. */
  private once(field: AnyField): string {
    const { word, bit } = this.bitOf(field);
    return `if((s${word}&${bit})!==0)throw IRREGULAR;s${word}|=${bit};`;
  }

  /** Where "seen" stands of a field, or of the oneof it is in. */
  private bitOf(field: AnyField): { readonly word: number; readonly bit: number } {
    const owner = field.oneof ?? field;
    const index = this.bits.get(owner) ?? this.bits.size;
    this.bits.set(owner, index);
    return { word: Math.floor(index / SEEN_BITS), bit: 1 << (index % SEEN_BITS) };
  }

  /** Of the only field: the other members of its oneof, which clear it when they come later. */
  private othersOfOneof(field: AnyField): FieldCase[] {
    const others = field.oneof?.fields.filter((other) => other !== field) ?? [];
    return others.map((other) => ({ number: other.number, code: `${this.once(other)}break;` }));
  }

  /** Ends the loop over a list's or a map's elements unless one more follows at once. */
  private another(tag: number): string {
    const bytes = tagBytes(tag);
    const differs = bytes.map((byte, index) => `||b[p${index === 0 ? "" : `+${index}`}]!==${byte}`);
    return `if(p+${bytes.length}>e${differs.join("")})break;p+=${bytes.length};${this.room}`;
  }

  /** Writes the comma, the name and the colon, and what stands behind them. */
  private name(field: AnyField, behind = ""): string {
    const text = this.names.get(field) + behind;
    if (text.length > INLINE_KEY_BYTES || this.names.size > INLINE_FIELDS) return `o=${this.put(text)};`;
    const { words } = toText(text);
    return `${[...words].map((word, index) => `O.setFloat64(o+${index * 8},${word},true);`).join("")}o+=${text.length};`;
  }

  private put(text: string): string {
    return `put(${this.constant(toText(text))},O,o)`;
  }

  private slot(message: DescMessage): string {
    return this.constant(this.options.slotOf(message));
  }

  private constant(value: unknown): string {
    const known = this.constants.indexOf(value);
    return `K${known >= 0 ? known : this.constants.push(value) - 1}`;
  }
}

function makeRoom(bytes: number): string {
  return `if(o+${bytes}>sink.size){sink.grow(o,${bytes});O=sink.view}`;
}

/** Leaves the case of a field, whose value is then skipped: a field with another wire type is an unknown one. */
function onlyTag(tag: number): string {
  return `if(t!==${tag})break;`;
}

function messageTag(field: AnyField): number {
  const delimited = "delimitedEncoding" in field && field.delimitedEncoding;
  return tagOf(field, delimited ? scan.Wire.StartGroup : scan.Wire.Bytes);
}

function isClosed(type: DescEnum | undefined): type is DescEnum {
  return type !== undefined && !type.open;
}

function isImplicit(field: AnyField): boolean {
  return field.kind === "field" && field.presence === FeatureSet_FieldPresence.IMPLICIT && field.message === undefined;
}
