import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { encode, kindsYaml, startKinds, type Behaviour, type ErrorJson } from "../support/kinds.ts";
import { ask } from "../support/raw-http.ts";

async function start(t: TestContext, extra: string, behaviour: Partial<Behaviour> = {}): Promise<TestGateway> {
  const upstream = await startKinds(t, behaviour);
  return startTestGateway(t, kindsYaml(upstream.address) + extra);
}

function post(gateway: TestGateway, path: string, body: string, headers: Record<string, string> = {}) {
  return ask(gateway, path, { method: "POST", body, headers });
}

describe("auto_routes", () => {
  it("serves every method of each kind, beside what is declared", async (t) => {
    const gateway = await start(t, "auto_routes: true\n");
    const echo = await post(gateway, "/kinds.v1.Kinds/Echo", '{"fInt64":"7"}');
    assert.deepEqual([echo.status, echo.json()], [200, { fInt64: "7" }]);
    const watch = await post(gateway, "/kinds.v1.Kinds/Watch", '{"name":"a","count":2}', {
      accept: "application/json",
    });
    assert.deepEqual(watch.json(), [{ name: "a" }, { name: "a", index: 1 }]);
    const collect = await post(gateway, "/kinds.v1.Kinds/Collect", '{"fString":"x"}{"fString":"y"}');
    assert.deepEqual(collect.json(), { name: "x,y", index: 2 });
    const chat = await post(gateway, "/kinds.v1.Kinds/Chat", '[{"fInt32":1},{"fInt32":2}]');
    assert.equal(chat.text(), '{"result":{"fInt32":1}}\n{"result":{"fInt32":2}}\n');
    assert.deepEqual((await post(gateway, "/v1/echo", '{"fBool":true}')).json(), { fBool: true });
    const get = await ask(gateway, "/kinds.v1.Kinds/Echo");
    assert.deepEqual([get.status, get.headers["allow"]], [405, "OPTIONS, POST"]);
    const query = await post(gateway, "/kinds.v1.Kinds/Act?name=x", "{}");
    assert.deepEqual([query.status, (query.json() as ErrorJson).details.at(-1)?.["reason"]], [400, "FIELD_UNKNOWN"]);
    const auto = gateway.routes().filter(({ source }) => source === "auto");
    const proto = await readFile("test/fixtures/protos/kinds/v1/kinds.proto", "utf8");
    assert.deepEqual(
      auto.map(({ rpc }) => rpc),
      [...proto.matchAll(/^ {2}rpc (\w+)/gm)].map(([, name]) => `kinds.v1.Kinds/${name}`),
    );
  });

  it("gives way to a route that is declared for the same requests", async (t) => {
    const declared =
      '  - { rpc: kinds.v1.Kinds/Act, post: /kinds.v1.Kinds/Echo, body: "*" }\nauto_routes: ["kinds.*"]\n';
    const gateway = await start(t, declared, {
      act: (_, reply) => reply(null, encode("Result", { name: "declared" })),
    });
    assert.deepEqual((await post(gateway, "/kinds.v1.Kinds/Echo", "{}")).json(), { name: "declared" });
    const rows = gateway.routes().filter(({ path }) => path === "/kinds.v1.Kinds/Echo");
    assert.deepEqual(
      rows.map(({ rpc }) => rpc),
      ["kinds.v1.Kinds/Act"],
    );
  });

  it("is for the services that are named, and an upstream's word wins", async (t) => {
    const upstream = await startKinds(t);
    for (const [config, extra, status] of [
      [{}, "auto_routes: [other.*]\n", 404],
      [{ upstream: "auto_routes: [kinds.v1.Kinds]" }, "", 200],
      [{ upstream: "auto_routes: false" }, "auto_routes: true\n", 404],
    ] as const) {
      const gateway = await startTestGateway(t, kindsYaml(upstream.address, config) + extra);
      assert.equal((await post(gateway, "/kinds.v1.Kinds/Echo", "{}")).status, status);
    }
  });
});

describe("api_service", () => {
  it("makes routes of a google.api.Service file, unmodified, and follows it over a reload", async (t) => {
    const upstream = await startKinds(t);
    const service = (verb: string): string => `type: google.api.Service
config_version: 3
name: kinds.example.com
apis: [{ name: kinds.v1.Kinds }]
http:
  rules:
    - selector: kinds.v1.Kinds.Echo
      get: /first/{f_string}
    - selector: kinds.v1.Kinds.Act
      post: /svc/{name}:${verb}
      body: '*'
      additional_bindings:
        - get: /svc/{name}
    - selector: kinds.v1.Kinds.Echo
      put: /last/{f_string}
      body: f_message
    - selector: google.longrunning.Operations.GetOperation
      get: /v1/{name=operations/*}
`;
    const gateway = await startTestGateway(
      t,
      kindsYaml(upstream.address).replace(/routes:[^]*/, "auto_routes: true\n"),
    );
    const file = path.join(path.dirname(gateway.configFile), "service.yaml");
    await writeFile(file, service("run"));
    const yaml = kindsYaml(upstream.address, { upstream: "api_service: service.yaml" }).replace(/routes:[^]*/, "");
    await gateway.rewrite(yaml);
    assert.equal(await gateway.reload(), true);
    assert.equal((await post(gateway, "/svc/a:run", "{}")).status, 200);
    assert.equal((await ask(gateway, "/svc/a")).status, 200);
    assert.equal((await ask(gateway, "/first/a")).status, 404, "the last rule of a method wins");
    const last = await ask(gateway, "/last/a", { method: "PUT", body: '{"fInt32":1}' });
    assert.deepEqual(last.json(), { fString: "a", fMessage: { fInt32: 1 } });
    const problems = gateway.lines.filter(({ msg }) => msg === "problem in configuration");
    assert.match(
      String(problems.at(-1)?.["problem"]),
      /service\.yaml:17:17: warning: upstream "kinds" has no rpc "google\.longrunning\.Operations\/GetOperation"/,
    );
    await writeFile(file, service("stop"));
    assert.equal(await gateway.reload(), true);
    assert.equal((await post(gateway, "/svc/a:stop", "{}")).status, 200);
    assert.equal((await post(gateway, "/svc/a:run", "{}")).status, 405);
  });
});
