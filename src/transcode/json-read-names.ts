import type { DescEnum } from "@bufbuild/protobuf";
import { didYouMean } from "../core/suggest.ts";
import { strippedNames } from "./json-enum.ts";
import { NameGuess } from "./json-read-guess.ts";
import { input } from "./json-read-input.ts";
import { readEnumNumber } from "./json-read-number.ts";
import { span } from "./json-read-string.ts";
import { skip, wrong } from "./json-read-syntax.ts";
import { defaultJsonOptions, type JsonOptions } from "./options.ts";
import { varint32, varint64 } from "./wire.ts";

/** Finds names given as UTF-8 bytes, with no string made and no object keyed by what a client sent. */
export class NameTable {
  private readonly mask: number;
  /**
   * Open addressing, at most a quarter full. Four numbers a slot: hash, start and end of the name in `bytes`, value + 1
   * (0 in an empty slot).
   */
  private readonly slots: Int32Array;
  private readonly bytes: Uint8Array;

  /** `values` are what `find` gives for the names; none is negative. A name may be empty: that of a field `_`. */
  constructor(values: ReadonlyMap<string, number>) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(values.size, 1) * 4));
    this.mask = size - 1;
    this.slots = new Int32Array(size * 4);
    this.bytes = Buffer.from([...values.keys()].join(""));
    let start = 0;
    for (const [name, value] of values) {
      const end = start + Buffer.byteLength(name);
      const hash = hashOf(this.bytes, start, end);
      let slot = this.slotOf(hash);
      while (this.slots[slot + 3] !== 0) slot = this.nextSlot(slot);
      this.slots.set([hash, start, end, value + 1], slot);
      start = end;
    }
  }

  /** The value of the name in [from, to) of `text`, whose `hashOf` is `hash`; -1 where there is none. */
  find(text: Uint8Array, from: number, to: number, hash: number): number {
    const slots = this.slots;
    const bytes = this.bytes;
    for (let slot = this.slotOf(hash); ; slot = this.nextSlot(slot)) {
      const value = slots[slot + 3] as number;
      if (value === 0) return -1;
      if (slots[slot] !== hash) continue;
      const end = slots[slot + 2] as number;
      let known = slots[slot + 1] as number;
      if (end - known !== to - from) continue;
      for (let i = from; i < to && bytes[known] === text[i]; i++) known++;
      if (known === end) return value - 1;
    }
  }

  /** As `find`, for a name of JSON that starts with the quote at `input.at`, in any form; reads over it. */
  findQuoted(): number {
    span("a name");
    return this.findSpan();
  }

  /** As `find`, for the text that `span` left. */
  findSpan(): number {
    const { text, from, to } = input;
    return this.find(text, from, to, hashOf(text, from, to));
  }

  private slotOf(hash: number): number {
    return ((hash ^ (hash >>> 15)) & this.mask) << 2;
  }

  private nextSlot(slot: number): number {
    return (((slot >> 2) + 1) & this.mask) << 2;
  }
}

/** The hash by which a NameTable finds; readers compute it while they scan. */
function hashOf(text: Uint8Array, from: number, to: number): number {
  let hash = 0;
  for (let i = from; i < to; i++) hash = (Math.imul(hash, 31) + (text[i] as number)) | 0;
  return hash;
}

/** An enum as readers need it. */
export interface EnumTable {
  /** Index into `numbers` by name. */
  readonly names: NameTable;
  /** By the same index, of `known`: the name that was read last is expected again. */
  readonly guess: NameGuess;
  /** The same by names in lower case, where case is ignored; without those that mean several numbers. */
  readonly folded: ReadonlyMap<string, number> | undefined;
  readonly numbers: readonly number[];
  /** The numbers of a closed enum; undefined where every number is allowed. */
  readonly closed: ReadonlySet<number> | undefined;
  /** Names to suggest. */
  readonly known: readonly string[];
  readonly expected: string;
  readonly ignoreUnknown: boolean;
}

