import { Edition, SymbolVisibility } from "@bufbuild/protobuf/wkt";
import { isEditions, type ParseContext } from "./parse-context.ts";

/** `export` or `local` before a message or enum; both are ordinary words before edition 2024. */
export function parseVisibility(context: ParseContext): SymbolVisibility {
  const { cursor } = context;
  if (!isEditions(context) || context.edition < Edition.EDITION_2024) return SymbolVisibility.VISIBILITY_UNSET;
  const word = cursor.current.text;
  if (!cursor.take("export") && !cursor.take("local")) return SymbolVisibility.VISIBILITY_UNSET;
  if (!cursor.at("message") && !cursor.at("enum")) cursor.fail(`"message" or "enum" after "${word}"`);
  return word === "export" ? SymbolVisibility.VISIBILITY_EXPORT : SymbolVisibility.VISIBILITY_LOCAL;
}
