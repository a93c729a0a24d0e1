import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { fieldError, type GatewayError } from "../core/errors.ts";
import { shorten } from "./json-read-error.ts";
import { MAX_PARAMETERS, Scope } from "./query-elements.ts";
import { createTargetFinder, writeText, type ElementTarget, type Target, type TargetFinder } from "./query-target.ts";
import type { EnumOptions } from "./scalar.ts";

export interface QueryOptions {
  readonly message: DescMessage;
  readonly unknown: "reject" | "ignore";
  readonly enums: EnumOptions;
  /** The field that the body sets, if it sets one; parameters may not reach into it. */
  readonly bodyField: DescField | undefined;
  /** A field of the message that the caller wants to know of. */
  readonly watched?: DescField | undefined;
}

/** Appends to `wire` what a query (raw, without the `?`) says; tells whether it sets the watched field. */
export type QueryReader = (query: string) => boolean;

// A query is far smaller than a body, but each character of it costs more.
const MAX_NAME_CHARACTERS = 32_768;

/**
 * Compiles the reader of a request's query: application/x-www-form-urlencoded parameters, named by field paths
 * (`resolveFieldPath`). A repeated field is given by repetition or by index, any other once. The reader throws
 * FIELD_INVALID or FIELD_UNKNOWN.
 */
export function compileQuery({ message, unknown, enums, bodyField, watched }: QueryOptions): QueryReader {
  const finders = new Map<DescMessage, TargetFinder>();
  const finderOf = (desc: DescMessage): TargetFinder => {
    let finder = finders.get(desc);
    if (finder === undefined) finders.set(desc, (finder = createTargetFinder(desc, enums)));
    return finder;
  };
  const root = finderOf(message);

  /** What `path` names; undefined for a name that is passed over. `name` is the parameter's as a whole. */
  const find = (finder: TargetFinder, path: string, name: string): Target | ElementTarget | undefined => {
    const found = finder.find(path);
    if (found.kind !== "problem") return found;
    if (found.code === "FIELD_UNKNOWN" && unknown === "ignore") return undefined;
    throw parameterError(found.code, name, found.reason);
  };

  /** Keeps the value of an element, or of a field in one. */
  const addToElement = (scope: Scope, target: ElementTarget, text: string, name: string): void => {
    const { container, selector, rest } = target;
    scope.take(container, name);
    const element = scope.element(container, selector, name);
    if (rest === "" || container.message === undefined) return element.setText(text, name);
    const inner = find(finderOf(container.message), rest, name);
    if (inner === undefined) return;
    if (inner.kind === "element") return addToElement(element.scope, inner, text, name);
    element.scope.take(inner, name);
    element.scope.addValue(inner, text, name);
  };

  return (query) => {
    let sawWatched = false;
    let nameCharacters = 0;
    let scope: Scope | undefined;
    let start = 0;
    for (let count = 0; start < query.length;) {
      const next = query.indexOf("&", start);
      const end = next < 0 ? query.length : next;
      const part = query.slice(start, end);
      start = end + 1;
      if (part === "") continue;
      if (++count > MAX_PARAMETERS)
        throw fieldError("FIELD_INVALID", "query", `more than ${MAX_PARAMETERS} parameters`);
      const equals = part.indexOf("=");
      const rawName = equals < 0 ? part : part.slice(0, equals);
      if ((nameCharacters += rawName.length) > MAX_NAME_CHARACTERS) {
        const reason = `names of parameters are longer than ${MAX_NAME_CHARACTERS} characters in all`;
        throw fieldError("FIELD_INVALID", "query", reason);
      }
      const name = decode(rawName, rawName);
      const target = find(root, name, name);
      if (target === undefined) continue;
      const first = target.kind === "field" ? target.fields[0] : target.container.fields[0];
      if (first === bodyField) {
        throw parameterError("FIELD_INVALID", name, `${bodyField?.name} is set by the body, not by parameters`);
      }
      if (first === watched) sawWatched = true;
      scope ??= new Scope(0);
      const text = equals < 0 ? "" : decode(part.slice(equals + 1), name);
      if (target.kind === "element") {
        addToElement(scope, target, text, name);
        continue;
      }
      scope.take(target, name);
      writeText(target, text, shorten(name, 200));
    }
    scope?.write();
    return sawWatched;
  };
}

/** Undoes x-www-form-urlencoded (URL Standard, section 5), but refuses what is not UTF-8 instead of replacing it. */
function decode(text: string, name: string): string {
  if (/^[\w.~*-]*$/.test(text)) return text;
  if (/[^\x21-\x7e]/.test(text)) throw parameterError("FIELD_INVALID", name, "not percent-encoded");
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    // A URIError says nothing more.
    throw parameterError("FIELD_INVALID", name, "not UTF-8 in percent-encoding");
  }
}

function parameterError(code: "FIELD_INVALID" | "FIELD_UNKNOWN", name: string, reason: string): GatewayError {
  return fieldError(code, name === "" ? "query" : shorten(name, 200), reason);
}
