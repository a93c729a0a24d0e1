// node bin/run.js bench/micro/trie.bench.ts: from method and path to the route, CPU time a match, by size of the table.
import { buildRouteTable } from "../../src/routing/table.ts";
import { parseTemplate } from "../../src/routing/template.ts";
import { cpuUs } from "./cpu.ts";

const SHAPES: readonly (readonly [template: string, path: string])[] = [
  ["/v1/resource#/items", "/v1/resource#/items"],
  ["/v1/resource#/items/{id}", "/v1/resource#/items/4200001"],
  ["/v1/{name=resource#/*/books/*}", "/v1/resource#/12/books/7"],
  ["/v1/resource#/{path=**}:read", "/v1/resource#/a/b/c/d:read"],
];

console.log("| routes | path | ns a match |\n|---|---|---|");
for (const count of [10, 1_000, 10_000]) {
  const groups = Math.ceil(count / SHAPES.length);
  const entries = Array.from({ length: groups }, (_, group) =>
    SHAPES.map(([template]) => ({
      method: "GET",
      template: parseTemplate(template.replace("#", String(group))),
      value: group,
      place: "",
    })),
  ).flat();
  const { table } = buildRouteTable(entries);
  const last = String(groups - 1);
  const paths = [...SHAPES.map(([, path]) => path.replace("#", last)), "/v1/nowhere/at/all"];
  for (const path of paths) {
    const ns = cpuUs(() => void table.match("GET", path), 30) * 1000;
    console.log(`| ${count} | ${path} | ${ns.toFixed(0)} |`);
  }
}
