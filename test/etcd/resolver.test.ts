import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import { openEtcd } from "../../src/discovery/etcd/client.ts";
import { createEtcdCluster } from "../../src/discovery/etcd/cluster.ts";
import { prefixEnd } from "../../src/discovery/etcd/keys.ts";
import { etcdRpc } from "../../src/discovery/etcd/rpc.ts";
import { gatedProxy } from "../support/gated-proxy.ts";
import { EtcdApi, follow, useEtcd } from "../support/etcd.ts";
import { HandClock } from "../support/hand-clock.ts";
import { until } from "../support/until.ts";

describe("createEtcdResolver()", () => {
  const etcd = useEtcd();
  const api = new EtcdApi(etcd);

  it("tells what is there, then every change", async (t) => {
    await api.put("shop/b", "10.0.0.2:50051");
    await api.put("shop/a", '{"Op":0,"Addr":"10.0.0.1:50051","Metadata":{"weight":3,"zone":"eu-1"}}');
    const told = follow(t, etcd, { service: "shop", connections: 2 });
    await told.until(({ lists }) => lists.length === 1);
    assert.deepEqual(told.lists[0], [
      { address: "10.0.0.1:50051", connections: 2, weight: 3, zone: "eu-1" },
      { address: "10.0.0.2:50051", connections: 2, weight: 1, zone: "" },
    ]);
    await api.put("shop/c", "10.0.0.3:50051");
    await told.untilAddresses("10.0.0.1:50051,10.0.0.2:50051,10.0.0.3:50051");
    await api.delete("shop/a");
    await told.untilAddresses("10.0.0.2:50051,10.0.0.3:50051");
    await api.put("shop/b", "10.0.0.4:50051");
    await told.untilAddresses("10.0.0.3:50051,10.0.0.4:50051");
    assert.deepEqual(told.troubles, []);
  });

  it("tells an empty list where nothing is registered, and no neighbour whose name begins alike", async (t) => {
    await api.put("lone-admin/1", "10.0.0.1:1");
    const told = follow(t, etcd, { service: "lone" });
    await told.until(({ lists }) => lists.length === 1);
    assert.deepEqual(told.lists, [[]]);
  });

  it("watches under a prefix", async (t) => {
    await api.put("/etcd3_naming/cart/10.0.0.1:1", "");
    const told = follow(t, etcd, { service: "cart", prefix: "/etcd3_naming/" });
    await told.untilAddresses("10.0.0.1:1");
  });

  it("reads what a foreign service registers through the npm package etcd3", async (t) => {
    const foreign = new Etcd3({ hosts: etcd.url });
    t.after(() => foreign.close());
    const told = follow(t, etcd, { service: "foreign", prefix: "/etcd3_naming" });
    const lease = foreign.lease(5);
    await lease.put("/etcd3_naming/foreign/10.0.0.1:1").value("10.0.0.1:1");
    await lease.put("/etcd3_naming/foreign/two").value(JSON.stringify({ Op: 0, Addr: "10.0.0.2:1", Metadata: null }));
    await told.untilAddresses("10.0.0.1:1,10.0.0.2:1");
    await lease.revoke();
    await told.untilAddresses("");
  });

  it("leaves out a bad value, reports it once, and uses the rest", async (t) => {
    await api.put("bad/1", "10.0.0.1:1");
    await api.put("bad/2", "no address");
    await api.put("bad/3", Buffer.from([0xff, 0xfe, 0x00]));
    await api.put("bad/4", `{"Addr":"10.0.0.4:1","x":"${"x".repeat(200_000)}"}`);
    await api.put("bad/5", '{"Addr":');
    const told = follow(t, etcd, { service: "bad", relistMs: 50 });
    await told.untilAddresses("10.0.0.1:1");
    await told.until((all) => all.eventsOf("list").length >= 3);
    const keys = told.eventsOf("bad_value").map(({ key }) => key);
    assert.deepEqual(keys, ["bad/2", "bad/3", "bad/4", "bad/5"]);
    await api.put("bad/2", "10.0.0.2:1");
    await told.untilAddresses("10.0.0.1:1,10.0.0.2:1");
  });

  it("counts an address under two keys once; deleting the older key changes nothing", async (t) => {
    await api.put("twice/old", "10.0.0.1:1");
    await api.put("twice/new", "10.0.0.1:1");
    const told = follow(t, etcd, { service: "twice" });
    await told.untilAddresses("10.0.0.1:1");
    await api.delete("twice/old");
    await told.until((all) => all.eventsOf("change").length === 1);
    await api.put("twice/other", "10.0.0.2:1");
    await told.untilAddresses("10.0.0.1:1,10.0.0.2:1");
    assert.equal(told.lists.length, 2);
    await api.delete("twice/new");
    await told.untilAddresses("10.0.0.2:1");
  });

  it("believes the key written last where two keys differ about an address", async (t) => {
    await api.put("drain/old", '{"Addr":"10.0.0.1:1","Metadata":{"weight":5}}');
    await api.put("drain/new", '{"Addr":"10.0.0.1:1","Metadata":{"weight":0}}');
    const told = follow(t, etcd, { service: "drain" });
    await told.until(({ lists }) => lists.at(-1)?.[0]?.weight === 0);
    await api.delete("drain/new");
    await told.until(({ lists }) => lists.at(-1)?.[0]?.weight === 5);
  });

  it("takes 2,000 endpoints, and tells 500 changes in far fewer lists", async (t) => {
    const entries = Array.from({ length: 2000 }, (_, i) => [`many/${i}`, `10.1.${i >> 8}.${i & 255}:1`] as const);
    for (let i = 0; i < entries.length; i += 100) await api.putTogether(entries.slice(i, i + 100));
    const told = follow(t, etcd, { service: "many" });
    await told.until(({ lists }) => lists.at(-1)?.length === 2000);
    assert.equal(told.lists.length, 1, "two pages are one list");
    const deletions = Array.from({ length: 500 }, (_, i) => api.delete(`many/${i}`));
    await Promise.all(deletions);
    await told.until(({ lists }) => lists.at(-1)?.length === 1500);
    assert.ok(told.lists.length < 250, `${told.lists.length} lists`);
  });

  it("uses one watch stream for all upstreams of a cluster, and none when all are closed", async (t) => {
    const streams = "etcd_debugging_mvcc_watch_stream_total";
    const before = await api.metric(streams);
    const cluster = createEtcdCluster({ endpoints: [etcd.url] });
    const services = Array.from({ length: 50 }, (_, i) => `stream-${i}`);
    const closes: (() => void)[] = [];
    const all = services.map((service) => follow({ after: (fn) => closes.push(fn) }, etcd, { service, cluster }));
    t.after(() => cluster.close());
    await Promise.all(services.map((service, i) => api.put(`${service}/1`, `10.0.0.${i}:1`)));
    await Promise.all(all.map((told, i) => told.untilAddresses(`10.0.0.${i}:1`)));
    assert.equal((await api.metric(streams)) - before, 1);
    for (const close of closes) close();
    const deadline = performance.now() + 2000;
    while ((await api.metric(streams)) !== before) assert.ok(performance.now() < deadline, "the stream stays open");
  });

  it("asks etcd for nothing in a quiet minute but a sign of life every 2 s, and the list anew", async (t) => {
    const started = (service: string, method: string, type: string): Promise<number> =>
      api.metric(
        `grpc_server_started_total{grpc_method="${method}",grpc_service="etcdserverpb.${service}",grpc_type="${type}"}`,
      );
    const reads = (): Promise<number> => started("KV", "Range", "unary");
    const clock = new HandClock();
    const cluster = createEtcdCluster({ endpoints: [etcd.url], clock, random: () => 0 });
    t.after(() => cluster.close());
    const services = ["quiet-1", "quiet-2", "quiet-3"];
    const all = services.map((service) => follow(t, etcd, { service, cluster }));
    await Promise.all(all.map((told) => told.untilAddresses("")));
    // The watches were made once a change comes by each of them.
    for (const service of services) await api.put(`${service}/1`, "10.0.0.1:1");
    await Promise.all(all.map((told) => told.until((one) => one.eventsOf("change").length === 1)));
    clock.advance(10);
    const [before, streams] = [await reads(), await started("Watch", "Watch", "bidi_stream")];
    for (let probes = 1; probes <= 29; probes++) {
      clock.advance(2000);
      await until(`${probes} reads`, async () => (await reads()) >= before + probes);
      // etcd counts a call when it begins; here its answer has to be in before time goes on.
      await until("the answer is in", () => clock.pending === 2);
    }
    assert.equal(await reads(), before + 29);
    clock.advance(2000);
    await Promise.all(all.map((told) => told.until((one) => one.eventsOf("list").length === 2)));
    assert.ok((await reads()) <= before + 29 + services.length + 1);
    assert.equal(await started("Watch", "Watch", "bidi_stream"), streams);
  });

  it("goes on with the others when one upstream is closed, and with one that is added later", async (t) => {
    const cluster = createEtcdCluster({ endpoints: [etcd.url] });
    const closes: (() => void)[] = [];
    const gone = follow({ after: (fn) => closes.push(fn) }, etcd, { service: "gone", cluster });
    const kept = follow(t, etcd, { service: "kept", cluster });
    await gone.untilAddresses("");
    await kept.untilAddresses("");
    for (const close of closes) close();
    await api.put("gone/1", "10.0.0.1:1");
    await api.put("kept/1", "10.0.0.1:1");
    await kept.untilAddresses("10.0.0.1:1");
    assert.equal(gone.addresses, "");
    const late = follow(t, etcd, { service: "gone", cluster });
    await late.untilAddresses("10.0.0.1:1");
  });

  it("reads everything anew now and then, without telling what is known", async (t) => {
    await api.put("again/1", "10.0.0.1:1");
    const told = follow(t, etcd, { service: "again", relistMs: 20 });
    await told.until((all) => all.eventsOf("list").length >= 4);
    assert.ok(told.eventsOf("list").every(({ reason, changed }) => (reason === "start") === changed));
    assert.equal(told.lists.length, 1);
    await api.put("again/2", "10.0.0.2:1");
    await told.untilAddresses("10.0.0.1:1,10.0.0.2:1");
    assert.equal(told.lists.length, 2);
  });

  it("lists anew where history was compacted between its list and its watch", async (t) => {
    await api.put("gap/1", "10.9.9.9:1");
    // Everything to etcd is held back as soon as the list passes by: the watch arrives after the compaction.
    const proxy = await gatedProxy(etcd.url, (fromServer) => fromServer.includes("10.9.9.9:1"));
    t.after(() => proxy.close());
    const told = follow(t, proxy, { service: "gap" });
    await told.untilAddresses("10.9.9.9:1");
    await api.put("gap/2", "10.0.0.2:1");
    await api.delete("gap/2");
    await api.put("gap/3", "10.0.0.3:1");
    await api.compact();
    proxy.open();
    await told.untilAddresses("10.0.0.3:1,10.9.9.9:1");
    assert.equal(told.eventsOf("compacted").length, 1);
    assert.deepEqual(
      told.eventsOf("list").map(({ reason }) => reason),
      ["start", "compacted"],
    );
    assert.deepEqual(told.troubles, []);
    await api.put("gap/4", "10.0.0.4:1");
    await told.untilAddresses("10.0.0.3:1,10.0.0.4:1,10.9.9.9:1");
  });
});

