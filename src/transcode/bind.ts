import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { fieldError } from "../core/errors.ts";
import { didYouMean } from "../core/suggest.ts";
import type { Binder, FormBinders } from "./binder.ts";
import { fieldOf } from "./field-path.ts";
import { compileSources, type RequestHeaders } from "./field-source.ts";
import { Form, formMessageOf, partsOf } from "./form.ts";
import { compileFormStream, compilePairsStream } from "./form-stream.ts";
import type { JsonReaders } from "./json-read.ts";
import { defaultJsonOptions, type FieldSource, type JsonOptions, type RequestOptions } from "./options.ts";
import { compileQuery, type QueryReader } from "./query.ts";
import { singularTargetOf, writeText, type Target } from "./query-target.ts";
import { compileMaskWriter, hasMask, updateMaskOf, writeMaskOf, type MaskWriter } from "./update-mask.ts";
import { wire } from "./wire.ts";

/** How a request becomes a message: google.api.HttpRule, with the path template reduced to its variables. */
export interface Binding {
  /** As declared: `GET`, or `*` for every method. */
  readonly method: string;
  readonly input: DescMessage;
  /** Field paths of the template's variables, in order. */
  readonly variables: readonly string[];
  /** "" = no body, "*" = the whole message, else the name of a field of it. */
  readonly body: string;
  /** Fields that headers and cookies set. */
  readonly sources: readonly FieldSource[];
}

export interface BindingProblem {
  readonly part: "path" | "body" | FieldSource;
  readonly message: string;
}

export type BinderOptions = JsonOptions & RequestOptions;

/** What is wrong with a binding, at load; nothing where `compileBinder` may be called. */
export function checkBinding({ input, variables, body, sources }: Binding): BindingProblem[] {
  const problems: BindingProblem[] = [];
  const seen = new Map<string, string>();
  const single = (part: "path" | FieldSource, path: string, label: string): void => {
    const target = singularTargetOf(input, path, defaultJsonOptions);
    const problem = (message: string): number =>
      problems.push({ part, message: `${label} of ${input.typeName}: ${message}` });
    if (target.kind === "problem") {
      problem(target.reason);
      return;
    }
    const leaf = target.fields.at(-1);
    // http.proto takes no messages here. Timestamps and the like do no harm; a mask's paths would be added to those of
    // the body, not replace them.
    if (leaf?.message?.typeName === "google.protobuf.FieldMask") problem(`${leaf.name} is a field mask`);
    const same = seen.get(target.id);
    if (same !== undefined) problem(`the same field as ${same}`);
    seen.set(target.id, label);
  };
  for (const variable of variables) single("path", variable, `variable {${variable}}`);
  for (const source of sources) {
    single(source, source.field, `field ${source.field} from ${source.kind} ${source.name}`);
  }
  if (body !== "" && body !== "*" && fieldOf(input, body) === undefined) {
    const names = input.fields.map((field) => field.name);
    const hint = didYouMean(body, names);
    problems.push({ part: "body", message: `no field "${body}" in ${input.typeName}${hint}` });
  }
  return problems;
}

/**
 * Compiles a binding that `checkBinding` found nothing wrong with, for JSON bodies. Parameters named in `reserved` are
 * not bound.
 */
export function compileBinder(
  binding: Binding,
  readers: JsonReaders,
  options: BinderOptions,
  reserved: readonly string[] = [],
): Binder {
  const { input, body } = binding;
  const bodyField = body === "" || body === "*" ? undefined : fieldOrThrow(input, body);
  const readBody = body === "*" ? readers.message(input) : bodyField && readers.field(input, bodyField);
  const mask = maskOf(binding, options);
  const writeMask = mask && bodyField && compileMask(mask, bodyField, options);
  const read: ReadBody | undefined =
    readBody &&
    ((json, hasMask) => {
      if (isBlank(json)) return;
      readBody(json, 0, json.length);
      if (writeMask !== undefined && !hasMask) writeMask();
    });
  return compileAround(binding, options, reserved, read);
}

