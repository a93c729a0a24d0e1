import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import type { Readiness } from "../../src/admin/server.ts";
import { EtcdApi, useEtcd } from "../support/etcd.ts";
import { startGatewayProcess, type GatewayProcess } from "../support/gateway-process.ts";
import { kindsYaml, startKinds, type KindsServer } from "../support/kinds.ts";
import { RawClient, requestBytes, type RawReply } from "../support/raw-http.ts";
import { overTransport } from "../support/transport.ts";
import { until } from "../support/until.ts";

const DRAIN = "{ timeouts: { drain: 3s } }";

interface Workers extends GatewayProcess {
  readonly port: number;
  /** Of each worker that started, in order, those that are gone too. */
  pids(worker?: number): number[];
  logged(msg: string): Record<string, unknown>[];
  rewrite(yaml: string): Promise<void>;
  readiness(): Promise<Readiness>;
  /** A value of /metrics by its name, with labels where it has them. */
  metric(name: string): Promise<number>;
}

async function start(t: TestContext, yaml: string, workers = 2): Promise<Workers> {
  const gateway = await startGatewayProcess(yaml, ["--workers", String(workers)]);
  t.after(() => gateway.stop());
  const logged = (msg: string): Record<string, unknown>[] =>
    gateway.log.filter((line) => line.includes(`"msg":"${msg}"`)).map((line) => JSON.parse(line) as never);
  return {
    ...gateway,
    port: Number(new URL(gateway.url).port),
    logged,
    pids: (worker) =>
      logged("worker started")
        .filter((line) => worker === undefined || line["worker"] === worker)
        .map((line) => Number(line["pid"])),
    async rewrite(text) {
      await writeFile(`${gateway.config}.new`, overTransport(text.replaceAll("$REPO", process.cwd())));
      await rename(`${gateway.config}.new`, gateway.config);
      process.kill(gateway.pid, "SIGHUP");
    },
    readiness: async () => (await (await fetch(`${gateway.admin}/readyz`)).json()) as Readiness,
    async metric(name) {
      const lines = (await (await fetch(`${gateway.admin}/metrics`)).text()).split("\n");
      return Number(lines.find((line) => line.startsWith(`${name} `))?.split(" ")[1] ?? NaN);
    },
  };
}

const ACT =
  'http_request_method="GET",http_route="/v1/act/{name}",http_response_status_code="200",' +
  'rpc_method="kinds.v1.Kinds/Act",rpc_response_status_code="OK"';

/** Requests of `/v1/act/{name}` that went well, by /metrics. */
const counted = (gateway: Workers): Promise<number> =>
  gateway.metric(`http_server_request_duration_seconds_count{${ACT}}`);

async function startBoth(t: TestContext): Promise<{ gateway: Workers; upstream: KindsServer }> {
  const upstream = await startKinds(t);
  return { upstream, gateway: await start(t, kindsYaml(upstream.address, { server: DRAIN })) };
}

/** Which workers answered to these paths, by the access lines; waits for as many as `requests`. */
async function workersOf(gateway: Workers, path: string, requests: number): Promise<readonly number[]> {
  return until(`${requests} lines of ${path}`, () => {
    const lines = gateway.requests.filter((line) => line["path"] === path);
    return lines.length >= requests && lines.map((line) => Number(line["worker"]));
  });
}

/** Asks on as many connections of their own; both workers answer some of them. */
async function askBoth(t: TestContext, gateway: Workers, path: string): Promise<void> {
  for (let i = 0; i < 6; i++) assert.equal((await open(t, gateway).send(get(path)).reply()).status, 200);
  assert.deepEqual(new Set(await workersOf(gateway, path, 6)), new Set([1, 2]));
}

