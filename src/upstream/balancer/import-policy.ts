import { stat } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import type { CreatePicker } from "./module.ts";

/**
 * What the module at `path` exports as its default: a policy of one's own (docs/extending.md). A file that has changed
 * is imported anew; what it imports itself is not. Throws an Error whose message names the path.
 */
export async function importPolicy(path: string): Promise<CreatePicker> {
  let exported: unknown;
  try {
    const { mtimeMs } = await stat(path);
    const module = (await import(`${pathToFileURL(path).href}?at=${mtimeMs}`)) as { readonly default?: unknown };
    exported = module.default;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new Error(`module "${path}" cannot be imported: ${code === "ENOENT" ? "no such file" : message}`);
  }
  if (typeof exported === "function") return exported as CreatePicker; // what it gives is checked with every pick
  throw new Error(`module "${path}" exports ${typeof exported} as its default; expected a function`);
}
