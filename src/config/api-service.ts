import { z } from "zod";
import type { Problem } from "../core/problem.ts";
import { flag, list, section, text } from "../core/options.ts";
import { checkMethodKeys, ruleShape, toHttpRule, toRpc } from "../routing/options.ts";
import type { ServiceRoute } from "./config.ts";
import { nearestSpot, toProblems } from "./issues.ts";
import { formatPath, type Path } from "./path.ts";
import { readYaml } from "./yaml.ts";

const NAME = "[A-Za-z_][A-Za-z0-9_]*";

const rule = section(
  {
    docs: "One google.api.HttpRule.",
    check(value, complain, hasUnknownKeys) {
      checkMethodKeys(value, complain, hasUnknownKeys);
    },
  },
  {
    selector: text({
      docs: "The method, pkg.Service.Method.",
      pattern: `${NAME}(\\.${NAME})+`,
      what: "one method such as library.v1.Library.GetBook",
    }),
    ...ruleShape,
  },
);

// What google.api.Service has besides is not about routes.
const fileShape = z.object({
  http: section(
    { docs: "google.api.Http." },
    {
      rules: list({ docs: "Rules; of several for one method the last wins." }, rule).optional(),
      fully_decode_reserved_expansion: flag({ docs: "See routing.unescape." }).optional(),
    },
  ).optional(),
});

/**
 * The rules of a google.api.Service file (`type: google.api.Service`), one route a method: "last one wins"
 * (google/api/http.proto). What is wrong goes to `problems`, with its place in that file.
 */
export function readApiService(content: string, file: string, problems: Problem[]): readonly ServiceRoute[] {
  const yaml = readYaml(content, file, (value) => ({ text: value, reasons: [] }));
  problems.push(...yaml.problems);
  if (yaml.problems.length > 0) return [];
  const { value } = yaml;
  const type = typeof value === "object" && value !== null ? (value as { type?: unknown }).type : undefined;
  if (type !== "google.api.Service") {
    const { line, column } = nearestSpot(["type"], yaml.spots).value;
    const message = `expected a file of type: google.api.Service, not ${nearestSpot(["type"], yaml.spots).shown}`;
    problems.push({ file, line, column, message, severity: "error" });
    return [];
  }
  const result = fileShape.safeParse(value);
  if (!result.success) {
    problems.push(...toProblems(result.error.issues, file, yaml));
    return [];
  }
  const { rules = [], fully_decode_reserved_expansion: decodes } = result.data.http ?? {};
  const placeOf = (path: Path): string => {
    const { line, column } = nearestSpot(path, yaml.spots).value;
    return `${file}:${line}:${column}`;
  };
  if (decodes === true) {
    const { line, column } = nearestSpot(["http", "fully_decode_reserved_expansion"], yaml.spots).key;
    const message =
      "http.fully_decode_reserved_expansion has no effect; say routing: { unescape: all_except_slash or all }";
    problems.push({ file, line, column, message, severity: "warning" });
  }
  const routes = new Map<string, ServiceRoute>();
  for (const [index, parsed] of rules.entries()) {
    const at = ["http", "rules", index];
    const toRule = (binding: Parameters<typeof toHttpRule>[0], from: Path): ServiceRoute["rules"][number] => {
      const { rule: httpRule, pathKeys } = toHttpRule(binding);
      const part = (key: string): string => placeOf(yaml.spots.has(formatPath([...from, key])) ? [...from, key] : from);
      const places = { path: placeOf([...from, ...pathKeys]), body: part("body"), responseBody: part("response_body") };
      return { rule: httpRule, places };
    };
    const rpc = toRpc({ selector: parsed.selector }) as string; // it has one
    const more = parsed.additional_bindings ?? [];
    routes.set(rpc, {
      rpc,
      place: placeOf([...at, "selector"]),
      rules: [toRule(parsed, at), ...more.map((binding, i) => toRule(binding, [...at, "additional_bindings", i]))],
    });
  }
  return [...routes.values()];
}
