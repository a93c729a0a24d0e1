import type { DescMessage } from "@bufbuild/protobuf";
import { fieldError } from "../core/errors.ts";
import type { FieldSource } from "./options.ts";
import { singularTargetOf, writeText } from "./query-target.ts";
import type { EnumOptions } from "./scalar.ts";

/** As much of a request as sources read. */
export interface RequestHeaders {
  /** The value of a header by its lower-case name. */
  header(name: string): string | undefined;
}

/**
 * Compiles what appends to `wire` the fields that headers and cookies set; one that did not come sets nothing. Throws
 * FIELD_INVALID, which blames the header.
 */
export function compileSources(
  message: DescMessage,
  sources: readonly FieldSource[],
  enums: EnumOptions,
): (headers: RequestHeaders) => void {
  const compiled = sources.map((source) => {
    const target = singularTargetOf(message, source.field, enums);
    if (target.kind === "problem") throw new Error(`${source.field}: ${target.reason}; checkBinding was not asked`);
    const { kind, name } = source;
    return { target, kind, name: kind === "header" ? name.toLowerCase() : name, label: `${kind} ${name}` };
  });
  return (headers) => {
    for (const { target, kind, name, label } of compiled) {
      const value = kind === "header" ? headers.header(name) : cookieOf(headers.header("cookie"), name);
      if (value === undefined) continue;
      // Node reads each byte as a character of Latin-1, whatever the client meant.
      if (/[^\x20-\x7e]/.test(value)) throw fieldError("FIELD_INVALID", label, "expected visible ASCII characters");
      writeText(target, value, label);
    }
  };
}

/** The value of the first cookie of that name (RFC 6265, section 4.2), as it stands. */
function cookieOf(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined;
  for (const pair of header.split(";")) {
    const equals = pair.indexOf("=");
    if (equals >= 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1).trim();
  }
  return undefined;
}
