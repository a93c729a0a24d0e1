import { isIP } from "node:net";
import { z } from "zod";
import { didYouMean } from "./suggest.ts";
import { DURATION_PATTERN, parseDuration, parseSize, SIZE_PATTERN } from "./units.ts";

// A configuration is read once: what zod would compile for the next time costs more than it saves.
z.config({ jitless: true });

/**
 * The kinds of values that options are made of. Each is one zod schema that parses what stands in a file and carries
 * its part of the JSON Schema: docs, default, pattern. A value that came from `${…}` is text, so that every kind reads
 * text too.
 */
export interface Docs<T = string> {
  readonly docs: string;
  /** As it would be written in the file. `filled` applies it; without `filled` it only documents. */
  readonly default?: T;
}

/**
 * What a leaf made of a value: the result; or what it expected and, where it helps, how to mend it; or a whole sentence
 * that shows the value itself.
 */
export type Read<T> =
  { readonly value: T } | { readonly expected: string; readonly hint?: string } | { readonly sentence: string };

/** What `toProblems` needs to know of an issue besides its message. */
export interface IssueFacts {
  readonly hint?: string | undefined;
  /** The message is a whole sentence: the value is not to be shown after it. */
  readonly sentence?: boolean;
}

/** A value that a file holds, read by `read`. */
export function leaf<T>(docs: Docs<unknown>, jsonSchema: object, read: (value: unknown) => Read<T>): z.ZodType<T> {
  const schema = z.unknown().transform((value, context): T => {
    const result = read(value);
    if ("value" in result) return result.value;
    const [message, params]: [string, IssueFacts] =
      "sentence" in result ? [result.sentence, { sentence: true }] : [result.expected, { hint: result.hint }];
    context.issues.push({ code: "custom", message, params: { ...params }, input: value });
    // Not z.NEVER, which is an object: `check` of the section around would take it for a value.
    return undefined as T;
  });
  return schema.meta({
    ...jsonSchema,
    description: docs.docs,
    ...(docs.default === undefined ? {} : { default: docs.default }),
  });
}

/** The schema with its documented default filled in where the key is absent. */
export function filled<T>(schema: z.ZodType<T>): z.ZodPrefault<z.ZodType<T>> {
  const value = schema.meta()?.["default"];
  if (value === undefined) throw new Error("an option that is filled needs a default");
  return schema.prefault(value);
}

const REFERENCE = { type: "string", pattern: "\\$\\{" };
const orReference = (title: string, schema: object): object => ({ title, anyOf: [schema, REFERENCE] });

// Node's timers overflow beyond.
const MAX_MS = 2 ** 31 - 1;

interface DurationDocs extends Docs {
  /** Milliseconds; 1 where nothing is said. */
  readonly min?: number;
  /** Whether `none` is allowed, read as Infinity. */
  readonly none?: boolean;
}

/** Milliseconds. */
export function duration(docs: DurationDocs): z.ZodType<number> {
  const { min = 1, none = false } = docs;
  const expected = `expected a duration such as 250ms, 5s or 1m30s${none ? ", or none" : ""}`;
  const pattern = `^(${DURATION_PATTERN}${none ? "|none" : ""})$|\\$\\{`;
  return leaf(docs, { title: none ? "duration or none" : "duration", type: "string", pattern }, (value) => {
    if (none && value === "none") return { value: Infinity };
    if (typeof value === "number") return { expected, hint: `write the unit: ${value}s or ${value}ms` };
    const ms = typeof value === "string" ? parseDuration(value) : undefined;
    if (ms === undefined) return { expected };
    if (ms < min) return { expected: min === 1 ? "expected a duration above 0" : `expected at least ${min}ms` };
    return ms > MAX_MS ? { expected: "expected a duration of at most 596h" } : { value: ms };
  });
}

// One message or body is one Buffer, counted by signed 32-bit integers on the way.
const MAX_BYTES = 2 ** 31 - 1;

