import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { startDnsServer } from "../support/dns-server.ts";
import { EtcdApi, useEtcd } from "../support/etcd.ts";
import { startGatewayProcess, type GatewayProcess } from "../support/gateway-process.ts";
import { kindsYaml, startKinds } from "../support/kinds.ts";
import { until } from "../support/until.ts";

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "sluice-discovery-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

const ask = async (gateway: GatewayProcess): Promise<number> => (await fetch(`${gateway.url}/v1/act/x`)).status;

for (const workers of [1, 2]) {
  const flags = ["--workers", String(workers)];

  describe(`serve --workers ${workers}`, () => {
    const etcd = useEtcd();
    const api = new EtcdApi(etcd);

    it("starts while etcd is away with the endpoints of its last run, and takes over etcd's when it is back", async (t) => {
      const upstream = await startKinds(t);
      const file = path.join(await folderOf(t), "endpoints.json");
      const secret = "no file holds this";
      const yaml = kindsYaml("x:1", {
        defaults: `{ discovery: { cache: ${file}, etcd: { endpoints: ["${etcd.url}"], auth: { user: u, password: ${secret} } } } }`,
      }).replace("pass:///x:1", "etcd:///kinds");
      await api.put("kinds/a", upstream.address);
      const first = await startGatewayProcess(yaml, flags);
      t.after(() => first.stop());
      await first.ready(1);
      assert.equal(await first.stop(), 0);
      assert.match(await readFile(file, "utf8"), new RegExp(`"${upstream.address}"`));
      assert.doesNotMatch(await readFile(file, "utf8"), new RegExp(secret));

      await etcd.stop();
      const second = await startGatewayProcess(yaml, flags);
      t.after(() => second.stop());
      await second.ready(1);
      assert.equal(await ask(second), 200);
      const logged = (text: string): number => second.log.filter((line) => line.includes(text)).length;
      assert.equal(logged("endpoints of the cache file are used"), 1);
      assert.equal(logged(secret), 0);

      const other = await startKinds(t);
      await etcd.start();
      await api.put("kinds/b", other.address);
      await second.ready(2);
    });

    it("finds instances by the DNS, and again as soon as one cannot be reached", async (t) => {
      const [upstream, server] = [await startKinds(t), await startDnsServer(t)];
      const port = upstream.address.split(":").at(-1);
      // Nobody listens on the port of this address.
      server.zones.set("kinds.test", { addresses: ["127.0.0.2"], ttl: 3600 });
      const yaml = kindsYaml("x:1", { defaults: "{ discovery: { dns: { min_ttl: 100ms, max_ttl: 1h } } }" });
      const gateway = await startGatewayProcess(
        yaml.replace("pass:///x:1", `dns://${server.address}/kinds.test:${port}`),
        flags,
      );
      t.after(() => gateway.stop());
      await until("it is asked", () => server.asked.length >= 2);
      server.zones.set("kinds.test", { addresses: ["127.0.0.1"], ttl: 3600 });
      await gateway.ready(1);
      assert.equal(await ask(gateway), 200);
    });

    it("finds instances by a module, loads it anew when it changed, and outlives what it throws", async (t) => {
      const upstream = await startKinds(t);
      const file = path.join(await folderOf(t), "discovery.mjs");
      const write = (list: string, then: string): Promise<void> =>
        writeFile(file, `export default () => ({ start(l) { l.onEndpoints(${list}); ${then} } });`);
      await write("[]", "");
      const yaml = kindsYaml("x:1", {}).replace(/target: .*/, `discovery: { module: ${file} }`);
      const gateway = await startGatewayProcess(yaml, flags);
      t.after(() => gateway.stop());
      await write(`["${upstream.address}"]`, 'setTimeout(() => { throw new Error("mine"); }, 1);');
      process.kill(gateway.pid, "SIGHUP");
      await gateway.ready(1);
      await until("its error is logged", () =>
        gateway.log.some((line) => line.includes("Error: mine (line 1)") && line.includes("discovery in trouble")),
      );
      assert.equal(await ask(gateway), 200);
    });
  });
}
