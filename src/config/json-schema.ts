import { z } from "zod";
import { fileSchema } from "./schema.ts";

/** The JSON Schema (draft 2020-12) of routes.yaml, for editors: what may be written, before `${…}` is expanded. */
export function toJsonSchema(): object {
  const schema = z.toJSONSchema(fileSchema, {
    io: "input",
    target: "draft-2020-12",
    override({ zodSchema, jsonSchema }) {
      // zod leaves these out where a value is transformed, since it takes them for outputs; ours are as written.
      const { default: fallback, examples } = z.globalRegistry.get(zodSchema) ?? {};
      if (fallback !== undefined) jsonSchema.default = fallback as z.core.JSONSchema.JSONSchema["default"] & {};
      if (Array.isArray(examples)) jsonSchema.examples = examples;
    },
  });
  const { $schema, ...rest } = schema;
  return { $schema, title: "Sluice routes.yaml", ...rest };
}

/** The text of routes.schema.json. */
export function jsonSchemaText(): string {
  return `${JSON.stringify(toJsonSchema(), null, 2)}\n`;
}
