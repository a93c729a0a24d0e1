import path from "node:path";
import { z } from "zod";
import { list, section, text } from "../core/options.ts";
import type { SchemaSource } from "./load.ts";

const SOURCES = ["descriptor_set", "proto"] as const;

const proto = section(
  { docs: "Read from .proto files." },
  {
    files: list(
      { docs: "The files that declare the services, by the names that imports would use.", min: 1 },
      text({ docs: "A .proto file.", what: "a file name" }),
    ),
    include: list(
      {
        docs: "Folders in which files and their imports are looked for, in this order; default: the folder of this file.",
        default: ["."],
      },
      text({ docs: "A folder, from the folder of this file.", what: "a folder" }),
    ).optional(),
  },
);

/** `schema:` of an upstream. */
export const schemaSection = section(
  {
    docs: "Where the upstream's descriptors come from: exactly one of the keys.",
    later: ["reflection"],
    jsonSchema: { minProperties: 1, maxProperties: 1 },
    check(value, complain, hasUnknownKeys) {
      const given = SOURCES.filter((key) => Object.hasOwn(value, key));
      if (given.length === 1 || (given.length === 0 && hasUnknownKeys)) return;
      const found = given.length === 0 ? "" : `, not ${given.join(" and ")}`;
      complain([], `expected exactly one of descriptor_set or proto${found}`);
    },
  },
  {
    descriptor_set: text({
      docs: "A FileDescriptorSet with its imports, from the folder of this file (protoc --include_imports -o FILE).",
      what: "a file name",
    }).optional(),
    proto: proto.optional(),
  },
);

/** `folder` is where relative paths start. */
export function toSchemaSource(schema: z.output<typeof schemaSection>, folder: string): SchemaSource {
  if (schema.descriptor_set !== undefined) {
    return { kind: "descriptor_set", file: fromFolder(folder, schema.descriptor_set) };
  }
  if (schema.proto === undefined) throw new Error("the section's check lets exactly one source pass");
  const include = (schema.proto.include ?? ["."]).map((one) => fromFolder(folder, one));
  return { kind: "proto", files: schema.proto.files, include };
}

/** Relative where the configuration's own path is: places in messages then read as the user would write them. */
function fromFolder(folder: string, file: string): string {
  return path.isAbsolute(file) ? file : path.join(folder, file);
}
