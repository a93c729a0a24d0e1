import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { EtcdApi, useEtcd } from "../support/etcd.ts";
import { startGatewayProcess, type GatewayProcess } from "../support/gateway-process.ts";
import { HttpClient, HttpLoad } from "../support/http-load.ts";
import { startInstanceProcess, type InstanceProcess } from "../support/instance-process.ts";
import { until } from "../support/until.ts";

const BOOK = "/v1/shelves/fiction/books/dune";
const IMPATIENT = "/v1/shelves/fiction/books";
const WORKERS = 8;
const QUEUE = 30;

const routes = (etcdUrl: string): string => `
version: 1
server: { timeouts: { drain: 2s } }
defaults:
  wait_for_ready: { timeout: 5s, queue: ${QUEUE} }
  discovery: { etcd: { endpoints: ["${etcdUrl}"] } }
upstreams:
  bookshop:
    target: etcd:///bookshop
    schema: { proto: { files: [bookshop/v1/bookshop.proto], include: [$REPO/protos] } }
    load_balancing: { policy: round_robin }
routes:
  - rpc: bookshop.v1.Bookshop/GetBook
    get: /v1/{name=shelves/*/books/*}
  - rpc: bookshop.v1.Bookshop/ListBooks
    get: /v1/{parent=shelves/*}/books
    wait_for_ready: { timeout: 500ms }
`;

