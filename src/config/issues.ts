import type { z } from "zod";
import type { IssueFacts } from "../core/options.ts";
import type { Problem } from "../core/problem.ts";
import { hasReference } from "./expand.ts";
import { formatPath, type Path } from "./path.ts";
import type { Position, Spot, YamlFile } from "./yaml.ts";

/** What the schema found, at the places in the file where it stands, in the file's order. */
export function toProblems(issues: readonly z.core.$ZodIssue[], file: string, yaml: YamlFile): Problem[] {
  return issues.flatMap((issue) => {
    const problem = (position: Position, path: Path, message: string): Problem => {
      const { line, column } = position;
      const prefix = path.length === 0 ? "" : `${formatPath(path)}: `;
      return { file, line, column, message: prefix + message, severity: "error" };
    };
    if (issue.code === "unrecognized_keys") {
      // section() gives one line a key.
      const messages = issue.message.split("\n");
      return issue.keys.map((key, index) => {
        const spot = nearestSpot([...issue.path, key], yaml.spots);
        return problem(spot.key, issue.path, messages[index] ?? issue.message);
      });
    }
    const facts: IssueFacts = issue.code === "custom" ? (issue.params ?? {}) : {};
    const spot = yaml.spots.get(formatPath(issue.path));
    const above = issue.path.slice(0, -1);
    if (spot === undefined && !facts.sentence) {
      const key = String(issue.path.at(-1));
      return problem(nearestSpot(above, yaml.spots).key, above, `missing key "${key}": ${issue.message}`);
    }
    const { value, shown } = spot ?? nearestSpot(issue.path, yaml.spots);
    if (facts.sentence) return problem(value, issue.path, issue.message);
    const written = hasReference(shown) ? `what ${shown} stands for` : shown;
    const hint = facts.hint === undefined ? "" : `; ${facts.hint}`;
    return problem(value, issue.path, `${issue.message}, not ${written}${hint}`);
  });
}

/** Of the path, or of the nearest part of the file that holds it. */
export function nearestSpot(path: Path, spots: ReadonlyMap<string, Spot>): Spot {
  for (let length = path.length; length >= 0; length--) {
    const spot = spots.get(formatPath(path.slice(0, length)));
    if (spot !== undefined) return spot;
  }
  const start = { line: 1, column: 1 };
  return { key: start, value: start, shown: "nothing" };
}
