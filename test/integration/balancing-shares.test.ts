import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { BOOK, closeLab, openGateway, openInstance, passTo } from "../support/balancing-lab.ts";
import { defer } from "../support/defer.ts";
import { startMuteServer, startTcpProxy } from "../support/tcp-servers.ts";
import { until } from "../support/until.ts";

describe("the gateway shares among instances", { timeout: 60_000 }, () => {
  afterEach(closeLab);

  it("keeps N connections to host:port#N, and shares in proportion to N", async () => {
    const [one, two] = await Promise.all([openInstance("one"), openInstance("two")]);
    const [first, second] = [await startTcpProxy(one.port), await startTcpProxy(two.port)];
    defer(() => first.close());
    defer(() => second.close());
    const target = passTo(`${first.address}#3`, second);
    const { gateway, client } = await openGateway({ target, policy: "round_robin" });
    await until("4 connections", () => first.sockets.size === 3 && second.sockets.size === 1);
    await gateway.ready(2);
    // A connection is a moment older than its readiness: only now do all of them take part.
    await until("all take part", async () => {
      const { one: ones = 0 } = await client.shares(BOOK, 4);
      return ones === 3;
    });
    assert.deepEqual(await client.shares(BOOK, 100), { one: 75, two: 25 });
    assert.deepEqual([first.sockets.size, second.sockets.size], [3, 1]);
  });

  it("loses neither requests nor time to a server that accepts connections and stays mute", async () => {
    const [one, two, mute] = [await openInstance("one"), await openInstance("two"), await startMuteServer()];
    defer(() => mute.close());
    const { gateway, load } = await openGateway({ target: passTo(mute, one, two), connectTimeout: "200ms" });
    await gateway.ready(2);
    const traffic = load();
    const lost = await gateway.count("connection_lost");
    await until("given up twice", async () => (await gateway.count("connection_lost")) >= lost + 2);
    await traffic.stop();
    assert.deepEqual(traffic.failures, []);
    assert.deepEqual(Object.keys(traffic.counts).sort(), ["one", "two"]);
    assert.ok(traffic.slowestMs < 1000, `${traffic.slowestMs} ms`);
    assert.equal((await gateway.upstream()).readyEndpoints, 2);
  });
});
