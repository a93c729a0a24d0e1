import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createEtcdCluster } from "../../src/discovery/etcd/cluster.ts";
import { EtcdApi, follow, useEtcd } from "../support/etcd.ts";

describe("etcd goes away and comes back", () => {
  const etcd = useEtcd();
  const api = new EtcdApi(etcd);

  it("keeps the list while etcd is killed, and is current within 2 s of its return", async (t) => {
    await api.put("killed/1", "10.0.0.1:1");
    await api.put("killed/2", "10.0.0.2:1");
    const told = follow(t, etcd, { service: "killed" });
    await told.untilAddresses("10.0.0.1:1,10.0.0.2:1");

    await etcd.kill();
    await told.until(({ troubles }) => troubles.length === 1);
    assert.equal(told.lists.length, 1, "an outage alone changes no list");

    await etcd.start();
    const backMs = performance.now();
    await told.until(({ recoveries }) => recoveries === 1);
    assert.ok(performance.now() - backMs < 2000, `recovered after ${performance.now() - backMs} ms`);
    assert.equal(told.lists.length, 1, "an unchanged list is not told again");

    await api.put("killed/3", "10.0.0.3:1");
    await told.untilAddresses("10.0.0.1:1,10.0.0.2:1,10.0.0.3:1");
    assert.equal(told.troubles.length, 1, "trouble is told once per outage");
  });

  it("sees what changed while the gateway was cut off, after a compaction too", async (t) => {
    await api.put("compacted/1", "10.0.0.1:1");
    await api.put("compacted/2", "10.0.0.2:1");
    const told = follow(t, etcd, { service: "compacted" });
    await told.untilAddresses("10.0.0.1:1,10.0.0.2:1");

    await etcd.kill();
    await told.until(({ troubles }) => troubles.length === 1);
    await etcd.start();
    const backMs = performance.now();
    await api.delete("compacted/1");
    await api.put("compacted/3", "10.0.0.3:1");
    await api.compact();
    await told.untilAddresses("10.0.0.2:1,10.0.0.3:1");
    assert.ok(performance.now() - backMs < 2000, `current after ${performance.now() - backMs} ms`);

    await api.put("compacted/4", "10.0.0.4:1");
    await told.untilAddresses("10.0.0.2:1,10.0.0.3:1,10.0.0.4:1");
  });

  it("finds a hung etcd within 5 s, and is current within 2 s of its waking", async (t) => {
    await api.put("hung/1", "10.0.0.1:1");
    const told = follow(t, etcd, { service: "hung" });
    await told.untilAddresses("10.0.0.1:1");

    etcd.pause();
    t.after(() => etcd.resume());
    const pausedMs = performance.now();
    await told.until(({ troubles }) => troubles.length === 1, 6000);
    assert.ok(performance.now() - pausedMs < 5000, `found after ${performance.now() - pausedMs} ms`);

    etcd.resume();
    const backMs = performance.now();
    await api.put("hung/2", "10.0.0.2:1");
    await told.untilAddresses("10.0.0.1:1,10.0.0.2:1");
    await told.until(({ recoveries }) => recoveries === 1);
    assert.ok(performance.now() - backMs < 2000, `current after ${performance.now() - backMs} ms`);
    assert.equal(told.lists.length, 2);
  });

  it("believes an etcd that came back without its data, whose revision went back", async (t) => {
    for (const n of [1, 2, 3]) await api.put(`wiped/${n}`, `10.0.0.${n}:1`);
    const told = follow(t, etcd, { service: "wiped" });
    await told.untilAddresses("10.0.0.1:1,10.0.0.2:1,10.0.0.3:1");
    const before = await api.revision();

    await etcd.stop();
    await etcd.wipe();
    await etcd.start();
    await api.put("wiped/9", "10.0.0.9:1");
    assert.ok((await api.revision()) < before);
    await told.untilAddresses("10.0.0.9:1");

    await api.put("wiped/2", "10.0.0.2:1");
    await told.untilAddresses("10.0.0.2:1,10.0.0.9:1");
  });

  it("starts while etcd is missing: says so once, keeps trying, and is there within 2 s", async (t) => {
    await api.put("missing/1", "10.0.0.1:1");
    await etcd.stop();
    const told = follow(t, etcd, { service: "missing" });
    await told.until(({ troubles }) => troubles.length === 1);
    assert.equal(told.addresses, undefined);

    await etcd.start();
    const backMs = performance.now();
    await told.untilAddresses("10.0.0.1:1");
    await told.until(({ recoveries }) => recoveries === 1);
    assert.ok(performance.now() - backMs < 2000, `there after ${performance.now() - backMs} ms`);
    assert.equal(told.troubles.length, 1);
  });

  it("goes to the next member at once when the first does not answer", async (t) => {
    await api.put("members/1", "10.0.0.1:1");
    // Port 1 refuses; random 0 begins with it.
    const cluster = createEtcdCluster({ endpoints: ["127.0.0.1:1", etcd.url], random: () => 0 });
    const told = follow(t, etcd, { service: "members", cluster });
    await told.untilAddresses("10.0.0.1:1", 1000);
  });
});