/** Bytes, at least `min`. */
export function size(docs: Docs<string | number> & { readonly min: number }): z.ZodType<number> {
  const expected = "expected a size such as 64KiB, 4MiB or a number of bytes";
  const jsonSchema = {
    title: "size",
    anyOf: [
      { type: "string", pattern: `^${SIZE_PATTERN}$|\\$\\{` },
      { type: "integer", minimum: docs.min, maximum: MAX_BYTES },
    ],
  };
  return leaf(docs, jsonSchema, (value) => {
    const bytes = typeof value === "string" ? (parseSize(value) ?? toInteger(value)) : toInteger(value);
    if (bytes === undefined) return { expected };
    if (bytes < docs.min) return { expected: `expected at least ${docs.min} bytes` };
    return bytes > MAX_BYTES ? { expected: "expected less than 2GiB" } : { value: bytes };
  });
}

/** A whole number in [min, max]. */
export function integer(docs: Docs<number> & { readonly min: number; readonly max: number }): z.ZodType<number> {
  const { min, max } = docs;
  const range = min === max ? String(min) : `whole number from ${min} to ${max}`;
  return leaf(docs, orReference(range, { type: "integer", minimum: min, maximum: max }), (value) => {
    const number = toInteger(value);
    if (number !== undefined && number >= min && number <= max) return { value: number };
    return { expected: min === max ? `expected ${range}` : `expected a ${range}` };
  });
}

/** A number in [min, max]. */
export function decimal(docs: Docs<number> & { readonly min: number; readonly max: number }): z.ZodType<number> {
  const { min, max } = docs;
  const range = `number from ${min} to ${max}`;
  return leaf(docs, orReference(range, { type: "number", minimum: min, maximum: max }), (value) => {
    const number = typeof value === "string" && /^\d{1,9}(\.\d{1,9})?$/.test(value) ? Number(value) : value;
    if (typeof number === "number" && number >= min && number <= max) return { value: number };
    return { expected: `expected a ${range}` };
  });
}

/** A TCP port; 0 lets the system choose. */
export function port(docs: Docs<number>): z.ZodType<number> {
  return integer({ ...docs, min: 0, max: 65535 });
}

export function flag(docs: Docs<boolean>): z.ZodType<boolean> {
  return leaf(docs, orReference("true or false", { type: "boolean" }), (value) => {
    if (value === true || value === "true") return { value: true };
    if (value === false || value === "false") return { value: false };
    return { expected: "expected true or false" };
  });
}

interface TextDocs extends Docs {
  /** Source of a regular expression for the whole text; no empty text where nothing is said. */
  readonly pattern?: string;
  /** What the text is, for `expected …`. */
  readonly what: string;
  /** How to mend a text that does not match, where that can be seen. */
  readonly hint?: (text: string) => string | undefined;
}

export function text(docs: TextDocs): z.ZodType<string> {
  const pattern = docs.pattern ?? "[^]+";
  const whole = new RegExp(`^(?:${pattern})$`);
  const jsonSchema = docs.pattern === undefined ? { minLength: 1 } : { pattern: `^(${pattern})$|\\$\\{` };
  const title = docs.what.replace(/^an? /, "").replace(/ such as .*/, "");
  return leaf(docs, { title, type: "string", ...jsonSchema }, (value) => {
    if (typeof value === "string" && whole.test(value)) return { value };
    const hint = typeof value === "string" ? docs.hint?.(value) : undefined;
    return { expected: `expected ${docs.what}`, ...(hint === undefined ? {} : { hint }) };
  });
}

interface ChoiceDocs<T extends string> extends Docs<T> {
  readonly of: readonly T[];
  /** Values of a later version: refused as "not supported yet". */
  readonly later?: readonly string[];
}

/** One of a few words. */
export function choice<const T extends string>(docs: ChoiceDocs<T>): z.ZodType<T> {
  const expected = `expected ${docs.of.join(" or ")}`;
  return leaf(docs, orReference(docs.of.join(" or "), { enum: docs.of }), (value) => {
    const found = docs.of.find((word) => word === value);
    if (found !== undefined) return { value: found };
    if (typeof value !== "string") return { expected };
    if (docs.later?.includes(value)) return { expected, hint: `${value} is not supported yet` };
    const hint = didYouMean(value, docs.of).replace("; ", "");
    return { expected, ...(hint === "" ? {} : { hint }) };
  });
}

const HOST_NAME = /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?$/;

/** A name or address to listen on; IPv6 with or without brackets, read without. */
export function host(docs: Docs): z.ZodType<string> {
  const expected = "expected a host name or an IP address, without a port";
  return leaf(docs, { title: "host", type: "string", minLength: 1 }, (value) => {
    if (typeof value !== "string") return { expected };
    const bare = /^\[.*\]$/.test(value) ? value.slice(1, -1) : value;
    if (isIP(bare) === 6 || (bare === value && HOST_NAME.test(value))) return { value: bare };
    return { expected };
  });
}

