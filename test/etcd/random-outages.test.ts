import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createEtcdCluster } from "../../src/discovery/etcd/cluster.ts";
import { register } from "../../src/discovery/register.ts";
import { EtcdApi, follow, useEtcd } from "../support/etcd.ts";
import { freshSeed, seededRandom } from "../support/seeded-random.ts";

const ROUNDS = 10;
const SERVICES = 8;
const OWN_ADDRESS = "10.9.9.9:1";

describe("etcd breaks in random ways", () => {
  const etcd = useEtcd();
  const api = new EtcdApi(etcd);
  /** What should be registered, by service. */
  const expected = Array.from({ length: SERVICES }, () => new Set<string>());

  const breaks = {
    kill: async () => {
      await etcd.kill();
      await etcd.start();
    },
    stop: async () => {
      await etcd.stop();
      await etcd.start();
    },
    wipe: async () => {
      await etcd.stop();
      await etcd.wipe();
      await etcd.start();
      for (const addresses of expected) addresses.clear();
    },
    pause: async () => {
      etcd.pause();
      const put = api.put("elsewhere/1", "10.0.0.1:1"); // something to do while it sleeps
      etcd.resume();
      await put;
    },
    compact: () => api.compact(),
  };

  const seed = freshSeed();
  it(`is current within 2 s after each, with one stream and no trouble left (SEED=${seed})`, async (t) => {
    const random = seededRandom(seed);
    const pick = (count: number) => Math.floor(random() * count);
    const cluster = createEtcdCluster({ endpoints: [etcd.url], random });
    const services = expected.map((_, i) => follow(t, etcd, { service: `s${i}`, cluster }));
    const own = register({ endpoints: [etcd.url], service: "s0", address: OWN_ADDRESS, random });
    t.after(() => own.close());
    await own.ready;

    const history: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const [name, run] = Object.entries(breaks)[pick(Object.keys(breaks).length)] ?? ["compact", breaks.compact];
      history.push(name);
      await run();
      const backMs = performance.now();
      for (let change = 0; change < 6; change++) {
        const service = pick(SERVICES);
        const address = `10.0.0.${pick(5)}:1`;
        const key = `s${service}/${address}`;
        if (random() < 0.6) await api.put(key, address).then(() => expected[service]?.add(address));
        else await api.delete(key).then(() => expected[service]?.delete(address));
      }
      await Promise.all(
        services.map((told, i) => {
          const addresses = [...(expected[i] ?? []), ...(i === 0 ? [OWN_ADDRESS] : [])].sort();
          return told.untilAddresses(addresses.join(","));
        }),
      );
      const took = performance.now() - backMs;
      assert.ok(took < 2000, `current after ${took} ms; ${history.join()}`);
    }
    await Promise.all(services.map((told) => told.until(({ troubles, recoveries }) => troubles.length === recoveries)));
    assert.equal(await api.metric("etcd_debugging_mvcc_watch_stream_total"), 1);
  });
});
