import assert from "node:assert/strict";
import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));

// The path of a request, bottom to top. A folder may import itself and what its row lists, types included; a folder
// without a row fails, so that adding one is a decision. `folder:types` allows type imports alone. Files directly in
// src/ are the composition root and may import everything.
const mayImport: Record<string, readonly string[]> = {
  core: [],
  schema: ["core"],
  routing: ["core", "schema"],
  transcode: ["core"],
  call: ["core"],
  exchange: ["core", "routing", "transcode", "call"],
  tls: ["core"],
  edge: ["core", "transcode", "exchange", "tls"],
  upstream: ["core", "tls", "call:types"],
  discovery: ["core", "tls", "upstream:types"],
  telemetry: ["core", "exchange:types", "upstream:types", "discovery:types"],
  admin: ["core"],
  config: ["core", "schema", "routing", "transcode", "call", "exchange", "edge", "tls", "upstream", "discovery"],
  cli: ["core"],
  process: ["core"],
  snapshot: ["core", "schema", "routing", "transcode", "call", "exchange", "config", "cli:types"],
  workers: ["core", "config:types", "schema:types", "telemetry:types", "admin:types", "upstream:types"],
};

// Where each package may be imported, as path prefixes under src/. A package without a row fails, so that adding one
// is a decision too; the README says what each is for.
const homes: Record<string, readonly string[]> = {
  "@bufbuild/protobuf": ["schema/", "transcode/", "snapshot/"],
  "@fastify/busboy": ["transcode/multipart.ts"],
  "@fastify/proxy-addr": ["exchange/client-address.ts"],
  "@grpc/grpc-js": [
    "upstream/connection/grpc-js",
    "discovery/etcd/",
    "discovery/registration/grpc-health.ts",
    "tls/grpc-credentials.ts",
  ],
  "@grpc/proto-loader": ["discovery/etcd/"],
  commander: ["cli/"],
  "fastest-levenshtein": ["core/suggest.ts"],
  fastify: ["edge/", "admin/"],
  pino: ["telemetry/"],
  "pino-pretty": ["telemetry/"],
  "prom-client": ["telemetry/"],
  ws: ["edge/"],
  yaml: ["config/"],
  zod: ["config/", "*/options.ts"],
  "node:http2": ["edge/", "upstream/connection/"],
};

interface Rule {
  readonly name: string;
  /** Matched in code, comments aside. */
  readonly pattern: RegExp;
  readonly isAllowed: (file: string) => boolean;
  readonly instead: string;
}

const REQUEST_PATH = ["transcode/", "routing/", "exchange/", "edge/", "call/", "upstream/"];

