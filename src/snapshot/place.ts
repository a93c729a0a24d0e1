import type { Config, Position } from "../config/config.ts";
import type { Problem } from "../core/problem.ts";

export function at(config: Config, position: Position, message: string): Problem {
  return { file: config.file, line: position.line, column: position.column, message, severity: "error" };
}

/** A problem at a place given as text, `file:line:col`. */
export function problemAt(place: string, message: string, severity: Problem["severity"]): Problem {
  const parts = /^(.*):(\d+):(\d+)$/.exec(place);
  return parts === null
    ? { file: place, line: 0, column: 0, message, severity }
    : { file: parts[1] ?? "", line: Number(parts[2]), column: Number(parts[3]), message, severity };
}
