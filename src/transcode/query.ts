import { fieldError } from "../core/errors.ts";
import { percentProblem } from "../core/percent.ts";
import { shorten } from "./json-read-error.ts";
import { FieldNames, NamedValues, type NameOptions } from "./named-values.ts";
import { MAX_PARAMETERS } from "./query-elements.ts";

/** Appends to `wire` what a query (raw, without the `?`) says; tells whether it sets the watched field. */
export type QueryReader = (query: string) => boolean;

// A query is far smaller than a body, but each character of it costs more.
const MAX_NAME_CHARACTERS = 32_768;

/**
 * Compiles the reader of a request's query: application/x-www-form-urlencoded parameters, named by field paths
 * (`resolveFieldPath`). Those named in `reserved` are passed over. The reader throws as NamedValues does.
 */
export function compileQuery(options: NameOptions, reserved: readonly string[] = []): QueryReader {
  const names = new FieldNames(options);
  return (query) => {
    const values = new NamedValues(names);
    readPairs(query, "query", values, reserved);
    values.write();
    return values.sawWatched;
  };
}

/** Sets what the pairs of a query or of a form of that type say; `place` is blamed where no name can be. */
export function readPairs(
  text: string,
  place: "query" | "body",
  values: NamedValues,
  reserved: readonly string[] = [],
): void {
  let nameCharacters = 0;
  let start = 0;
  for (let count = 0; start < text.length;) {
    const next = text.indexOf("&", start);
    const end = next < 0 ? text.length : next;
    const part = text.slice(start, end);
    start = end + 1;
    if (part === "") continue;
    if (++count > MAX_PARAMETERS) throw fieldError("FIELD_INVALID", place, `more than ${MAX_PARAMETERS} parameters`);
    const equals = part.indexOf("=");
    const rawName = equals < 0 ? part : part.slice(0, equals);
    if ((nameCharacters += rawName.length) > MAX_NAME_CHARACTERS) {
      const reason = `names of parameters are longer than ${MAX_NAME_CHARACTERS} characters in all`;
      throw fieldError("FIELD_INVALID", place, reason);
    }
    const name = decode(rawName, rawName, place);
    if (reserved.includes(name)) continue;
    const target = values.find(name);
    if (target !== undefined) values.set(target, equals < 0 ? "" : decode(part.slice(equals + 1), name, place), name);
  }
}

/** Undoes x-www-form-urlencoded (URL Standard, section 5), but refuses what is not UTF-8 instead of replacing it. */
function decode(text: string, name: string, place: string): string {
  if (/^[\w.~*-]*$/.test(text)) return text;
  if (/[^\x21-\x7e]/.test(text)) throw pairError(name, place, "not percent-encoded");
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    throw pairError(name, place, percentProblem(text));
  }
}

function pairError(name: string, place: string, reason: string): Error {
  return fieldError("FIELD_INVALID", name === "" ? place : shorten(name, 200), reason);
}
