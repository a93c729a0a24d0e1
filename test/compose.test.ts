import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Ajv2020 } from "ajv/dist/2020.js";
import { parse } from "yaml";

interface Compose {
  services: Record<string, { build?: { target?: string }; depends_on?: Record<string, unknown>; volumes?: string[] }>;
}

const text = readFileSync("docker-compose.yml", "utf8");
const compose = parse(text, { merge: true }) as Compose;
const dockerfile = readFileSync("Dockerfile", "utf8");

describe("docker-compose.yml", () => {
  it("is valid by the Compose specification's schema", () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
    const validate = ajv.compile(JSON.parse(readFileSync("test/fixtures/compose-spec.json", "utf8")) as object);
    assert.ok(validate(compose), ajv.errorsText(validate.errors));
    assert.ok(!validate({ services: { gateway: { imagee: "x" } } }), "the schema refuses an unknown key");
  });

  it("has a gateway, an etcd and three instances", () => {
    assert.deepEqual(Object.keys(compose.services), ["etcd", "bookshop-1", "bookshop-2", "bookshop-3", "gateway"]);
  });

  it("builds stages that the Dockerfile has, and waits for services that exist", () => {
    const stages = [...dockerfile.matchAll(/^FROM \S+ AS (\w+)$/gm)].map((match) => match[1]);
    for (const [name, service] of Object.entries(compose.services)) {
      assert.ok(stages.includes(service.build?.target), `${name}: no stage ${service.build?.target}`);
      for (const other of Object.keys(service.depends_on ?? {})) assert.ok(other in compose.services, other);
    }
  });
});

describe("Dockerfile", () => {
  const stages = dockerfile.split(/^FROM /m).slice(1);

  it("runs every final stage as a user that is not root", () => {
    for (const stage of stages.filter((stage) => stage.includes("ENTRYPOINT"))) assert.match(stage, /^USER 1000$/m);
  });

  it("copies only what exists", () => {
    for (const [, sources] of dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)) {
      for (const source of (sources ?? "").split(" ")) assert.ok(existsSync(source), source);
    }
  });

  it("checks the gateway's health", () => {
    assert.match(stages.find((stage) => stage.includes("AS gateway")) ?? "", /^HEALTHCHECK /m);
  });
});
