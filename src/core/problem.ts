import { gatewayError, type GatewayError } from "./errors.ts";

/** Something wrong in a file that a user wrote. Lines and columns count from 1; 0 where there is none. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** What is wrong, what was expected, and the nearest thing that exists. */
  readonly message: string;
  readonly severity: "error" | "warning";
}

/** `routes.yaml:7:5: unknown key "gett"; did you mean "get"?` */
export function formatProblem(problem: Problem): string {
  const place = problem.line > 0 ? `${problem.file}:${problem.line}:${problem.column}` : problem.file;
  return `${place}: ${problem.severity === "warning" ? "warning: " : ""}${problem.message}`;
}

/** All problems of a load as one error; `cause` holds the list. */
export function problemsError(file: string, problems: readonly Problem[]): GatewayError {
  const count = problems.filter((problem) => problem.severity === "error").length;
  const text = count === 1 ? "1 problem" : `${count} problems`;
  return gatewayError("CONFIG_INVALID", { file, problems: text }, { cause: problems });
}

/** The problems behind an error made by `problemsError`, or undefined for any other value. */
export function problemsOf(error: unknown): readonly Problem[] | undefined {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  return code === "CONFIG_INVALID" && Array.isArray(cause) ? (cause as readonly Problem[]) : undefined;
}
