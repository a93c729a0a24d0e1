// Readers are generated as JavaScript source, one function per message type. The source is made of numbers and of names
// that count up; texts and functions go in as values, so nothing that a descriptor says becomes code.

import { ScalarType, type DescEnum, type DescExtension, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import type { Lazy } from "./json-read-any.ts";
import { malformed, refuse, tooDeep } from "./json-read-error.ts";
import { input, MAX_DEPTH } from "./json-read-input.ts";
import { NameGuess } from "./json-read-guess.ts";
import { addKey, keepKey } from "./json-read-keys.ts";
import { NameTable, readEnum, readNullValue, type EnumTable } from "./json-read-names.ts";
import { readBoolKey, scalars, type Read } from "./json-read-scalar.ts";
import { colon, readNull, skipSpace, wrong } from "./json-read-syntax.ts";
import { close, closeSized, ROOM, type Sized, tagBytes, wire } from "./wire.ts";

/** A message's field, or one that an extension adds. */
export type Field = DescField | DescExtension;

export interface CompileContext {
  readonly readerOf: (desc: DescMessage) => Lazy;
  readonly enumTableOf: (desc: DescEnum) => EnumTable;
  /**
   * What to do with a member that is no field: `name` and `input.at` are the offsets of its name and value, `object`
   * of its object; `seen` holds the names of this object that came here before.
   */
  readonly unknown: (desc: DescMessage, object: number, name: number, o: number, seen: Set<string>) => number;
}

/** Compiles the reader of a message that is an object of its fields. */
export function compileMessage(desc: DescMessage, context: CompileContext): Read {
  const unit = new Unit();
  const names = namesOf(desc);
  const table = unit.use(new NameTable(new Map([...names.keys()].map((name, index) => [name, index]))));
  const guess = unit.use(new NameGuess([...names.keys()]));
  const labels = new Map<DescField, string>();
  [...names.values()].forEach((field, index) => labels.set(field, `${labels.get(field) ?? ""}case ${index}:`));
  const cases = desc.fields.map((field, index) => {
    const [word, bit] = [`s${index >>> 5}`, 1 << (index & 31)];
    const code = `if(${word}&${bit})twice(k);${word}|=${bit};${fieldCode(unit, field, context)}`;
    return `${labels.get(field)}${code}break;`;
  });
  const flags = [
    ...desc.fields.filter((_, index) => index % 32 === 0).map((_, index) => `let s${index}=0;`),
    ...desc.oneofs.map((_, index) => `let u${index}=0;`),
  ];
  // A name that was not guessed is hashed up to its closing quote; one with a space, an escape or worse goes the slow
  // way.
  return unit.compile(`
    const a=S.at,V=S.view;let i=a,k=0,j=0,h=0,g=0,f=-1,c=0,p=0,q=0,O=W.bytes,x=null;${flags.join("")}
    if(I[i]!==123)wrong(i,${unit.use("an object")});
    if(++S.depth>${MAX_DEPTH})tooDeep(i);
    c=I[++i];if(c<=32){i=space(i);c=I[i]}
    if(c===125)i++;else for(;;){
      k=i;
      g=${guess}.behind(f);j=${names.size === 0 ? "0" : `${guess}.match(V,i,g)`};
      if(j!==0){f=g;i+=j}
      else{
        if(c!==34)malformed(i,${unit.use("a name in double quotes")});
        j=i+1;h=0;c=I[j];
        while(c>34&&c!==92){h=(Math.imul(h,31)+c)|0;c=I[++j]}
        if(c===34){g=${table}.find(I,k+1,j,h);i=j+1}
        else{S.at=i;g=${table}.findQuoted();i=S.at}
        if(g>=0)${guess}.learn(f,g);
        f=g;
      }
      ${COLON}${RESERVE}
      switch(f){
      ${cases.join("\n")}
      default:S.at=i;x??=new Set();o=${unit.use(context.unknown)}(${unit.use(desc)},a,k,o,x);i=S.at}
      ${unit.next(125)}
    }
    S.at=i;S.depth--;return o`);
}

/** The names that JSON may have for each field. */
function namesOf(desc: DescMessage): ReadonlyMap<string, DescField> {
  const names = new Map<string, DescField>();
  for (const field of desc.fields) names.set(field.jsonName, field);
  // Where two fields lay claim to a name, it is its own field's.
  for (const field of desc.fields) names.set(field.name, field);
  return names;
}

/** Compiles the reader of one field's value, which writes tag and value; null is no value. */
export function compileField(field: Field, context: CompileContext): Read {
  const unit = new Unit();
  const flag = field.oneof === undefined ? "" : `let u${field.oneof.parent.oneofs.indexOf(field.oneof)}=0;`;
  return unit.compile(`let i=S.at,c=0,k=i,p=0,q=0,O=W.bytes;${flag}${fieldCode(unit, field, context)}S.at=i;return o`);
}

/** Compiles the reader of a wrapper such as google.protobuf.Int64Value: its field's value alone; null is the default. */
export function compileWrapper(desc: DescMessage, context: CompileContext): Read {
  const field = desc.fields[0] as Field; // isWrapper saw it
  return compileField(field, context);
}

const HELPERS = {
  S: input,
  W: wire,
  close,
  closeSized,
  colon,
  space: skipSpace,
  readNull,
  readEnum,
  readNullValue,
  addKey,
  keepKey,
  wrong,
  malformed,
  tooDeep,
  isZero,
  twice: (at: number): never => refuse("FIELD_INVALID", at, "given twice"),
  inOneof: (at: number, oneof: string): never =>
    refuse("FIELD_INVALID", at, `another field of oneof "${oneof}" is given too`),
};

function isZero(from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (wire.bytes[i] !== 0) return false;
  return true;
}

/** The source of one reader and the values that it uses, under names that count up. */
class Unit {
  private readonly names = new Map<unknown, string>();

  /** The name under which the source finds `value`. */
  use(value: unknown): string {
    let name = this.names.get(value);
    if (name === undefined) {
      name = `v${this.names.size}`;
      this.names.set(value, name);
    }
    return name;
  }

  /** Code from behind a member or item to the start of the next, or out of the loop behind the closing bracket. */
  next(bracket: 125 | 93): string {
    return `c=I[i];if(c<=32){i=space(i);c=I[i]}
      if(c===44){c=I[++i];if(c<=32){i=space(i);c=I[i]}}
      else if(c===${bracket}){i++;break}
      else malformed(i,${this.use(bracket === 125 ? '"," or "}"' : '"," or "]"')});`;
  }

  compile(body: string): Read {
    const values = { ...HELPERS, ...Object.fromEntries([...this.names].map(([value, name]) => [name, value])) };
    const source = `"use strict";return function(o){const I=S.bytes;${body}}`;
    return new Function(...Object.keys(values), source)(...Object.values(values)) as Read;
  }
}

// In all code below: `i` is where the value starts, and where reading goes on; `o` is where to write; `O` is the buffer,
// with ROOM free behind `o`; `p` is where the current field, item or entry began; `k` is where its name stands.

const COLON = "if(I[i]===58)i++;else i=colon(i);if(I[i]<=32)i=space(i);";
const RESERVE = `O=W.bytes;if(o+${ROOM}>O.length)O=W.grow(o,${ROOM});`;

/** Code that reads a field's value and writes tag and value; null is no value, but for types with a null of their own. */
function fieldCode(unit: Unit, field: Field, context: CompileContext): string {
  const code =
    field.fieldKind === "list"
      ? listCode(unit, field, context)
      : field.fieldKind === "map"
        ? mapCode(unit, field, context)
        : singularCode(unit, field, context);
  const takesNull = field.fieldKind !== "list" && field.fieldKind !== "map" && hasNull(field);
  return takesNull ? code : `if(I[i]===110){S.at=i;readNull();i=S.at}else{${code}}`;
}

function singularCode(unit: Unit, field: Field, context: CompileContext): string {
  const { wireType } = elementOf(field);
  const tag = tagBytes(field.number, wireType);
  let code = `p=o;${put(tag)}S.at=i;${elementCode(unit, field, context)}i=S.at;`;
  if (field.oneof !== undefined) {
    const flag = `u${field.oneof.parent.oneofs.indexOf(field.oneof)}`;
    code = `if(${flag})inOneof(k,${unit.use(field.oneof.name)});${flag}=1;${code}`;
  }
  // Without presence, the default is the same as nothing.
  if (field.presence === IMPLICIT && field.message === undefined) {
    code +=
      wireType === 0 || wireType === 2
        ? `if(o===p+${tag.length + 1}&&W.bytes[o-1]===0)o=p;`
        : `if(isZero(p+${tag.length},o))o=p;`;
  }
  return code;
}

// FeatureSet.FieldPresence.IMPLICIT of descriptor.proto
const IMPLICIT = 2;

function listCode(unit: Unit, field: Field & { fieldKind: "list" }, context: CompileContext): string {
  const { wireType } = elementOf(field);
  const tag = put(tagBytes(field.number, field.packed ? 2 : wireType));
  return `if(I[i]!==91)wrong(i,${unit.use("an array")});
    if(++S.depth>${MAX_DEPTH})tooDeep(i);
    c=I[++i];if(c<=32){i=space(i);c=I[i]}
    if(c===93)i++;else{
      ${field.packed ? `${tag}const z=o++;` : ""}
      for(;;){
        ${nullCheck(unit, field)}${RESERVE}
        p=o;${field.packed ? "" : tag}S.at=i;${elementCode(unit, field, context)}i=S.at;
        ${unit.next(93)}
      }
      ${field.packed ? "o=close(z,o);" : ""}
    }
    S.depth--;`;
}

/** An entry is a message with the key as field 1 and the value as field 2. */
function mapCode(unit: Unit, field: Field & { fieldKind: "map" }, context: CompileContext): string {
  const readKey = field.mapKey === ScalarType.BOOL ? readBoolKey : scalars[field.mapKey].read;
  return `if(I[i]!==123)wrong(i,${unit.use("an object")});
    if(++S.depth>${MAX_DEPTH})tooDeep(i);
    c=I[++i];if(c<=32){i=space(i);c=I[i]}
    if(c===125)i++;else{
      const w=o;let m=0;
      for(;;){
        if(I[i]!==34)malformed(i,${unit.use("a name in double quotes")});
        ${RESERVE}
        p=o;${put(tagBytes(field.number, 2))}
        const z=o;O[o+1]=${8 | scalars[field.mapKey].wireType};S.at=i;
        o=${unit.use(readKey)}(o+2);const y=o;m=addKey(m,w,p,z-p,o,i);i=S.at;${COLON}
        ${nullCheck(unit, field)}${RESERVE}
        O[o++]=${16 | elementOf(field).wireType};S.at=i;${elementCode(unit, field, context)}i=S.at;
        if(o!==p)o=close(z,o);else m=keepKey(m,w,p,z-p,y);
        ${unit.next(125)}
      }
    }
    S.depth--;`;
}

/** A wrapper's reader takes null, but a list or map does not. */
function nullCheck(unit: Unit, field: Field): string {
  const isWrapper = field.message !== undefined && isWrapperDesc(field.message);
  return isWrapper ? `if(I[i]===110)wrong(i,${unit.use("a value")});` : "";
}

/** Whether JSON's null is a value of the type: google.protobuf.Value and NullValue. */
function hasNull(field: Field): boolean {
  const typeName = field.message?.typeName ?? field.enum?.typeName;
  return typeName === "google.protobuf.Value" || typeName === "google.protobuf.NullValue";
}

/** Wire type of a field's value, of a list's item, of a map's value. */
function elementOf(field: Field): { wireType: number; isDelimited: boolean } {
  if (field.scalar !== undefined) return { wireType: scalars[field.scalar].wireType, isDelimited: false };
  if (field.enum !== undefined) return { wireType: 0, isDelimited: false };
  const isDelimited = "delimitedEncoding" in field && field.delimitedEncoding;
  return { wireType: isDelimited ? 3 : 2, isDelimited };
}

/** Code that reads a field's value, a list's item or a map's value at `S.at` and writes it, without its tag, at `o`. */
function elementCode(unit: Unit, field: Field, context: CompileContext): string {
  if (field.scalar !== undefined) return `o=${unit.use(scalars[field.scalar].read)}(o);`;
  if (field.enum !== undefined) {
    const table = context.enumTableOf(field.enum);
    const read = `${hasNull(field) ? "readNullValue" : "readEnum"}(o,${unit.use(table)})`;
    // An unknown name that is ignored takes back what was written for it.
    return table.ignoreUnknown ? `q=${read};o=q<0?p:q;` : `o=${read};`;
  }
  const reader = unit.use(context.readerOf(field.message as DescMessage)); // what is neither scalar nor enum
  if (!elementOf(field).isDelimited) {
    const site = unit.use({ size: 1 } satisfies Sized);
    return `q=${site}.size;o=closeSized(o,${reader}.read(o+q),q,${site});`;
  }
  return `o=${reader}.read(o);${RESERVE}${put(tagBytes(field.number, 4))}`;
}

/** Code that writes constant bytes. */
function put(bytes: readonly number[]): string {
  return `${bytes.map((byte, index) => `O[o+${index}]=${byte};`).join("")}o+=${bytes.length};`;
}
