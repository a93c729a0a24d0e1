import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import { parse } from "yaml";
import { withTables } from "../../../scripts/write-schema.ts";
import { jsonSchemaText, toJsonSchema } from "../../../src/config/json-schema.ts";
import { parseConfig } from "../../../src/config/load.ts";
import { overrideVariables } from "../../../src/config/overrides.ts";
import { defaultPolicy } from "../../../src/config/policy.ts";

interface Schema {
  readonly default?: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
}

const root = new URL("../../../", import.meta.url);
const schema = toJsonSchema() as Schema;

// ajv comes with fastify: as good as any validator that an editor uses, and no dependency of our own.
const fromFastify = createRequire(import.meta.resolve("fastify"));
const { Ajv2020 } = fromFastify("ajv/dist/2020.js") as {
  Ajv2020: new (options: object) => { compile(schema: object): (value: unknown) => boolean };
};
const accepts = new Ajv2020({ allowUnionTypes: true, strictRequired: false }).compile(schema);

/** Every schema with its path; `[]` for a list's items, `*` for a map's values. */
function* walk(node: Schema, path: string): Generator<[string, Schema]> {
  yield [path, node];
  for (const [key, value] of Object.entries(node.properties ?? {})) yield* walk(value, `${path}.${key}`);
  if (node.items) yield* walk(node.items, `${path}[]`);
  if (typeof node.additionalProperties === "object") yield* walk(node.additionalProperties, `${path}.*`);
}

describe("routes.schema.json", () => {
  it("is current; else run: node scripts/write-schema.ts", () => {
    assert.equal(readFileSync(new URL("routes.schema.json", root), "utf8"), jsonSchemaText());
  });

  it("describes every key, for editors", () => {
    const silent = [...walk(schema, "")].filter(([, node]) => !node.description).map(([path]) => path);
    assert.deepEqual(silent, []);
  });

  it("documents the policy that holds where nothing is said", () => {
    const written = documented(schema.properties?.["defaults"] ?? {}) as Record<string, unknown>;
    const text = JSON.stringify({
      version: 1,
      defaults: written,
      upstreams: { u: { target: "pass:///h:1", schema: { descriptor_set: "d" } } },
    });
    const { config } = parseConfig(text, "r.yaml", { env: {}, readFile: () => assert.fail() });
    assert.deepEqual(config.upstreams[0]?.policy, defaultPolicy);
    assert.equal(written["timeout"], "5s", "the walk has found the defaults");
  });

  const head = "version: 1\nupstreams: { u: { target: pass:///h:1, schema: { descriptor_set: d } } }\n";
  const one = (rest: string) => `${head}routes: [{ rpc: a.B/C, ${rest} }]`;

  for (const text of [
    head,
    one("get: /x"),
    one("get: /x, timeout: 1m30s, stream_timeout: none, idempotent: true"),
    one('get: /x, timeout: "${T}", idempotent: "${I:-true}", stream_timeout: "${file:x}"'),
    one('get: /x, body: "*", additional_bindings: [{ custom: { kind: "*", path: /y } }]'),
    `${head}routes: [{ selector: a.B.C, post: /x }]`,
    `${head}server: { port: "\${PORT}", admin: { port: 0 }, limits: { body: 4MiB, header: 65536 } }`,
    `${head}defaults: { json: { names: proto }, wait_for_ready: { timeout: 0s } }`,
    `${head}annotations: { read: true, services: [a.*] }`,
  ]) {
    it(`accepts what the loader accepts: ${text.replace(head, "")}`, () => {
      assert.equal(accepts(parse(text)), true);
      parseConfig(text, "r.yaml", {
        env: { PORT: "1", T: "1s", I: "true" },
        readFile: () => "1s",
      });
    });
  }

  for (const text of [
    "version: 1",
    head.replace("1", "2"),
    `${head}serverr: {}`,
    `${head}server: { prot: 1 }`,
    `${head}server: { port: 65536 }`,
    one("upstream: u"),
    one("get: /x, post: /y"),
    one("get: /x, timeout: 5"),
    one("get: /x, timeout: 5x"),
    one("get: /x, timeout: ''"),
    one("get: /x, timeout: none"),
    one("get: /x, idempotent: maybe"),
    one("get: /x, retry: { budget: {} }"),
    one("get: /x, additional_bindings: [{ put: /y, additional_bindings: [] }]"),
    `${head}routes: [{ get: /x }]`,
    `${head}defaults: { json: { int64: float } }`,
    head.replace("descriptor_set: d", "reflection: {}"),
    head.replace("schema: { descriptor_set: d }", "schema: {}"),
  ]) {
    it(`refuses what the loader refuses: ${text.replace(head, "")}`, () => {
      assert.equal(accepts(parse(text)), false);
      assert.throws(() => parseConfig(text, "r.yaml", { env: {}, readFile: () => assert.fail() }), {
        code: "CONFIG_INVALID",
      });
    });
  }
});

describe("docs/config.md", () => {
  it("names every environment variable that stands in for a key", () => {
    const docs = readFileSync(new URL("docs/config.md", root), "utf8");
    for (const variable of Object.values(overrideVariables)) assert.ok(docs.includes(`\`${variable}\``), variable);
  });

  it("has a row for every key as the schema has it now; else run: node scripts/write-schema.ts", async () => {
    const docs = readFileSync(new URL("docs/config.md", root), "utf8");
    assert.equal(docs, await withTables(docs));
    for (const key of [
      "`timeouts.header`",
      "`wait_for_ready.queue`",
      "`discovery.etcd.prefix`",
      "`load_balancing.policy`",
    ]) {
      assert.ok(docs.includes(`| ${key}`), key);
    }
  });
});

/** A section with every default that its schema documents. */
function documented(section: Schema): unknown {
  if (section.properties === undefined) return section.default;
  const entries = Object.entries(section.properties).map(([key, value]) => [key, documented(value)]);
  const filled = entries.filter(([, value]) => value !== undefined);
  // A section without any default may need what a user alone knows.
  return filled.length === 0 ? undefined : Object.fromEntries(filled);
}