describe("createEtcdResolver() with an etcd that splits its responses", () => {
  // etcd splits what is larger than this and 512 KiB (grpcOverheadBytes in etcd's server).
  const etcd = useEtcd({ flags: ["--max-request-bytes=65536"] });
  const api = new EtcdApi(etcd);

  it("takes the parts of a response as one change", async (t) => {
    await api.put("parts/1", "10.9.9.9:1");
    const listed = await api.revision();
    // The watch is held back, so that it has much to catch up with.
    const proxy = await gatedProxy(etcd.url, (fromServer) => fromServer.includes("10.9.9.9:1"));
    t.after(() => proxy.close());
    const told = follow(t, proxy, { service: "parts" });
    await told.untilAddresses("10.9.9.9:1");
    const count = 15;
    for (let i = 0; i < count; i++) {
      await api.put(`parts/many-${i}`, JSON.stringify({ Addr: `10.0.0.${i + 10}:1`, pad: "x".repeat(60_000) }));
    }
    assert.ok((await partsFrom(listed + 1n)) > 1, "etcd did split the response");
    proxy.open();
    await told.until(({ lists }) => lists.at(-1)?.length === count + 1);
    assert.deepEqual(
      told.eventsOf("change").map((event) => event.count),
      [count],
    );
  });

  /** Parts of the first response to a watch of `parts/` from the revision. */
  async function partsFrom(revision: bigint): Promise<number> {
    const client = openEtcd(etcd.url.slice("http://".length));
    const key = Buffer.from("parts/");
    const complete = Promise.withResolvers<number>();
    let parts = 0;
    const stream = client.stream(etcdRpc.watch, {
      onMessage: ({ created, fragment }) => {
        if (created) return;
        parts += 1;
        if (!fragment) complete.resolve(parts);
      },
      onEnd: complete.reject,
    });
    const range = { key, range_end: prefixEnd(key), start_revision: String(revision) };
    stream.send({ create_request: { ...range, watch_id: "1", fragment: true, progress_notify: false } });
    return complete.promise.finally(() => client.close());
  }
});
