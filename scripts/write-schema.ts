// `node scripts/write-schema.ts`: writes routes.schema.json and the tables of docs/config.md anew from the options'
// schemas. test/unit/config/json-schema.test.ts says when that was forgotten.
import { readFileSync, writeFileSync } from "node:fs";
import { format } from "prettier";
import { jsonSchemaText, toJsonSchema } from "../src/config/json-schema.ts";

/** What of JSON Schema our options use. */
interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly required?: readonly string[];
}

const BEGIN = "<!-- keys: written by scripts/write-schema.ts -->";
const END = "<!-- end of keys -->";

/** docs/config.md with its tables as the schema has them now. */
export async function withTables(markdown: string): Promise<string> {
  const [before, rest] = [markdown.slice(0, markdown.indexOf(BEGIN)), markdown.slice(markdown.indexOf(END))];
  if (!markdown.includes(BEGIN) || !markdown.includes(END)) throw new Error(`docs/config.md lacks ${BEGIN} or ${END}`);
  return format(`${before}${BEGIN}\n\n${tables()}\n\n${rest}`, { parser: "markdown", printWidth: 120 });
}

function tables(): string {
  const top = (toJsonSchema() as Schema).properties ?? {};
  const policy = top["defaults"]?.properties ?? {};
  return Object.entries(top)
    .map(([name, schema]) => {
      const element =
        schema.items ?? (typeof schema.additionalProperties === "object" ? schema.additionalProperties : schema);
      const heading = schema.items ? `${name}[]` : element === schema ? name : `${name}.<name>`;
      const isRequired = (toJsonSchema() as Schema).required?.includes(name);
      const about = [
        schema.description,
        element === schema ? undefined : element.description,
        isRequired ? "Required." : "",
      ];
      const rows = name === "defaults" ? rowsOf(element, "", {}) : rowsOf(element, "", policy);
      const table =
        rows.length === 0
          ? ""
          : ["| key | type | default | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
      return `### \`${heading}\`\n\n${about.filter(Boolean).join(" ")}\n\n${table}`;
    })
    .join("\n\n");
}

/** Keys that `inherited` has, too, are explained there and get one row. */
function rowsOf(section: Schema, prefix: string, inherited: Readonly<Record<string, Schema>>): string[] {
  return Object.entries(section.properties ?? {}).flatMap(([key, schema]) => {
    const name = `${prefix}${key}`;
    const fallback = section.required?.includes(key) ? "required" : show(schema.default);
    if (prefix === "" && Object.hasOwn(inherited, key)) {
      const known = inherited[key]?.properties ?? {};
      const own = Object.entries(schema.properties ?? {}).filter(([inner]) => !Object.hasOwn(known, inner));
      return [
        row(name, "as in `defaults`", "inherited", schema),
        ...(Object.keys(known).length === 0 ? [] : rowsOf({ properties: Object.fromEntries(own) }, `${name}.`, {})),
      ];
    }
    const inner = schema.items ?? schema;
    const isSection = inner.properties !== undefined;
    const nested = isSection ? rowsOf(inner, `${name}${schema.items ? "[]" : ""}.`, {}) : [];
    return [row(name, typeOf(schema), isSection && fallback !== "required" ? "" : fallback, schema), ...nested];
  });
}

function row(name: string, type: string, fallback: string, schema: Schema): string {
  return `| \`${name}\` | ${escape(type)} | ${fallback} | ${escape(schema.description ?? "")} |`;
}

/** Plain text for a cell, code spans left alone. */
function escape(text: string): string {
  return text.replace(/`[^`]*`|[*<|]/g, (found) => (found.startsWith("`") ? found : `\\${found}`));
}

function typeOf(schema: Schema): string {
  if (schema.items) return `list of ${schema.items.properties ? "maps" : (schema.items.title ?? "text")}`;
  if (schema.properties) return "map";
  if (typeof schema.additionalProperties === "object") return `map of ${schema.additionalProperties.title ?? "maps"}`;
  return schema.title ?? "text";
}

function show(value: unknown): string {
  if (value === undefined) return "";
  return `\`${typeof value === "string" && value !== "" ? value : JSON.stringify(value)}\``;
}

if (import.meta.main) {
  const docs = new URL("../docs/config.md", import.meta.url);
  writeFileSync(new URL("../routes.schema.json", import.meta.url), jsonSchemaText());
  writeFileSync(docs, await withTables(readFileSync(docs, "utf8")));
}