/** As `compileBinder`, for forms; null where the body is nothing that a form can set. */
export function compileFormBinders(
  binding: Binding,
  readers: JsonReaders,
  options: BinderOptions,
  reserved: readonly string[] = [],
): FormBinders | null {
  const { input, body } = binding;
  const field = body === "" || body === "*" ? undefined : fieldOrThrow(input, body);
  const message = formMessageOf(input, body, field);
  if (message === undefined) return null;
  const form = new Form({ message, field, readers, json: options });
  const mask = field && hasMask(field) ? maskOf(binding, options) : undefined;
  const reading =
    (read: (form: Uint8Array, type: string, paths?: Set<string>) => void): ReadBody =>
    (bytes, hasMask, headers) => {
      const paths = mask === undefined || hasMask ? undefined : new Set<string>();
      read(bytes, headers?.header("content-type") ?? "", paths);
      if (paths !== undefined && mask !== undefined && paths.size > 0) writeMaskOf(mask, paths);
    };
  const bindPairs = compileAround(
    binding,
    options,
    reserved,
    reading((pairs, _, paths) => form.readPairs(pairs, paths)),
  );
  const bindParts = compileAround(
    binding,
    options,
    reserved,
    reading((parts, type, paths) => form.readParts(partsOf(parts, type), paths)),
  );
  return {
    pairs: { bind: bindPairs, bindStream: compilePairsStream(bindPairs) },
    parts: { bind: bindParts, bindStream: compileFormStream(form, bindParts) },
  };
}

/** Appends to `wire` what a body says; `hasMask` where the query says what a PATCH changes. */
type ReadBody = (body: Uint8Array, hasMask: boolean, headers: RequestHeaders | undefined) => void;

/** Query, body, headers and variables as one message. */
function compileAround(
  binding: Binding,
  options: BinderOptions,
  reserved: readonly string[],
  readBody: ReadBody | undefined,
): Binder {
  const { input, variables, body } = binding;
  const unknown = options.unknownQuery;
  const bodyField = body === "" || body === "*" ? undefined : fieldOrThrow(input, body);
  const readQuery =
    body === "*"
      ? noQuery(unknown, reserved)
      : compileQuery(
          { message: input, unknown, enums: options, bodyField, watched: maskOf(binding, options) },
          reserved,
        );
  const targets = variables.map((variable) => targetOrThrow(input, variable, options));
  const readSources = binding.sources.length === 0 ? undefined : compileSources(input, binding.sources, options);

  // In this order, since of two values for one field the last one on the wire wins, members of a oneof included: the
  // path over headers over the body over the query.
  return (values, query, bytes, headers) => {
    wire.reset();
    const hasMask = query !== "" && readQuery(query);
    if (readBody !== undefined && bytes !== null) readBody(bytes, hasMask, headers);
    if (readSources !== undefined) {
      if (headers === undefined) throw new Error("this binding reads headers, and was given none");
      readSources(headers);
    }
    for (let i = 0; i < targets.length; i++) {
      // In range: the loop runs over `targets`, and the template has a value for each variable.
      writeText(targets[i] as Target, values[i] as string, variables[i] as string);
    }
    return wire.take();
  };
}

function maskOf(binding: Binding, options: BinderOptions): DescField | undefined {
  return binding.method === "PATCH" && options.updateMask === "auto" ? updateMaskOf(binding.input) : undefined;
}

/** With the whole message in the body, there is nothing left for parameters (http.proto, rule 2 of "body"). */
function noQuery(unknown: "reject" | "ignore", reserved: readonly string[]): QueryReader {
  return (query) => {
    const name = query
      .split("&")
      .map((part) => (part.split("=")[0] ?? "").replace(/^%24/, "$"))
      .find((found) => found !== "" && !reserved.includes(found));
    if (name === undefined || unknown === "ignore") return false;
    throw fieldError("FIELD_UNKNOWN", name.slice(0, 200), "the whole message is in the body; there are no parameters");
  };
}

/** The update mask is filled in for an update of one message (AIP-134); undefined where the body is nothing such. */
function compileMask(mask: DescField, body: DescField, options: JsonOptions): MaskWriter | undefined {
  if (mask === body || !hasMask(body) || body.message === undefined) return undefined;
  return compileMaskWriter(mask, body.message, options);
}

/** Whether there is nothing but JSON's white space. */
export function isBlank(json: Uint8Array): boolean {
  return json.every((byte) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09);
}

function fieldOrThrow(message: DescMessage, name: string): DescField {
  const field = fieldOf(message, name);
  if (field === undefined) throw new Error(`no field ${name} in ${message.typeName}; checkBinding was not asked`);
  return field;
}

function targetOrThrow(message: DescMessage, path: string, options: JsonOptions): Target {
  const target = singularTargetOf(message, path, options);
  if (target.kind === "problem") throw new Error(`no field ${path} in ${message.typeName}; checkBinding was not asked`);
  return target;
}
