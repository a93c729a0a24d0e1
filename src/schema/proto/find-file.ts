import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { didYouMean } from "../../core/suggest.ts";
import { SourceText } from "./source.ts";

/** The disk as the reader of .proto files needs it; tests pass one in memory. */
export interface FileAccess {
  /** Undefined where there is no such file; throws where it cannot be read. */
  read(file: string): Uint8Array | undefined;
  /** Names in a folder; none where there is no such folder. */
  list(folder: string): readonly string[];
}

export const diskAccess: FileAccess = {
  read(file) {
    try {
      return readFileSync(file);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw error;
    }
  },
  list(folder) {
    try {
      return readdirSync(folder);
    } catch {
      // Only used to suggest a name: without the folder there is none to suggest.
      return [];
    }
  },
};

/** protobuf's well-known types and Google's common API types, so that users need not copy them. */
const BUNDLED = fileURLToPath(new URL("../../../protos/", import.meta.url));
// Far above any file that people write; it bounds what a hostile one can cost.
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** A file with the reason why it cannot be had. */
export type FoundFile = { readonly source: SourceText } | { readonly problem: string };

/** Looks a file up by its import name: in the include folders in turn, then among the bundled ones. */
export function findFile(name: string, include: readonly string[], access = diskAccess): FoundFile {
  const parts = name.split("/");
  if (name === "" || name.includes("\\") || path.isAbsolute(name) || parts.some((part) => /^\.{0,2}$/.test(part))) {
    return {
      problem: `"${name}" is no name to import; expected a path below an include folder, with "/" between its parts`,
    };
  }
  for (const folder of include) {
    const file = path.join(folder, name);
    const found = readText(file, file, access);
    if (found !== undefined) return found;
  }
  const bundled = name.startsWith("google/") ? readText(path.join(BUNDLED, name), name, diskAccess) : undefined;
  return bundled ?? { problem: describeMissing(name, include, access) };
}

function readText(file: string, shown: string, access: FileAccess): FoundFile | undefined {
  let bytes: Uint8Array | undefined;
  try {
    bytes = access.read(file);
  } catch (error) {
    return { problem: `cannot read "${file}": ${(error as Error).message}` };
  }
  if (bytes === undefined) return undefined;
  if (bytes.length > MAX_FILE_BYTES) return { problem: `"${file}" is larger than ${MAX_FILE_BYTES} bytes` };
  return { source: new SourceText(shown, Buffer.from(bytes).toString("utf8")) };
}

function describeMissing(name: string, include: readonly string[], access: FileAccess): string {
  const folder = path.posix.dirname(name);
  const beside = include.flatMap((root) => access.list(path.join(root, folder)));
  const candidates = beside.filter((one) => one.endsWith(".proto")).map((one) => path.posix.join(folder, one));
  const where = include.length === 0 ? "there is no include folder" : `looked in ${include.join(", ")}`;
  return `"${name}" is not found; ${where}${didYouMean(name, candidates)}`;
}
