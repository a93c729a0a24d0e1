import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { RegistrationEvent } from "../../src/discovery/events.ts";
import { register, type RegisterOptions, type Registration } from "../../src/discovery/register.ts";
import { EtcdApi, follow, useEtcd } from "../support/etcd.ts";

function keyOf(registration: Registration): string {
  const [key, ...others] = registration.keys;
  assert.ok(key !== undefined && others.length === 0, `one key, not: ${registration.keys.join()}`);
  return key;
}

describe("register()", () => {
  const etcd = useEtcd();
  const api = new EtcdApi(etcd);

  function start(t: TestContext, options: Partial<RegisterOptions> & Pick<RegisterOptions, "service">) {
    const events: RegistrationEvent[] = [];
    const registration = register({
      endpoints: [etcd.url],
      address: "10.0.0.1:50051",
      ttlSeconds: 1,
      ...options,
      onEvent: (event) => events.push(event),
    });
    t.after(() => registration.close());
    const typesOf = () => events.map(({ type }) => type);
    return { registration, typesOf };
  }

  it("writes what etcd's Go client writes, with a lease, and takes it away", async (t) => {
    const { registration, typesOf } = start(t, { service: "json", metadata: { zone: "eu-1" } });
    await registration.ready;
    const key = keyOf(registration);
    assert.equal(key, "json/10.0.0.1:50051");
    const kv = await api.get(key);
    assert.equal(kv?.value, '{"Op":0,"Addr":"10.0.0.1:50051","Metadata":{"zone":"eu-1"}}');
    assert.notEqual(kv?.lease, "0");
    await registration.close();
    assert.equal(await api.get(key), undefined);
    assert.deepEqual(registration.keys, []);
    assert.deepEqual(typesOf(), ["registered", "deregistered"]);
  });

  it("writes host:port under a prefix", async (t) => {
    const { registration } = start(t, { service: "plain", prefix: "/etcd3_naming/", format: "plain" });
    await registration.ready;
    assert.equal(keyOf(registration), "/etcd3_naming/plain/10.0.0.1:50051");
    assert.equal((await api.get(keyOf(registration)))?.value, "10.0.0.1:50051");
  });

  it("keeps several services under one lease, whose id may be in their keys", async (t) => {
    const { registration } = start(t, { service: ["a.rpc", "b.rpc"], format: "go-zero" });
    await registration.ready;
    const [lease] = registration.keys.map((key) => key.split("/")[1]);
    assert.deepEqual(registration.keys, [`a.rpc/${lease}`, `b.rpc/${lease}`]);
    for (const key of registration.keys) assert.deepEqual(await api.get(key), { value: "10.0.0.1:50051", lease });
    await api.revoke(lease ?? "");
    const told = follow(t, etcd, { service: "b.rpc" });
    await told.untilAddresses("10.0.0.1:50051");
    assert.notEqual(registration.keys[1], `b.rpc/${lease}`);
  });

  it("takes the key away and puts it again as the service says whether it serves", async (t) => {
    const { registration, typesOf } = start(t, { service: "serving" });
    const told = follow(t, etcd, { service: "serving" });
    await told.untilAddresses("10.0.0.1:50051");
    for (let round = 0; round < 3; round++) {
      registration.setServing(false);
      await told.untilAddresses("");
      registration.setServing(true);
      await told.untilAddresses("10.0.0.1:50051");
    }
    // The last word counts, however fast they come.
    for (let word = 0; word < 7; word++) registration.setServing(word % 2 === 1);
    await told.untilAddresses("");
    await registration.close();
    assert.deepEqual(typesOf().slice(0, 3), ["registered", "deregistered", "registered"]);
  });

  it("takes the key away once etcd is back, where it stopped serving meanwhile", async (t) => {
    const { registration } = start(t, { service: "meanwhile", ttlSeconds: 30 });
    await registration.ready;
    const told = follow(t, etcd, { service: "meanwhile" });
    await told.untilAddresses("10.0.0.1:50051");
    await etcd.kill();
    registration.setServing(false);
    await etcd.start();
    await told.untilAddresses("");
  });

  it("keeps the key beyond the lease's life", async (t) => {
    const { registration, typesOf } = start(t, { service: "alive" });
    const told = follow(t, etcd, { service: "alive" });
    await registration.ready;
    await told.untilAddresses("10.0.0.1:50051");
    const { lease } = (await api.get(keyOf(registration))) ?? {};
    // A lease of the same life that nobody prolongs: when its key goes, ours would have gone, too.
    await api.put("alive/10.0.0.9:1", "", await api.grant(2));
    await told.untilAddresses("10.0.0.1:50051,10.0.0.9:1");
    await told.untilAddresses("10.0.0.1:50051");
    assert.equal((await api.get(keyOf(registration)))?.lease, lease);
    assert.deepEqual(typesOf(), ["registered"]);
  });

  it("puts the key again under a new lease when the lease is lost", async (t) => {
    const { registration, typesOf } = start(t, { service: "revoked" });
    await registration.ready;
    const told = follow(t, etcd, { service: "revoked" });
    await told.untilAddresses("10.0.0.1:50051");
    await api.revoke((await api.get(keyOf(registration)))?.lease ?? "");
    await told.untilAddresses("");
    await told.untilAddresses("10.0.0.1:50051");
    assert.deepEqual(typesOf(), ["registered", "lease_lost", "registered"]);
  });

  it("puts the key again when somebody deleted it", async (t) => {
    const { registration, typesOf } = start(t, { service: "deleted" });
    await registration.ready;
    const told = follow(t, etcd, { service: "deleted" });
    await told.untilAddresses("10.0.0.1:50051");
    await api.delete(keyOf(registration));
    await told.untilAddresses("");
    await told.untilAddresses("10.0.0.1:50051");
    assert.deepEqual(typesOf(), ["registered", "key_lost", "registered"]);
  });

  it("is registered within 2 s of the return of an etcd that lost its data", async (t) => {
    const { registration } = start(t, { service: "wiped", ttlSeconds: 30 });
    await registration.ready;
    await etcd.kill();
    await etcd.wipe();
    await etcd.start();
    const backMs = performance.now();
    const told = follow(t, etcd, { service: "wiped" });
    await told.untilAddresses("10.0.0.1:50051");
    assert.ok(performance.now() - backMs < 2000, `registered after ${performance.now() - backMs} ms`);
  });

  it("survives a restart of etcd under its lease", async (t) => {
    const { registration, typesOf } = start(t, { service: "restarted", ttlSeconds: 30 });
    await registration.ready;
    const before = await api.get(keyOf(registration));
    await etcd.kill();
    await etcd.start();
    const deadline = performance.now() + 3000;
    while (!typesOf().includes("recovered")) {
      assert.ok(performance.now() < deadline, typesOf().join());
      await api.revision();
    }
    assert.deepEqual(await api.get(keyOf(registration)), before);
    assert.deepEqual(typesOf(), ["registered", "trouble", "recovered"]);
  });

  it("registers once etcd is there, where it was missing at the start", async (t) => {
    await etcd.stop();
    const { registration, typesOf } = start(t, { service: "early" });
    await etcd.start();
    await registration.ready;
    assert.ok(await api.get(keyOf(registration)));
    assert.deepEqual(typesOf(), ["trouble", "registered", "recovered"]);
  });

  it("takes over the key of a process that was killed, and leaves it to the next", async (t) => {
    const key = "handover/10.0.0.1:50051";
    const older = start(t, { service: "handover" });
    await older.registration.ready;
    const newer = start(t, { service: "handover" });
    await newer.registration.ready;
    const { lease } = (await api.get(key)) ?? {};
    await older.registration.close();
    assert.equal((await api.get(key))?.lease, lease, "closing the older one deletes nothing of the newer");
    assert.deepEqual(newer.typesOf(), ["registered"]);
  });

  it("closes within 2 s while etcd hangs, and leaves the key to its lease", async (t) => {
    const { registration, typesOf } = start(t, { service: "hung", ttlSeconds: 2 });
    await registration.ready;
    etcd.pause();
    t.after(() => etcd.resume());
    const fromMs = performance.now();
    await registration.close();
    assert.ok(performance.now() - fromMs < 2500, `closed after ${performance.now() - fromMs} ms`);
    etcd.resume();
    assert.equal(typesOf().at(-1), "deregistered");
    const told = follow(t, etcd, { service: "hung" });
    await told.untilAddresses("");
  });

  it("rejects `ready` when it is closed before etcd was there", async (t) => {
    const { registration } = start(t, { service: "never", endpoints: ["127.0.0.1:1"] });
    await registration.close();
    await assert.rejects(registration.ready, {
      code: "ETCD_UNAVAILABLE",
      message: "etcd at 127.0.0.1:1: closed before the key was put",
    });
  });

  it("refuses what it cannot register", () => {
    const good = { endpoints: ["127.0.0.1:2379"], service: "shop", address: "10.0.0.1:1" };
    assert.throws(() => register({ ...good, address: "10.0.0.1" }), /"10.0.0.1" is no address: the port is missing/);
    assert.throws(() => register({ ...good, endpoints: [] }), /etcd: there is no endpoint/);
    assert.throws(
      () => register({ ...good, endpoints: ["ftp://e:2379"] }),
      /the scheme is ftp; expected http or https/,
    );
    assert.throws(() => register({ ...good, service: "my shop" }), /the service is "my shop"; expected a name such as/);
    assert.throws(() => register({ ...good, service: [] }), /there is no service to register/);
    assert.throws(() => register({ ...good, ttlSeconds: 0 }), /ttlSeconds is 0; expected a whole number from 1 up/);
  });
});