/** Neither running nor about to: a process that nobody waited for is still listed. */
function isGone(pid: number): boolean {
  try {
    return / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
}

function open(t: TestContext, { port }: Workers): RawClient {
  const client = new RawClient(port);
  t.after(() => client.close());
  return client;
}

const get = (path: string) => requestBytes(path);

/** A client that asks one thing after another on one connection. */
class Loop {
  readonly name: string;
  served = 0;
  failed = 0;
  readonly done: Promise<void>;
  private isStopped = false;

  constructor(client: RawClient, name: string, path = `/v1/act/${name}`) {
    this.name = name;
    this.done = this.run(client, path);
  }

  stop(): void {
    this.isStopped = true;
  }

  private async run(client: RawClient, path: string): Promise<void> {
    while (!this.isStopped) {
      const reply = await client
        .send(get(path))
        .reply()
        .catch((): RawReply | null => null);
      if (reply?.status !== 200) return void this.failed++;
      this.served++;
      // A right client makes no further request after this.
      if (reply.headers["connection"] === "close") return;
    }
  }
}

function loop(t: TestContext, gateway: Workers, count: number): Loop[] {
  return Array.from({ length: count }, (_, i) => new Loop(open(t, gateway), `c${i}`));
}

const servedEach = (loops: readonly Loop[], more: number): Promise<true> => {
  const goals = loops.map(({ served }) => served + more);
  return until("every client is served", () => loops.every(({ served }, i) => served >= (goals[i] ?? 0)) || undefined);
};

describe("serve --workers 2", () => {
  it("shares connections on one port, also where the system chose it; metrics are sums", async (t) => {
    const { gateway } = await startBoth(t);
    const clients = Array.from({ length: 8 }, () => open(t, gateway));
    for (const client of clients) assert.equal((await client.send(get("/v1/act/x")).reply()).status, 200);
    const ones = (await workersOf(gateway, "/v1/act/x", 8)).filter((worker) => worker === 1).length;
    assert.ok(ones >= 2 && ones <= 6, `worker 1 has ${ones} of 8`);
    assert.equal(new Set(gateway.pids()).size, 2);
    assert.equal(await counted(gateway), 8);
    assert.equal(await gateway.metric("sluice_workers"), 2);
    assert.equal(await gateway.metric("sluice_worker_restarts_total"), 0);
    // Both know the one instance; two of it would be wrong.
    assert.equal(await gateway.metric('sluice_upstream_endpoints{upstream="kinds"}'), 1);
    assert.equal(await gateway.metric('sluice_upstream_ready_endpoints{upstream="kinds"}'), 1);
    const { ready, draining, workers: count, upstreams } = await gateway.readiness();
    assert.deepEqual([ready, draining, count, upstreams.length], [true, false, { wanted: 2, running: 2 }, 1]);
  });

  it("replaces a worker that is killed under load: only its connections break, and it is logged and counted", async (t) => {
    const { gateway } = await startBoth(t);
    const loops = loop(t, gateway, 10);
    await servedEach(loops, 20);
    const [victim = 0] = gateway.pids(1);
    const ofVictim: boolean[] = [];
    for (const { name } of loops) ofVictim.push((await workersOf(gateway, `/v1/act/${name}`, 1))[0] === 1);
    assert.deepEqual(new Set(ofVictim), new Set([true, false]));
    const before = await counted(gateway);
    assert.ok(before >= 200);
    process.kill(victim, "SIGKILL");
    await until("worker 1 is back", () => gateway.pids(1).length === 2);
    assert.ok((await counted(gateway)) >= before, "what the lost one had counted stays");
    await servedEach(
      loops.filter((_, i) => ofVictim[i] === false),
      20,
    );
    for (const one of loops) one.stop();
    await Promise.all(loops.map(({ done }) => done));
    assert.deepEqual(
      loops.map(({ failed }) => failed === 1),
      ofVictim,
    );
    const [lost] = gateway.logged("worker lost, another takes its place");
    assert.deepEqual([lost?.["level"], lost?.["worker"], lost?.["ended_with"]], ["warn", 1, "SIGKILL"]);
    assert.equal(await gateway.metric("sluice_worker_restarts_total"), 1);
    // The new one takes its part.
    const [, successor] = gateway.pids(1);
    assert.ok(successor !== undefined && successor !== victim);
    await askBoth(t, gateway, "/v1/act/late");
  });

  it("drains on SIGTERM under load without a failed request, and leaves no process", async (t) => {
    const { gateway } = await startBoth(t);
    const loops = loop(t, gateway, 10);
    await servedEach(loops, 10);
    process.kill(gateway.pid, "SIGTERM");
    assert.equal(await gateway.exited, 0);
    await Promise.all(loops.map(({ done }) => done));
    assert.deepEqual(
      loops.map(({ failed }) => failed),
      Array(10).fill(0),
    );
    await until("no worker is left", () => gateway.pids().every(isGone));
    assert.equal(gateway.pids().length, 2);
    assert.equal(gateway.logged("stopped").length, 1);
  });

  it("reloads all workers on SIGHUP under load without a failed request; a file with errors changes nothing", async (t) => {
    const { gateway, upstream } = await startBoth(t);
    const yaml = kindsYaml(upstream.address, { server: DRAIN });
    const loops = loop(t, gateway, 6);
    await servedEach(loops, 10);
    await gateway.rewrite(yaml.replace("routes:", 'routes:\n  - { rpc: kinds.v1.Kinds/Act, get: "/v2/{name}" }'));
    await until("the reload", () => gateway.logged("configuration reloaded").length === 1);
    await askBoth(t, gateway, "/v2/now");
    assert.ok(
      loops.every(({ failed }) => failed === 0),
      "the reload cost no request",
    );

    await gateway.rewrite(`${yaml}  - { rpc: kinds.v1.Kinds/None, get: /v3 }\n`);
    const message = "configuration not reloaded; the old one stays in force";
    await until("the refusal", () => gateway.logged(message).length === 1);
    assert.equal(gateway.logged("problem in configuration").length, 1, "said once, by the primary");
    await servedEach(loops, 5);
    // A worker that starts now gets what is in force, not what the file says.
    process.kill(gateway.pids(2)[0] ?? 0, "SIGKILL");
    await until("worker 2 is back", () => gateway.pids(2).length === 2);
    await askBoth(t, gateway, "/v2/later");
    for (const one of loops) one.stop();
    await Promise.all(loops.map(({ done }) => done));
    assert.equal(await gateway.metric("sluice_config_last_reload_successful"), 0);
    assert.equal(await gateway.metric('sluice_config_reloads_total{result="ok"}'), 1);
    assert.equal(await gateway.metric('sluice_config_reloads_total{result="failed"}'), 1);
  });

  it("takes its workers with it when it is killed; what they have in flight ends first", async (t) => {
    const { gateway, upstream } = await startBoth(t);
    const arrived = Promise.withResolvers<() => void>();
    const { act } = upstream.behaviour;
    upstream.behaviour.act = (call, reply) => arrived.resolve(() => act(call, reply));
    const client = open(t, gateway).send(get("/v1/act/x"));
    const answer = await arrived.promise;
    process.kill(gateway.pid, "SIGKILL");
    assert.equal(await gateway.exited, "SIGKILL");
    answer();
    assert.equal((await client.reply()).status, 200);
    await until("no worker is left", () => gateway.pids().every(isGone), 5000);
  });

  it("ends at once, workers included, at a second SIGTERM a second later", async (t) => {
    const { gateway, upstream } = await startBoth(t);
    const arrived = Promise.withResolvers<void>();
    upstream.behaviour.act = () => arrived.resolve(); // never answers
    const client = open(t, gateway).send(get("/v1/act/x"));
    await arrived.promise;
    process.kill(gateway.pid, "SIGTERM");
    await until("the drain", () => gateway.logged("draining").length === 1);
    const startMs = performance.now();
    await until("a second", () => performance.now() - startMs > 1050);
    process.kill(gateway.pid, "SIGTERM");
    assert.equal(await gateway.exited, 1);
    await until("no worker is left", () => gateway.pids().every(isGone), 1000);
    assert.equal(await client.closed(), "");
  });

  it("divides the queue of calls that wait for an instance among the workers, rounded up", async (t) => {
    const nobody = createServer().listen(0, "127.0.0.1");
    await once(nobody, "listening");
    const { port } = nobody.address() as AddressInfo;
    nobody.close();
    const gateway = await start(
      t,
      kindsYaml(`127.0.0.1:${port}`, { defaults: "{ wait_for_ready: { timeout: 1500ms, queue: 3 } }" }),
    );
    const clients = Array.from({ length: 10 }, () => open(t, gateway).send(get("/v1/act/x")));
    const replies = await Promise.all(clients.map((client) => client.reply()));
    const full = replies.filter((reply) => reply.text().includes("and 2 calls wait already"));
    // Each worker has at least two of the ten, so that both queues are full.
    assert.deepEqual([replies.filter(({ status }) => status === 503).length, full.length], [10, 6]);
  });

  it("says in one line that the port is taken, and ends", async (t) => {
    const blocker = createServer().listen(0, "127.0.0.1");
    await once(blocker, "listening");
    t.after(() => blocker.close());
    const { port } = blocker.address() as AddressInfo;
    const flags = ["serve", "--config", "routes.yaml", "--workers", "2", "--admin-port", "0", "--port", String(port)];
    const child = spawn(process.execPath, ["bin/sluice.js", ...flags], { stdio: ["ignore", "ignore", "pipe"] });
    t.after(() => child.kill("SIGKILL"));
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
    const [code] = (await once(child, "close")) as [number];
    const line = `127.0.0.1:${port} is in use; stop what listens there or choose another with --port\n`;
    assert.deepEqual([code, errors], [1, line]);
  });
});

describe("serve --workers 2 with etcd", () => {
  const etcd = useEtcd();
  const api = new EtcdApi(etcd);

  it("has one watch; all workers know each change, and a new one knows what is known", async (t) => {
    const first = await startKinds(t);
    const second = await startKinds(t);
    await api.put("kinds/a", first.address);
    const yaml = kindsYaml("x:1", { server: DRAIN })
      .replace("pass:///x:1", "etcd:///kinds")
      .replace("defaults: {}", `defaults: { discovery: { etcd: { endpoints: ["${etcd.url}"] } } }`);
    const gateway = await start(t, yaml);
    const ready = 'sluice_upstream_ready_endpoints{upstream="kinds"}'; // of the worker that has least
    await until("both have the first", async () => (await gateway.metric(ready)) === 1);
    await api.put("kinds/b", second.address);
    await until("both have the second", async () => (await gateway.metric(ready)) === 2);
    assert.equal(await api.metric("etcd_debugging_mvcc_watch_stream_total"), 1);
    assert.equal(await api.metric("etcd_debugging_mvcc_watcher_total"), 1);
    process.kill(gateway.pids(1)[0] ?? 0, "SIGKILL");
    await until("worker 1 is back", () => gateway.pids(1).length === 2);
    await until("it has both", async () => (await gateway.metric(ready)) === 2);
    await api.delete("kinds/a");
    await until("both have lost the first", async () => (await gateway.metric(ready)) === 1);
    assert.equal(await api.metric("etcd_debugging_mvcc_watch_stream_total"), 1);
    await etcd.kill();
    await until("the trouble", () => gateway.logged("discovery in trouble, the last list stays in force").length > 0);
    for (let i = 0; i < 4; i++) assert.equal((await open(t, gateway).send(get("/v1/act/x")).reply()).status, 200);
    const lines = gateway.logged("discovery in trouble, the last list stays in force");
    assert.deepEqual([lines.length, lines[0]?.["worker"]], [1, undefined], "said once, by the primary");
  });
});
