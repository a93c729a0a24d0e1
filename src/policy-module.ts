import { stat } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import type { UpstreamConfig } from "./config/config.ts";
import type { Problem } from "./core/problem.ts";
import type { CreatePicker } from "./upstream/balancer/module.ts";

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

/** What is wrong with the modules that upstreams name as their policy. */
export async function checkPolicies(file: string, upstreams: readonly UpstreamConfig[]): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const { name, loadBalancing, position } of upstreams) {
    if (loadBalancing.policy !== "module") continue;
    try {
      await importPolicy(loadBalancing.path);
    } catch (error) {
      const message = `upstreams.${name}.load_balancing: ${(error as Error).message}`;
      problems.push({ file, line: position.line, column: position.column, message, severity: "error" });
    }
  }
  return problems;
}
