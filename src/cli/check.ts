import { formatProblem, problemsOf, type Problem } from "../core/problem.ts";
import type { CommandResult } from "./result.ts";
import { formatRoutes, type RouteRow } from "./routes-table.ts";

/** What a configuration comes to, found out offline. */
export interface CheckedRoutes {
  readonly rows: readonly RouteRow[];
  readonly upstreamCount: number;
  /** Warnings; errors may stand here or be thrown as CONFIG_INVALID. */
  readonly problems: readonly Problem[];
}

export interface CheckDeps {
  /** Reads the file with its schemas and resolves every route, without a connection to anything. */
  load(file: string): Promise<CheckedRoutes>;
}

/** `sluice check`: every problem of the file, one a line; exit 1 where one is an error. */
export async function runCheck(file: string, deps: CheckDeps): Promise<CommandResult> {
  const { problems, loaded } = await load(file, deps);
  const lines = problems.map(formatProblem);
  if (loaded === undefined) return { exitCode: 1, lines };
  const summary = `ok: ${count(loaded.rows.length, "route")}, ${count(loaded.upstreamCount, "upstream")}`;
  return { exitCode: 0, lines: [...lines, summary] };
}

/** `sluice routes`: the table, or with `json` the rows as JSON; exit 1 with the problems where the file has errors. */
export async function runRoutes(file: string, deps: CheckDeps, options: { json: boolean }): Promise<CommandResult> {
  const { problems, loaded } = await load(file, deps);
  if (loaded === undefined) return { exitCode: 1, lines: problems.map(formatProblem) };
  return { exitCode: 0, lines: [options.json ? JSON.stringify(loaded.rows, null, 2) : formatRoutes(loaded.rows)] };
}

/** `loaded` is undefined where there are errors. */
async function load(
  file: string,
  deps: CheckDeps,
): Promise<{ problems: readonly Problem[]; loaded: CheckedRoutes | undefined }> {
  try {
    const loaded = await deps.load(file);
    const hasErrors = loaded.problems.some((problem) => problem.severity === "error");
    return { problems: loaded.problems, loaded: hasErrors ? undefined : loaded };
  } catch (error) {
    const problems = problemsOf(error);
    if (problems === undefined) throw error;
    return { problems, loaded: undefined };
  }
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