// One story: each test goes on where the one before it ended.
describe("the gateway in front of instances that come and go, found in etcd", { timeout: 120_000 }, () => {
  const etcd = useEtcd();
  const api = new EtcdApi(etcd);
  /** Those that should serve now, by name. */
  const instances = new Map<string, InstanceProcess>();
  let gateway: GatewayProcess;
  let client: HttpClient;
  let running: HttpLoad | undefined;

  before(async () => {
    await Promise.all(["one", "two", "three"].map((name) => start(name)));
    gateway = await startGatewayProcess(routes(etcd.url));
    client = new HttpClient(gateway.url);
    await gateway.ready(3);
  });
  afterEach(async (t) => {
    await running?.stop();
    if (!("passed" in t) || t.passed) return;
    console.error(running?.summary());
    for (const line of gateway.log.slice(-40)) console.error(line);
  });
  after(async () => {
    client?.close();
    await gateway?.stop();
    await Promise.all([...instances.values()].map((instance) => instance.signal("SIGKILL")));
  });

  async function start(name: string, port = 0): Promise<InstanceProcess> {
    const instance = await startInstanceProcess(name, { port, etcdUrl: etcd.url });
    instances.set(name, instance);
    return instance;
  }

  function named(name: string): InstanceProcess {
    const instance = instances.get(name);
    assert.ok(instance, `${name} does not run`);
    return instance;
  }

  async function kill(name: string): Promise<InstanceProcess> {
    const instance = named(name);
    instances.delete(name);
    await instance.signal("SIGKILL");
    return instance;
  }

  function load(): HttpLoad {
    running = new HttpLoad(client, WORKERS, () => ({ path: BOOK }));
    return running;
  }

  async function endWithoutFailure(traffic: HttpLoad): Promise<void> {
    await traffic.stop();
    assert.equal(traffic.failures.length, 0, traffic.summary());
  }

  /** One client that asks one after another gets exactly equal shares. */
  async function assertEven(): Promise<void> {
    const names = [...instances.keys()];
    await gateway.ready(names.length);
    const expected = Object.fromEntries(names.map((name) => [name, 20]));
    assert.deepEqual(await client.shares(BOOK, 20 * names.length), expected);
  }

  it("shares equally among three", async () => {
    await assertEven();
  });

  it("loses no request where one is killed: the other two take over", async () => {
    const traffic = load();
    await traffic.answers("three", 50);
    const { port } = await kill("three");
    await gateway.ready(2);
    await traffic.more(200);
    await endWithoutFailure(traffic);
    assert.equal((await gateway.upstream()).endpoints, 3, "its key is there until the lease ends");
    await assertEven();

    const again = load();
    await start("three", port);
    await again.answers("three", 50);
    await endWithoutFailure(again);
    await assertEven();
  });

  it("finds one that comes back at another address", async () => {
    const traffic = load();
    await traffic.answers("two", 50);
    const { address } = await kill("two");
    const { address: other } = await start("two");
    assert.notEqual(other, address);
    await traffic.answers("two", 50);
    await endWithoutFailure(traffic);
    await assertEven();
  });

  it("loses no request where one ends in good order", async () => {
    const traffic = load();
    await traffic.answers("one", 50);
    const leaving = named("one");
    instances.delete("one");
    await leaving.signal("SIGTERM");
    await gateway.ready(2);
    await traffic.more(100);
    await start("one");
    await traffic.answers("one", 50);
    await endWithoutFailure(traffic);
    await assertEven();
  });

  it("loses no request where all restart in turn", async () => {
    const traffic = load();
    for (const name of [...instances.keys()]) {
      const leaving = named(name);
      await traffic.answers(name, 30);
      await leaving.signal("SIGTERM");
      await start(name, leaving.port);
      await traffic.answers(name, 30);
    }
    await endWithoutFailure(traffic);
    await assertEven();
  });

  it("goes on as before while etcd is killed, and takes in what comes with its return", async () => {
    const traffic = load();
    const known = await facts();
    await etcd.kill();
    await inTrouble(known);
    await traffic.more(300);
    await assertUnchanged(known);

    // It serves at once, and registers when etcd is back.
    const { port } = await kill("one");
    await gateway.ready(instances.size);
    const starting = start("one", port);
    await traffic.answers("one", 50);
    await etcd.start();
    await starting;
    await start("four");
    await traffic.answers("four", 50);
    await endWithoutFailure(traffic);
    await assertEven();
  });

  it("goes on as before while etcd hangs, and takes in what comes with its return", async () => {
    const traffic = load();
    const known = await facts();
    etcd.pause();
    await inTrouble(known);
    await traffic.more(300);
    await assertUnchanged(known);
    etcd.resume();
    await start("five");
    await traffic.answers("five", 50);
    await endWithoutFailure(traffic);
    assert.deepEqual(linesOf("connection lost"), known.lost);
    await assertEven();
  });

  it("keeps its instances where etcd loses all data, until they have registered again", async () => {
    const traffic = load();
    const known = await facts();
    const held = await gateway.count("removal_held");
    await etcd.kill();
    await etcd.wipe();
    await etcd.start();
    await registeredAgain();
    await until("it watches again", async () => (await gateway.count("discovery_recovered")) > known.recoveries);
    await traffic.more(100);

    await api.deletePrefix("bookshop/");
    await until("it holds", async () => (await gateway.count("removal_held")) > held);
    await registeredAgain();
    await traffic.more(100);
    await endWithoutFailure(traffic);
    assert.deepEqual(linesOf("endpoint removed"), known.removed);
    assert.deepEqual(linesOf("connection lost"), known.lost);
    await assertEven();
  });

  it("makes requests wait while all are down, and they succeed where one is back in time", async () => {
    const ports = await killAll();
    const waiting = Array.from({ length: 20 }, () => client.get(BOOK));
    await until("20 wait", async () => (await gateway.gauge("sluice_upstream_waiting_calls")) === 20);
    await start("back", ports[0]);
    const answers = await Promise.all(waiting);
    assert.deepEqual(
      answers.map(({ status, instance }) => [status, instance]),
      answers.map(() => [200, "back"]),
    );
  });

  it("answers 503 with Retry-After where none comes back, after the limit; at once where too many wait", async () => {
    await killAll();
    const waiting = Array.from({ length: QUEUE }, () => client.get(IMPATIENT));
    await until("all wait", async () => (await gateway.gauge("sluice_upstream_waiting_calls")) === QUEUE);
    const refused = await client.get(IMPATIENT);
    assert.deepEqual([refused.status, refused.retryAfter], [503, "1"]);
    assert.match(refused.body, /"code":14/);
    assert.ok(refused.tookMs < 250, `refused after ${refused.tookMs} ms`);
    for (const { status, retryAfter, body, tookMs } of await Promise.all(waiting)) {
      assert.deepEqual([status, retryAfter], [503, "1"]);
      assert.match(body, /"code":14/);
      assert.ok(tookMs >= 490 && tookMs < 2000, `waited ${tookMs} ms`);
    }
  });

  it("ends in good order", async () => {
    assert.equal(await gateway.stop(), 0);
  });

  async function killAll(): Promise<number[]> {
    const killed = await Promise.all([...instances.keys()].map((name) => kill(name)));
    await gateway.ready(0);
    return killed.map(({ port }) => port);
  }

  async function facts() {
    const [lists, troubles, recoveries] = await Promise.all(
      (["list_updated", "discovery_trouble", "discovery_recovered"] as const).map((event) => gateway.count(event)),
    );
    const { endpoints, readyEndpoints } = await gateway.upstream();
    return {
      lists,
      troubles: troubles ?? 0,
      recoveries: recoveries ?? 0,
      endpoints,
      readyEndpoints,
      removed: linesOf("endpoint removed"),
      lost: linesOf("connection lost"),
    };
  }

  /** What the gateway has logged in these words of instances that serve now. */
  function linesOf(message: string): string[] {
    const addresses = [...instances.values()].map(({ address }) => `"${address}"`);
    const lines = gateway.log.filter((line) => line.includes(`"msg":"${message}"`));
    return lines.filter((line) => addresses.some((address) => line.includes(address)));
  }

  async function registeredAgain(): Promise<void> {
    for (const { address } of instances.values()) {
      await until(`${address} is registered again`, () => api.get(`bookshop/${address}`));
    }
  }

  async function inTrouble({ troubles }: Awaited<ReturnType<typeof facts>>): Promise<void> {
    await until("the gateway misses etcd", async () => (await gateway.count("discovery_trouble")) > troubles);
  }

  /** While etcd is away: nothing was added or removed, and no connection dropped. */
  async function assertUnchanged(known: Awaited<ReturnType<typeof facts>>): Promise<void> {
    assert.deepEqual(await facts(), { ...known, troubles: known.troubles + 1 });
  }
});
