import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { encode, kindsYaml, startKinds, type StreamCall, type UnaryReply } from "../support/kinds.ts";
import { ask, RawClient, requestBytes } from "../support/raw-http.ts";
import { until } from "../support/until.ts";

interface Relay {
  readonly address: string;
  /** Connections ever made. */
  made: number;
  open: number;
  /** The next time that one ends. */
  closed(): Promise<void>;
}

/** Stands before an instance and counts its connections. */
async function countingRelay(t: TestContext, port: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  let told = Promise.withResolvers<void>();
  const server = createServer((client) => {
    const upstream = connect(port, "127.0.0.1");
    relay.made++;
    relay.open++;
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.pipe(other);
      socket.on("error", () => other.destroy());
    }
    client.on("close", () => {
      upstream.destroy();
      relay.open--;
      told.resolve();
      told = Promise.withResolvers();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const relay: Relay = { address, made: 0, open: 0, closed: () => told.promise };
  return relay;
}

/** Its routes begin with `/v<version>/`. */
function versioned(address: string, version: number): string {
  return kindsYaml(address).replace(/(?<=[ "])\/v1\//g, `/v${version}/`);
}

async function metricsOf(gateway: TestGateway): Promise<string> {
  const response = await fetch(`${gateway.adminAddress}/metrics`, { headers: { connection: "close" } });
  return response.text();
}

describe("reload()", () => {
  it("puts the new routes in force, for requests on open connections too", async (t) => {
    const upstream = await startKinds(t);
    const gateway = await startTestGateway(t, kindsYaml(upstream.address));
    const client = new RawClient(gateway.port).send(requestBytes("/v2/act/x"));
    assert.equal((await client.reply()).status, 404);
    await gateway.rewrite(versioned(upstream.address, 2));
    assert.equal(await gateway.reload(), true);
    assert.equal((await client.send(requestBytes("/v2/act/x")).reply()).status, 200);
    assert.equal((await client.send(requestBytes("/v1/act/x")).reply()).status, 404);
    client.close();
    assert.ok(gateway.routes().every((row) => row.path.startsWith("/v2/")));
    assert.equal(gateway.lines.filter((line) => line["msg"] === "configuration reloaded").length, 1);
    const metrics = await metricsOf(gateway);
    assert.match(metrics, /^sluice_config_reloads_total\{result="ok"\} 1$/m);
    assert.match(metrics, /^sluice_config_last_reload_successful 1$/m);
  });

  it("loses no request under load, and keeps the connections of an upstream that did not change", async (t) => {
    const upstream = await startKinds(t);
    const relay = await countingRelay(t, upstream.port);
    const yaml = kindsYaml(relay.address);
    const gateway = await startTestGateway(t, yaml);
    let over = false;
    let served = 0;
    const run = async (): Promise<void> => {
      const client = new RawClient(gateway.port);
      while (!over) {
        const reply = await client.send(requestBytes("/v1/act/x")).reply();
        assert.deepEqual([reply.status, reply.headers["connection"]], [200, "keep-alive"]);
        served++;
      }
      client.close();
    };
    const load = Promise.all(Array.from({ length: 8 }, run));
    for (let i = 1; i <= 5; i++) {
      // The route's policy and the balancer change, the addresses do not.
      const act = `timeout: ${i}s`;
      const policy = i % 2 === 0 ? "round_robin" : "least_request";
      await gateway.rewrite(kindsYaml(relay.address, { act, upstream: `load_balancing: { policy: ${policy} }` }));
      assert.equal(await gateway.reload(), true);
      const before = served;
      await until("20 more answers", () => served >= before + 20);
    }
    over = true;
    await load;
    assert.deepEqual([relay.made, relay.open], [1, 1]);
  });

  it("keeps the old configuration where the new one has errors, and says so in log and metrics", async (t) => {
    const upstream = await startKinds(t);
    const gateway = await startTestGateway(t, kindsYaml(upstream.address));
    const good = await readFile(gateway.configFile, "utf8");
    const bad: readonly (readonly [why: string, yaml: string, problem: RegExp])[] = [
      ["no YAML", "version: [", /routes\.yaml:\d+:\d+: /],
      ["an unknown key", good.replace("routes:", "rotues:"), /rotues/],
      ["an unknown rpc", good.replace("Kinds/Echo,", "Kinds/Ecko,"), /kinds\.v1\.Kinds\/Ecko/],
      ["a schema that is not there", good.replace("kinds/v1/kinds.proto", "kinds/v1/none.proto"), /none\.proto/],
      ["an empty file", "", /version|upstreams/],
    ];
    for (const [why, yaml, problem] of bad) {
      const before = gateway.lines.length;
      await gateway.rewrite(yaml);
      assert.equal(await gateway.reload(), false, why);
      const logged = gateway.lines.slice(before);
      assert.ok(
        logged.some((line) => line["level"] === "error" && problem.test(String(line["problem"]))),
        `${why}: ${JSON.stringify(logged)}`,
      );
      assert.equal(logged.at(-1)?.["msg"], "configuration not reloaded; the old one stays in force");
      assert.equal((await ask(gateway, "/v1/act/x")).status, 200);
    }
    const metrics = await metricsOf(gateway);
    assert.match(metrics, new RegExp(`^sluice_config_reloads_total\\{result="failed"\\} ${bad.length}$`, "m"));
    assert.match(metrics, /^sluice_config_last_reload_successful 0$/m);
    await gateway.rewrite(good);
    assert.equal(await gateway.reload(), true);
    assert.match(await metricsOf(gateway), /^sluice_config_last_reload_successful 1$/m);
  });

  it("lets calls of an upstream that is gone finish, and closes its connections at the drain limit", async (t) => {
    const unary = Promise.withResolvers<UnaryReply>();
    const stream = Promise.withResolvers<StreamCall>();
    const old = await startKinds(t, { act: (_, reply) => unary.resolve(reply), watch: stream.resolve });
    const relay = await countingRelay(t, old.port);
    const next = await startKinds(t);
    const server = "{ timeouts: { drain: 600ms } }";
    const gateway = await startTestGateway(t, kindsYaml(relay.address, { server }));
    const oneCall = new RawClient(gateway.port).send(requestBytes("/v1/act/old"));
    const watch = new RawClient(gateway.port).send(requestBytes("/v1/watch/old"));
    const reply = await unary.promise;
    const call = await stream.promise;
    call.write(encode("Result", { name: "first" }));
    await watch.until("first");

    await gateway.rewrite(kindsYaml(next.address, { server }));
    assert.equal(await gateway.reload(), true);
    assert.equal((await ask(gateway, "/v1/act/new")).status, 200);
    assert.equal(relay.open, 1);

    reply(null, encode("Result", { name: "late" }));
    assert.equal((await oneCall.reply()).text(), '{"name":"late"}');
    call.write(encode("Result", { name: "second" }));
    await watch.until("second");
    const closed = relay.closed();
    await closed;
    const lines = (await watch.reply()).text().trimEnd().split("\n");
    assert.equal(lines.length, 3);
    assert.equal((JSON.parse(lines[2] ?? "") as { error: { code: number } }).error.code, 14);
    assert.equal(relay.open, 0);
    assert.equal((await ask(gateway, "/v1/act/new")).status, 200);
    oneCall.close();
    watch.close();
  });

  it("does one reload after another, the last file being in force at the end", async (t) => {
    const upstream = await startKinds(t);
    const gateway = await startTestGateway(t, kindsYaml(upstream.address));
    const reloads: Promise<boolean>[] = [];
    for (let i = 2; i <= 6; i++) {
      await gateway.rewrite(versioned(upstream.address, i));
      reloads.push(gateway.reload());
    }
    assert.ok((await Promise.all(reloads)).every(Boolean));
    assert.equal((await ask(gateway, "/v6/act/x")).status, 200);
  });

  it("says that settings of the server apply at the next start", async (t) => {
    const upstream = await startKinds(t);
    const gateway = await startTestGateway(t, kindsYaml(upstream.address));
    await gateway.rewrite(kindsYaml(upstream.address, { server: "{ limits: { body: 1KiB } }" }));
    assert.equal(await gateway.reload(), true);
    assert.ok(gateway.lines.some((line) => line["level"] === "warn" && line["key"] === "server"));
    assert.equal((await ask(gateway, "/v1/echo", { body: `{"fString":"${"a".repeat(2000)}"}` })).status, 200);
  });
});
