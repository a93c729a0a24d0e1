import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { problemsError, type Problem } from "../core/problem.ts";
import { buildConfig } from "./build.ts";
import type { Config } from "./config.ts";
import { expand, type Env } from "./expand.ts";
import { toProblems } from "./issues.ts";
import { applyOverrides, type ServerOverrides } from "./overrides.ts";
import { fileSchema, type ParsedFile } from "./schema.ts";
import { readSoundParts, type SoundParts } from "./sound-parts.ts";
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

/** What was found in a file, errors or none. */
export interface Found {
  /** Where there are errors: what is left without the parts that are wrong; undefined where that is nothing. */
  readonly config: Config | undefined;
  readonly problems: readonly Problem[];
}

/** All that `readConfig` read: `parseConfig` makes the same configuration of it again. */
export interface ConfigText {
  readonly text: string;
  /** What `${file:…}` named, by the path as it is written. */
  readonly files: ReadonlyMap<string, string>;
}

/** Reads a configuration file. Throws CONFIG_INVALID where that cannot be read. */
export async function readConfig(file: string, options: LoadOptions): Promise<Found & { source: ConfigText }> {
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
  const found = findConfig(text, file, {
    ...options,
    // A secret is one small file, read once per load.
    readFile(name) {
      const content = files.get(name) ?? readFileSync(path.resolve(folder, name), "utf8");
      files.set(name, content);
      return content;
    },
  });
  return { ...found, source: { text, files } };
}

/**
 * The same for a text at hand: touches nothing but what it is given. Throws CONFIG_INVALID with every problem of the
 * text (`problemsOf`).
 */
export function parseConfig(text: string, file: string, options: TextOptions): Loaded {
  const { config, problems } = findConfig(text, file, options);
  if (config === undefined || problems.some(isError)) throw problemsError(file, inFileOrder(file, problems));
  return { config, warnings: problems };
}

type TextOptions = LoadOptions & { readonly readFile: (path: string) => string };

function findConfig(text: string, file: string, options: TextOptions): Found {
  const yaml = readYaml(text, file, (value) => expand(value, options));
  const problems = [...yaml.problems];
  if (yaml.value === undefined) return { config: undefined, problems };
  const result = fileSchema.safeParse(yaml.value);
  const issues = result.error?.issues ?? [];
  // What a value is not, whose reference has no value, says nothing more.
  const told = new Set(yaml.problems.map(({ line, column }) => `${line}:${column}`));
  problems.push(...toProblems(issues, file, yaml).filter(({ line, column }) => !told.has(`${line}:${column}`)));
  const { overrides, problems: wrong } = applyOverrides(options.env, options.overrides ?? {});
  problems.push(...wrong);
  const parts = result.success ? wholeFile(result.data) : readSoundParts(yaml.value, issues, fileSchema);
  if (parts === undefined) return { config: undefined, problems };
  const { config, problems: found } = buildConfig(parts, file, yaml, options.readFile);
  problems.push(...found);
  // Where parts are wrong, what seems to have no effect may have one.
  const sure = problems.some(isError) ? problems.filter(isError) : problems;
  const server = overrides(config.server);
  const unplaced = server.zone === "" ? config.upstreams.filter(({ zone }) => zone !== null) : [];
  const warnings = unplaced.map(({ name, position }): Problem => {
    const message = `upstreams.${name}.zone: has no effect without server.zone`;
    return { file, ...position, message, severity: "warning" };
  });
  return { config: { ...config, server }, problems: [...sure, ...warnings] };
}

function wholeFile(data: ParsedFile): SoundParts<ParsedFile> {
  return { data, routeIndexes: [...data.routes.keys()], lacksUpstreams: false };
}

export function isError({ severity }: Problem): boolean {
  return severity === "error";
}

/** Problems of the file itself first, by line; what it names in its own order behind them. */
export function inFileOrder(file: string, problems: readonly Problem[]): Problem[] {
  const own = problems.filter((problem) => problem.file === file);
  const others = problems.filter((problem) => problem.file !== file);
  return [...own.toSorted((a, b) => a.line - b.line || a.column - b.column), ...others];
}
