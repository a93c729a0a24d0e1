import type { Config } from "./config/config.ts";
import { loadConfig, type ConfigText, type LoadOptions } from "./config/load.ts";
import { problemsError } from "./core/problem.ts";
import { checkPolicies } from "./policy-module.ts";
import { resolveRoutes, type ResolvedRoutes } from "./snapshot/resolve.ts";

/** A configuration without errors, and what it means. */
export interface LoadedRoutes {
  readonly config: Config;
  readonly resolved: ResolvedRoutes;
  readonly source: ConfigText;
}

/** Reads a configuration with its schemas, without a connection to anything; all errors of both come as one. */
export async function loadRoutes(file: string, options: LoadOptions): Promise<LoadedRoutes> {
  const { config, warnings, source } = await loadConfig(file, options);
  const resolved = await resolveRoutes(config);
  const problems = [...warnings, ...resolved.problems, ...(await checkPolicies(file, config.upstreams))];
  if (problems.some((problem) => problem.severity === "error")) throw problemsError(config.file, problems);
  return { config, resolved: { ...resolved, problems }, source };
}