/** A list; a key without a value is an empty one. */
export function list<T>(docs: Docs<readonly unknown[]> & { readonly min?: number }, item: z.ZodType<T>) {
  const inner = z.array(item, { error: "expected a list" });
  const schema = docs.min === undefined ? inner : inner.min(docs.min, `expected at least ${docs.min} in the list`);
  return emptyFor([], schema).meta({
    description: docs.docs,
    ...(docs.default === undefined ? {} : { default: docs.default }),
  }) as z.ZodType<T[]>;
}

/** A map from free names to values of one kind; a key without a value is an empty one. */
export function record<T>(docs: Docs<object>, value: z.ZodType<T>) {
  const schema = emptyFor({}, z.record(z.string(), value, { error: "expected a map" }));
  return schema.meta({
    description: docs.docs,
    ...(docs.default === undefined ? {} : { default: docs.default }),
  }) as z.ZodType<Record<string, T>>;
}

/** Says that the value at `path` (from the section) is wrong, by a whole sentence. */
export type Complain = (path: readonly PropertyKey[], sentence: string) => void;

export interface SectionDocs<Output> {
  readonly docs: string;
  /** Keys of a later version: refused as "not supported yet". */
  readonly later?: readonly string[];
  /** Keys that do not belong here, each with the reason. */
  readonly misplaced?: Readonly<Record<string, string>>;
  /** Further JSON Schema. */
  readonly jsonSchema?: object;
  /**
   * Rules between keys. Runs also where single keys are wrong, so that all problems are told at once: a wrong key's
   * value is undefined. Where `hasUnknownKeys`, a missing key may be one of them misspelt.
   */
  readonly check?: (value: Partial<Output>, complain: Complain, hasUnknownKeys: boolean) => void;
}

/** A map of known keys; unknown ones are refused, one problem each. A key without a value is an empty section. */
export function section<Shape extends z.core.$ZodLooseShape>(
  docs: SectionDocs<z.output<z.ZodObject<Shape, z.core.$strict>>>,
  shape: Shape,
) {
  type Output = z.output<z.ZodObject<Shape, z.core.$strict>>;
  const known = Object.keys(shape);
  const object = z.strictObject(shape, {
    error: (issue) => {
      if (issue.code !== "unrecognized_keys") return "expected a map of keys";
      // One line a key: `toProblems` takes them apart again.
      return issue.keys.map((key) => refusal(key, known, docs)).join("\n");
    },
  });
  const { check } = docs;
  const checked =
    check === undefined
      ? object
      : object.superRefine((value, context) => {
          if (typeof value !== "object" || value === null) return;
          const hasUnknownKeys = context.issues.some(({ code, path }) => code === "unrecognized_keys" && !path?.length);
          const complain: Complain = (path, message) => {
            const facts: IssueFacts = { sentence: true };
            context.addIssue({ code: "custom", path: [...path], message, params: { ...facts } });
          };
          check(value as Partial<Output>, complain, hasUnknownKeys);
        });
  if (check !== undefined) runAlways(checked);
  return emptyFor({}, checked).meta({ description: docs.docs, ...docs.jsonSchema }) as z.ZodType<Output>;
}

/** What an unknown key is told; JSON quoting keeps it on one line. */
function refusal(key: string, known: readonly string[], docs: SectionDocs<never>): string {
  if (docs.later?.includes(key)) return `${key} is not supported yet`;
  const reason = docs.misplaced?.[key];
  if (reason !== undefined) return `${key} ${reason}`;
  const suggestion = didYouMean(key, known);
  return `unknown key ${JSON.stringify(key)}${suggestion === "" ? `; expected ${known.join(", ")}` : suggestion}`;
}

function emptyFor<T extends z.ZodType>(empty: unknown, schema: T) {
  return z.preprocess((value) => (value === null ? empty : value), schema);
}

/** zod skips checks where a part was wrong already; a check with `when` is asked always. */
function runAlways(schema: z.ZodType): void {
  for (const check of schema._zod.def.checks ?? []) check._zod.def.when = () => true;
}

function toInteger(value: unknown): number | undefined {
  const number = typeof value === "string" && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) ? (number as number) : undefined;
}
