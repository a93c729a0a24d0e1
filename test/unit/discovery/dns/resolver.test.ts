import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { createDnsResolver } from "../../../../src/discovery/dns/resolver.ts";
import { parseTarget } from "../../../../src/discovery/target.ts";
import type { Resolver } from "../../../../src/upstream/resolver.ts";
import { startDnsServer } from "../../../support/dns-server.ts";
import { Told } from "../../../support/etcd.ts";
import { HandClock } from "../../../support/hand-clock.ts";

/** A resolver of a target whose time goes by hand; its questions take real time. */
function follow(t: TestContext, text: string): { told: Told; clock: HandClock; resolver: Resolver } {
  const target = parseTarget(text);
  assert.ok(target.kind === "dns");
  const told = new Told();
  const clock = new HandClock();
  const resolver = createDnsResolver({
    target,
    minTtlMs: 5000,
    maxTtlMs: 30_000,
    clock,
    random: () => 0,
    onEvent: (event) => told.onEvent(event),
  });
  t.after(() => resolver.close());
  resolver.start(told);
  return { told, clock, resolver };
}

describe("createDnsResolver()", () => {
  it("tells addresses of both families, and asks anew when their TTL is over, within bounds", async (t) => {
    const server = await startDnsServer(t);
    server.zones.set("library.test", { addresses: ["10.0.0.2", "10.0.0.1", "2001:db8:0:0:0:0:0:1"], ttl: 10 });
    const { told, clock } = follow(t, `dns://${server.address}/library.test:50051#2`);
    await told.untilAddresses("10.0.0.1:50051,10.0.0.2:50051,[2001:db8::1]:50051");
    assert.deepEqual(told.lists[0]?.[0], { address: "10.0.0.1:50051", connections: 2, weight: 1, zone: "" });
    assert.deepEqual(server.asked.toSorted(), ["A library.test", "AAAA library.test"]);

    clock.advance(9_999);
    assert.equal(server.asked.length, 2);
    server.zones.set("library.test", { addresses: ["10.0.0.3"], ttl: 1 });
    clock.advance(1);
    await told.untilAddresses("10.0.0.3:50051");

    server.zones.set("library.test", { addresses: ["10.0.0.4"], ttl: 3600 });
    clock.advance(4_999);
    assert.equal(server.asked.length, 4, "a TTL of 1 s counts as 5");
    clock.advance(1);
    await told.untilAddresses("10.0.0.4:50051");
    server.zones.set("library.test", { addresses: ["10.0.0.5"] });
    clock.advance(30_000);
    await told.untilAddresses("10.0.0.5:50051"); // a TTL of an hour counts as 30 s
    assert.deepEqual(told.troubles, []);
  });

  it("keeps the last list whatever fails, says so once, and tries again", async (t) => {
    const server = await startDnsServer(t);
    server.zones.set("library.test", { addresses: ["10.0.0.1"], ttl: 5 });
    const { told, clock } = follow(t, `dns://${server.address}/library.test:1`);
    await told.untilAddresses("10.0.0.1:1");
    for (const [fail, reason] of [
      [() => server.zones.delete("library.test"), /^DNS: library.test: there is no such name$/],
      [() => server.zones.set("library.test", {}), /it has no records of this type$/],
      [() => (server.mode = "failing"), /the server failed \(SERVFAIL\)$/],
      [() => (server.mode = "mute"), /no answer in time$/],
    ] as const) {
      const { troubles, recoveries } = told;
      const before = troubles.length;
      fail();
      clock.advance(30_000);
      await told.until((all) => all.troubles.length === before + 1);
      assert.match(troubles.at(-1) ?? "", reason);
      const asked = server.asked.length;
      clock.advance(999);
      assert.equal(server.asked.length, asked);
      server.mode = "well";
      server.zones.set("library.test", { addresses: ["10.0.0.1"], ttl: 5 });
      clock.advance(1);
      await told.until((all) => all.recoveries === recoveries + 1);
    }
    assert.equal(told.lists.length, 1);
  });

  it("asks sooner where an instance cannot be reached, but no more often than the least TTL", async (t) => {
    const server = await startDnsServer(t);
    server.zones.set("library.test", { addresses: ["10.0.0.1"], ttl: 30 });
    const { told, clock, resolver } = follow(t, `dns://${server.address}/library.test:1`);
    await told.untilAddresses("10.0.0.1:1");
    server.zones.set("library.test", { addresses: ["10.0.0.2"], ttl: 30 });
    clock.advance(1000);
    for (let i = 0; i < 10; i++) resolver.refresh?.();
    clock.advance(3999);
    assert.equal(server.asked.length, 2);
    clock.advance(1);
    await told.untilAddresses("10.0.0.2:1");
    assert.equal(server.asked.length, 4);
    clock.advance(10_000);
    server.zones.set("library.test", { addresses: ["10.0.0.3"], ttl: 30 });
    resolver.refresh?.();
    clock.advance(0);
    await told.untilAddresses("10.0.0.3:1");
  });

  it("takes the SRV records of the lowest priority, by their weights", async (t) => {
    const server = await startDnsServer(t);
    const name = "_grpc._tcp.library.test";
    server.zones.set(name, {
      srv: [
        { priority: 10, weight: 60, port: 1001, name: "a.test" },
        { priority: 10, weight: 0, port: 1002, name: "b.test" },
        { priority: 10, weight: 5, port: 1003, name: "gone.test" },
        { priority: 20, weight: 9, port: 1004, name: "spare.test" },
      ],
    });
    server.zones.set("a.test", { addresses: ["10.0.0.1", "10.0.0.2"] });
    server.zones.set("b.test", { addresses: ["10.0.0.3"] });
    const { told, clock } = follow(t, `dns://${server.address}/${name}`);
    await told.until(({ lists }) => lists.length === 1);
    assert.deepEqual(
      told.lists[0]?.map(({ address, weight }) => `${address}*${weight}`),
      ["10.0.0.1:1001*30", "10.0.0.2:1001*30", "10.0.0.3:1002*1"],
    );
    server.zones.set(name, { srv: [{ priority: 0, weight: 0, port: 0, name: "." }] });
    clock.advance(30_000);
    await told.until(({ troubles }) => troubles.length === 1);
    assert.equal(told.troubles[0], `DNS: ${name}: there is no such service`);
  });

  it("asks the next server where the first is silent", async (t) => {
    const [mute, server] = [await startDnsServer(t), await startDnsServer(t)];
    mute.mode = "mute";
    server.zones.set("library.test", { addresses: ["10.0.0.1"] });
    const { told } = follow(t, `dns://${mute.address},${server.address}/library.test:1`);
    await told.untilAddresses("10.0.0.1:1");
  });

  it("knows the names of /etc/hosts", async (t) => {
    const { told } = follow(t, "dns:///localhost:50051");
    await told.until(({ lists }) => lists.length === 1);
    assert.match(told.addresses ?? "", /127\.0\.0\.1:50051|\[::1\]:50051/);
  });
});
