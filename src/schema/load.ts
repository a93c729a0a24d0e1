import { readDescriptorSet } from "./descriptor-set.ts";
import { parseProtoFiles } from "./proto-files.ts";
import { createSchema } from "./registry.ts";
import type { Schema } from "./schema.ts";

/** Where descriptors come from. `files` are paths, or names below an include folder. */
export type SchemaSource =
  | { readonly kind: "descriptor_set"; readonly file: string }
  | { readonly kind: "proto"; readonly files: readonly string[]; readonly include: readonly string[] };

/**
 * Reads and checks the descriptors of one upstream.
 *
 * @throws SCHEMA_INVALID for a descriptor set; CONFIG_INVALID with all problems (`problemsOf`) for .proto files.
 */
export async function loadSchema(source: SchemaSource): Promise<Schema> {
  switch (source.kind) {
    case "descriptor_set":
      return createSchema(await readDescriptorSet(source.file));
    case "proto": {
      const { set, places } = parseProtoFiles(source);
      return createSchema(set, places);
    }
    default:
      source satisfies never;
      throw new Error("unknown kind of schema source");
  }
}