export function createEnumTable(
  desc: DescEnum,
  ignoreUnknown: boolean,
  { enumPrefix, enumCase }: Pick<JsonOptions, "enumPrefix" | "enumCase"> = defaultJsonOptions,
): EnumTable {
  const indexes = new Map<string, number>();
  const stripped = enumPrefix === "strip" ? strippedNames(desc) : undefined;
  desc.values.forEach((value, index) => indexes.set(stripped?.get(value) ?? value.name, index));
  // Custom JSON names first: protoc refuses one that equals another value's name, and if it did not, the name wins.
  desc.values.forEach((value, index) => indexes.set(value.jsonName, index));
  desc.values.forEach((value, index) => indexes.set(value.name, index));
  const numbers = desc.values.map((value) => value.number);
  const known = desc.values.map((value) => stripped?.get(value) ?? value.name);
  return {
    names: new NameTable(indexes),
    guess: new NameGuess(known),
    folded: enumCase === "ignore" ? fold(indexes, numbers) : undefined,
    numbers,
    closed: desc.open ? undefined : new Set(numbers),
    known,
    expected: `a value of ${desc.typeName}`,
    ignoreUnknown,
  };
}

function fold(indexes: ReadonlyMap<string, number>, numbers: readonly number[]): ReadonlyMap<string, number> {
  const folded = new Map<string, number>();
  const ambiguous = new Set<string>();
  for (const [name, index] of indexes) {
    const lower = name.toLowerCase();
    const other = folded.get(lower);
    if (other !== undefined && numbers[other] !== numbers[index]) ambiguous.add(lower);
    folded.set(lower, index);
  }
  for (const name of ambiguous) folded.delete(name);
  return folded;
}

/** Index of the value that the text of `span` names; -1 where there is none. */
export function findEnumValue(table: EnumTable): number {
  const index = table.names.findSpan();
  if (index >= 0 || table.folded === undefined) return index;
  return table.folded.get(input.text.utf8Slice(input.from, input.to).toLowerCase()) ?? -1;
}

/**
 * Reads an enum value, by name or number, at `input.at` as a varint. Gives -1, with nothing written, for an unknown
 * name where these are ignored.
 */
export function readEnum(o: number, table: EnumTable): number {
  const { at, bytes } = input;
  const first = bytes[at] as number;
  if (first === 0x22) {
    let index = table.guess.behind(-1);
    const length = table.guess.match(input.view, at, index);
    if (length !== 0) input.at = at + length;
    else {
      span("a name");
      index = findEnumValue(table);
      if (index < 0) {
        if (table.ignoreUnknown) return -1;
        wrongName(at, table);
      }
      table.guess.learn(-1, index);
    }
    return putEnum(table.numbers[index] as number, o);
  }
  if (first !== 0x2d && !(first >= 0x30 && first <= 0x39)) wrong(at, table.expected);
  return putEnumNumber(at, o, table);
}

/** Reads an enum value's number at `input.at`; `at` is where to blame it. */
export function putEnumNumber(at: number, o: number, table: EnumTable): number {
  const number = readEnumNumber(table.expected);
  if (table.closed !== undefined && !table.closed.has(number)) wrong(at, table.expected);
  return putEnum(number, o);
}

/** Writes an enum's number as a varint. */
export function putEnum(number: number, o: number): number {
  return number < 0 ? varint64(number, -1, o) : varint32(number, o);
}

/** Refuses the text that `span` left as a name of the enum's values. */
export function wrongName(at: number, table: EnumTable): never {
  const name = input.text.utf8Slice(input.from, Math.min(input.to, input.from + 200));
  wrong(at, table.expected, didYouMean(name, table.known));
}

/** As readEnum for google.protobuf.NullValue, whose value is written `null`. */
export function readNullValue(o: number, table: EnumTable): number {
  if (input.bytes[input.at] !== 0x6e) return readEnum(o, table);
  skip();
  return putEnum(0, o);
}
