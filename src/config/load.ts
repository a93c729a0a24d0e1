import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { problemsError, type Problem } from "../core/problem.ts";
import { buildConfig } from "./build.ts";
import type { Config } from "./config.ts";
import { expand, type Env } from "./expand.ts";
import { toProblems } from "./issues.ts";
import { applyOverrides, type ServerOverrides } from "./overrides.ts";
import { fileSchema } from "./schema.ts";
import { readYaml } from "./yaml.ts";

export interface LoadOptions {
  readonly env: Env;
  /** From the command line; wins over the environment, which wins over the file. */
  readonly overrides?: ServerOverrides;
}

export interface Loaded {
  readonly config: Config;
  readonly warnings: readonly Problem[];
}

/** All that `loadConfig` read: `parseConfig` makes the same configuration of it again. */
export interface ConfigText {
  readonly text: string;
  /** What `${file:…}` named, by the path as it is written. */
  readonly files: ReadonlyMap<string, string>;
}

/**
 * Reads a configuration file. Throws CONFIG_INVALID with every problem of the file (`problemsOf`), also where the file
 * cannot be read.
 */
export async function loadConfig(file: string, options: LoadOptions): Promise<Loaded & { source: ConfigText }> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const reason = code === "ENOENT" ? "no such file; name another with --config" : String(code ?? error);
    const message = `cannot be read: ${reason}`;
    throw problemsError(file, [{ file, line: 0, column: 0, message, severity: "error" }]);
  }
  const folder = path.dirname(file);
  const files = new Map<string, string>();
  const loaded = parseConfig(text, file, {
    ...options,
    // A secret is one small file, read once per load.
    readFile(name) {
      const content = files.get(name) ?? readFileSync(path.resolve(folder, name), "utf8");
      files.set(name, content);
      return content;
    },
  });
  return { ...loaded, source: { text, files } };
}

/** The same for a text at hand: touches nothing but what it is given. */
export function parseConfig(
  text: string,
  file: string,
  options: LoadOptions & { readonly readFile: (path: string) => string },
): Loaded {
  const yaml = readYaml(text, file, (value) => expand(value, options));
  const problems = [...yaml.problems];
  if (yaml.value === undefined) throw problemsError(file, problems);
  const result = fileSchema.safeParse(yaml.value);
  // What a value is not, whose reference has no value, says nothing more.
  const told = new Set(yaml.problems.map(({ line, column }) => `${line}:${column}`));
  const isNew = ({ line, column }: Problem): boolean => !told.has(`${line}:${column}`);
  if (!result.success) problems.push(...toProblems(result.error.issues, file, yaml).filter(isNew));
  const { overrides, problems: wrong } = applyOverrides(options.env, options.overrides ?? {});
  problems.push(...wrong);
  if (!result.success || problems.length > 0) throw problemsError(file, inFileOrder(problems));
  const { config, problems: found } = buildConfig(result.data, file, yaml, options.readFile);
  const errors = found.filter(({ severity }) => severity === "error");
  if (errors.length > 0) throw problemsError(file, inFileOrder(errors));
  return { config: { ...config, server: overrides(config.server) }, warnings: found };
}

function inFileOrder(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
}
