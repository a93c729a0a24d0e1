import type { Config, UpstreamConfig } from "./config/config.ts";
import { inFileOrder, isError, readConfig, type ConfigText, type LoadOptions } from "./config/load.ts";
import { problemsError, type Problem } from "./core/problem.ts";
import { resolveRoutes, type ResolvedRoutes } from "./snapshot/resolve.ts";
import { importPolicy } from "./upstream/balancer/import-policy.ts";

/** A configuration without errors, and what it means. */
export interface LoadedRoutes {
  readonly config: Config;
  readonly resolved: ResolvedRoutes;
  readonly source: ConfigText;
}

/** Reads a configuration with its schemas, without a connection to anything; all errors of both come as one. */
export async function loadRoutes(file: string, options: LoadOptions): Promise<LoadedRoutes> {
  const { config, problems: found, source } = await readConfig(file, options);
  if (config === undefined) throw problemsError(file, inFileOrder(file, found));
  const resolved = await resolveRoutes(config);
  // Where a part is missing, only what is wrong in the others is sure.
  const later = [...resolved.problems, ...(await checkPolicies(file, config.upstreams))];
  const problems = [...found, ...(found.some(isError) ? later.filter(isError) : later)];
  if (problems.some(isError)) throw problemsError(file, inFileOrder(file, problems));
  return { config, resolved: { ...resolved, problems }, source };
}

/** What is wrong with the modules that upstreams name as their policy. */
async function checkPolicies(file: string, upstreams: readonly UpstreamConfig[]): Promise<Problem[]> {
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