const rules: readonly Rule[] = [
  {
    name: "process.exit",
    pattern: /\bprocess\.(?:exit|abort|reallyExit)\b/,
    isAllowed: (file) => file === "main.ts",
    instead: "return or throw; only src/main.ts ends the process",
  },
  {
    name: "process.env",
    pattern: /\bprocess\.env\b/,
    isAllowed: (file) => file === "main.ts",
    instead: "take the value as an option; src/main.ts hands the environment in",
  },
  {
    name: "JSON.parse",
    pattern: /\bJSON\s*\.\s*parse\b/,
    isAllowed: (file) => !REQUEST_PATH.some((folder) => file.startsWith(folder)),
    instead: "JSON goes from bytes to bytes in the request's path; read it with what transcode/ compiled",
  },
  {
    name: "timers",
    pattern: /(?<!\.)\b(?:setTimeout|setInterval)\b|["']node:timers/,
    isAllowed: (file) => file === "core/clock.ts",
    instead: "take a Clock (src/core/clock.ts)",
  },
  {
    name: "Math.random",
    pattern: /\bMath\.random\b/,
    isAllowed: (file) => file === "core/random.ts",
    instead: "take a Random (src/core/random.ts)",
  },
  {
    name: "node:http",
    pattern: /\bimport\s+(?!type\b)[^;]*?from\s*["']node:http["']/,
    isAllowed: () => false,
    instead: "take it from core/node-http.ts, which costs a start 25 ms less",
  },
  {
    name: "#private",
    pattern: /\bthis\.#/,
    isAllowed: () => false,
    instead: "write private, as everywhere else",
  },
  {
    name: "console",
    pattern: /\bconsole\s*\.\s*\w/,
    isAllowed: (file) => file === "main.ts",
    instead: "tell an event; telemetry/ writes",
  },
];

// As a type; `any` is a fair name for a value of google.protobuf.Any.
const ANY = /(?::|<|\bas|\||=>)\s*any\b|\bany\s*(?:[>|]|\[\])/;

interface Import {
  readonly target: string;
  readonly isType: boolean;
}

// `import x from "y"`, `export * from "y"`, `import "y"`, `import("y")`, `typeof import("y")`.
const IMPORT = /\b(?:(?:import|export)\b(?<clause>[^"'`;()]*?)\bfrom|import\s*\(?)\s*["'](?<target>[^"']+)["']/g;

function importsOf({ bare }: Scanned): Import[] {
  return [...bare.matchAll(IMPORT)].map(({ groups }) => ({
    target: groups?.target ?? "",
    isType: /^\s*type\b/.test(groups?.clause ?? ""),
  }));
}

// What a comment may not be looked for in. A regular expression stands where a value may begin.
const COMMENT = /\/\/[^\n]*|\/\*[^]*?\*\//y;
const QUOTED = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/y;
const REGEXP = /(?<=(?:[=(,:;!&|?{}[>\n]|\breturn)\s*)\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\//y;
const TEMPLATE = /(?:\\[^]|\$(?!\{)|[^`\\$])*(`|\$\{)/y;

interface Scanned {
  /** The text with comments blanked out, everything at its place. */
  readonly code: string;
  /** The same with strings blanked out as well, except those that an import names: what only looks like one is gone. */
  readonly bare: string;
}

function scan(text: string): Scanned {
  let code = "";
  let bare = "";
  // One entry per open `${`: how many braces are open within it.
  const braces: number[] = [];
  const take = (token: RegExp): string | undefined => {
    token.lastIndex = code.length;
    return token.exec(text)?.[0];
  };
  const blank = (found: string): string => found.replace(/[^\n]/g, " ");
  const keep = (found: string, isString: boolean): void => {
    code += found;
    bare += isString ? blank(found) : found;
  };
  const keepTemplate = (): void => {
    const chunk = take(TEMPLATE) ?? text.slice(code.length);
    keep(chunk, true);
    if (chunk.endsWith("${")) braces.push(0);
  };
  while (code.length < text.length) {
    const comment = take(COMMENT);
    if (comment !== undefined) {
      code += blank(comment);
      bare += blank(comment);
      continue;
    }
    const string = take(QUOTED) ?? take(REGEXP);
    if (string !== undefined) {
      keep(string, !/\b(?:from|import\s*\(?)\s*$/.test(bare.slice(-100)));
      continue;
    }
    const next = text.charAt(code.length);
    keep(next, false);
    const open = braces.at(-1);
    if (next === "`") keepTemplate();
    else if (open !== undefined && next === "{") braces[braces.length - 1] = open + 1;
    else if (open !== undefined && next === "}") {
      if (open > 0) braces[braces.length - 1] = open - 1;
      else {
        braces.pop();
        keepTemplate();
      }
    }
  }
  return { code, bare };
}

/** Those imports of `file` (its path under src/) that a table forbids, as sentences. */
function forbiddenImports(file: string, imports: readonly Import[]): string[] {
  const folder = file.includes("/") ? (file.split("/")[0] ?? "") : "";
  const row = mayImport[folder];
  if (folder !== "" && row === undefined) return [`src/${folder}/ has no row in mayImport`];
  const found: string[] = [];
  for (const { target, isType } of imports) {
    if (target.startsWith(".")) {
      const to = path.posix.join(path.posix.dirname(file), target);
      const toFolder = to.includes("/") ? (to.split("/")[0] ?? "") : "";
      if (toFolder === "..") found.push(`src/ may not import ${target}`);
      else if (folder === "" || toFolder === folder) continue;
      else if (toFolder === "") found.push(`${folder}/ may not import the composition root (${target})`);
      else if (row?.includes(toFolder) || (isType && row?.includes(`${toFolder}:types`))) continue;
      else found.push(`${folder}/ may not import ${isType ? "types of " : ""}${toFolder}/ (${target})`);
      continue;
    }
    const name = packageOf(target);
    const home = homes[name];
    if (home === undefined && !name.startsWith("node:")) found.push(`${name} has no row in homes`);
    else if (home !== undefined && !home.some((place) => isIn(file, place)))
      found.push(`only ${home.join(", ")} may import ${name}`);
  }
  return found;
}

/** `@scope/name/sub` -> `@scope/name`; `node:fs/promises` -> `node:fs`. */
function packageOf(target: string): string {
  return target.split("/", target.startsWith("@") ? 2 : 1).join("/");
}

function isIn(file: string, place: string): boolean {
  return place.startsWith("*/") ? file.endsWith(place.slice(1)) : file.startsWith(place);
}

/** The first cycle found, as the files on it; the first stands at the end again. */
function findCycle(graph: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const trail: string[] = [];
  function visit(file: string): string[] | undefined {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
    if (done.has(file)) return undefined;
    trail.push(file);
    for (const target of graph.get(file) ?? []) {
      const cycle = visit(target);
      if (cycle !== undefined) return cycle;
    }
    trail.pop();
    done.add(file);
    return undefined;
  }
  for (const file of graph.keys()) {
    const cycle = visit(file);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

/** Lines with an `any` type that neither the line itself nor the one above it explains. */
function unexplainedAny(text: string, code: string): number[] {
  const lines = text.split("\n");
  return code.split("\n").flatMap((line, index) => {
    if (!ANY.test(line.replace(/"(?:\\.|[^"\\])*"/g, '""'))) return [];
    const isExplained = /\/\/|\*\//.test(lines[index] ?? "") || /^\s*(?:\/\/|\/?\*)/.test(lines[index - 1] ?? "");
    return isExplained ? [] : [index + 1];
  });
}

interface Source {
  /** Path under src/, with slashes. */
  readonly file: string;
  readonly text: string;
  readonly code: string;
  readonly imports: readonly Import[];
}

const sources: readonly Source[] = globSync("src/**/*.ts").map((found) => {
  const text = readFileSync(found, "utf8");
  const scanned = scan(text);
  return {
    file: path.relative("src", found).split(path.sep).join("/"),
    text,
    code: scanned.code,
    imports: importsOf(scanned),
  };
});

describe("src", () => {
  it("imports down the request's path, and packages at home", () => {
    assert.ok(sources.length > 0);
    const found = sources.flatMap(({ file, imports }) =>
      forbiddenImports(file, imports).map((sentence) => `${file}: ${sentence}`),
    );
    assert.deepEqual(found, []);
  });

  it("has no cycle between files, type imports included", () => {
    const graph = new Map(
      sources.map(({ file, imports }) => [
        file,
        imports
          .filter(({ target }) => target.startsWith("."))
          .map(({ target }) => path.posix.join(path.posix.dirname(file), target)),
      ]),
    );
    assert.equal(findCycle(graph)?.join(" -> "), undefined);
  });

  it("names every folder that has a row, and no other", () => {
    const folders = new Set(sources.map(({ file }) => file.split("/")[0]));
    const gone = Object.keys(mayImport).filter((folder) => !folders.has(folder) && !existsSync(`src/${folder}`));
    assert.deepEqual(gone, []);
  });

  for (const { name, pattern, isAllowed, instead } of rules) {
    it(`keeps ${name} in its place`, () => {
      const found = sources
        .filter(({ file, code }) => !isAllowed(file) && pattern.test(code))
        .map(({ file }) => `${file}: ${name} is not allowed here: ${instead}`);
      assert.deepEqual(found, []);
    });
  }

  it("says why wherever it says any", () => {
    const found = sources.flatMap(({ file, text, code }) =>
      unexplainedAny(text, code).map((line) => `src/${file}:${line}: any without a comment`),
    );
    assert.deepEqual(found, []);
  });
});

describe("this test's own eyes", () => {
  const importsIn = (text: string) => importsOf(scan(text));

  for (const [text, target, isType] of [
    ['import { a } from "../x.ts";', "../x.ts", false],
    ['import type { A } from "../x.ts";', "../x.ts", true],
    ['import { type A, b } from "../x.ts";', "../x.ts", false],
    ['import {\n  a,\n  b,\n} from "../x.ts";', "../x.ts", false],
    ['import "../x.ts";', "../x.ts", false],
    ['const x = 1; import x from "../x.ts";', "../x.ts", false],
    ['await import("../x.ts");', "../x.ts", false],
    ['type T = typeof import("../x.ts");', "../x.ts", false],
    ['export * from "../x.ts";', "../x.ts", false],
    ['export type { A } from "../x.ts";', "../x.ts", true],
    ["const r = /[\"'`]/; import x from '../x.ts';", "../x.ts", false],
  ] as const) {
    it(`sees ${JSON.stringify(text)}`, () => assert.deepEqual(importsIn(text), [{ target, isType }]));
  }

  for (const text of [
    '// import "./x.ts"',
    '/* from "./x.ts" */',
    '/**\n * import x from "./x.ts"\n */',
    'case "import":\nf("x")',
    'fail("no import", "x")',
    "const hint = '; import \"a.proto\"';",
    'const generated = `import x from "y"; ${a} import "z"`;',
  ]) {
    it(`sees no import in ${JSON.stringify(text)}`, () => assert.deepEqual(importsIn(text), []));
  }

  for (const [file, text, expected] of [
    ["core/a.ts", 'import type { B } from "../call/b.ts";', "core/ may not import types of call/ (../call/b.ts)"],
    ["upstream/a.ts", 'import { b } from "../call/b.ts";', "upstream/ may not import call/ (../call/b.ts)"],
    ["cli/a.ts", 'import { b } from "../gateway.ts";', "cli/ may not import the composition root (../gateway.ts)"],
    ["gateway.ts", 'import { b } from "../test/b.ts";', "src/ may not import ../test/b.ts"],
    ["core/a.ts", 'import fastify from "fastify";', "only edge/, admin/ may import fastify"],
    [
      "call/a.ts",
      'import wire from "@bufbuild/protobuf/wire";',
      "only schema/, transcode/, snapshot/ may import @bufbuild/protobuf",
    ],
    ["core/a.ts", 'import x from "left-pad";', "left-pad has no row in homes"],
    ["fresh/a.ts", "", "src/fresh/ has no row in mayImport"],
  ] as const) {
    it(`says: ${expected}`, () => assert.deepEqual(forbiddenImports(file, importsIn(text)), [expected]));
  }

  it("knows a comment from what looks like one", () => {
    const text = 'a(`x ${b ? `// ${c}` : "/*"} // y`); const r = /[/]\\/\\*"/; // gone\nd("//"); /* gone */ e';
    assert.equal(scan(text).code.replace(/ +/g, " "), text.replace("// gone", "").replace("/* gone */ ", ""));
  });

  it("lets through what the tables allow", () => {
    assert.deepEqual(forbiddenImports("upstream/a.ts", importsIn('import type { B } from "../call/b.ts";')), []);
    assert.deepEqual(forbiddenImports("call/options.ts", importsIn('import { z } from "zod";')), []);
    assert.deepEqual(forbiddenImports("main.ts", importsIn('import { z } from "./call/b.ts";')), []);
  });

  it("finds a cycle", () => {
    const graph = new Map([
      ["a.ts", ["b.ts"]],
      ["b.ts", ["c.ts", "d.ts"]],
      ["c.ts", []],
      ["d.ts", ["b.ts"]],
    ]);
    assert.deepEqual(findCycle(graph), ["b.ts", "d.ts", "b.ts"]);
  });

  it("finds an any without a reason, and takes one with it", () => {
    const text = 'let a: any;\nlet b: any; // why\nlet c: Map<string, any>;\nconst many = "x: any";';
    assert.deepEqual(unexplainedAny(text, scan(text).code), [1, 3]);
  });
});
