import assert from "node:assert/strict";
import { once } from "node:events";
import net, { type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, it } from "node:test";
import { Code } from "../../src/core/code.ts";
import { connections } from "../support/connections.ts";
import { startGrpcServer } from "../support/grpc-server.ts";
import { ask, call, openUpstream, shares, startInstance } from "../support/upstream-lab.ts";
import { cleanUp, defer } from "../support/defer.ts";

afterEach(cleanUp);

for (const [name, connect] of connections)
  describe(`an upstream over real sockets, ${name}`, () => {
    it("keeps N connections per address and shares in proportion to N", async () => {
      const [a, b] = [await startInstance("a"), await startInstance("b")];
      const sockets = { a: new Set<Socket>(), b: new Set<Socket>() };
      const proxies = [
        await proxy(a.port, (socket) => sockets.a.add(socket)),
        await proxy(b.port, (socket) => sockets.b.add(socket)),
      ];
      const lab = openUpstream(connect);
      lab.list({ address: proxies[0] ?? "", connections: 3 }, { address: proxies[1] ?? "", connections: 1 });
      await lab.connected(4);
      assert.deepEqual(await shares(lab.upstream, 100), { a: 75, b: 25 });
      assert.deepEqual([sockets.a.size, sockets.b.size], [3, 1]);
    });

    it("gives exactly equal shares, and all of them to the rest after a removal", async () => {
      const servers = [await startInstance("a"), await startInstance("b"), await startInstance("c")];
      const addresses = servers.map(({ address }) => address);
      const lab = openUpstream(connect);
      lab.list(...addresses);
      await lab.ready(3);
      assert.deepEqual(await shares(lab.upstream, 99), { a: 33, b: 33, c: 33 });
      lab.list(...addresses.slice(1));
      assert.deepEqual(await shares(lab.upstream, 50), { b: 25, c: 25 });
    });

    it("lets calls on a removed instance end", async () => {
      const a = await startInstance("a");
      const lab = openUpstream(connect);
      lab.list(a.address);
      await lab.ready(1);
      const { recorder } = call(lab.upstream, "Sleep", "100");
      lab.list();
      assert.equal((await recorder.ended).code, Code.Ok);
      assert.deepEqual(lab.upstream.status(), {
        endpoints: 0,
        ready: 0,
        healthy: 0,
        waiting: 0,
        queued: 0,
        discovery: "ok",
      });
    });

    it("makes calls wait while all instances are down, in order, and answers 503 to those that waited too long", async () => {
      const first = await startInstance("a");
      const lab = openUpstream(connect);
      lab.list(first.address);
      await lab.ready(1);
      first.destroy();
      await lab.ready(0);
      const short = call(lab.upstream, "Name", "", { waitForReadyMs: 30 });
      const shortDeadline = call(lab.upstream, "Name", "", { totalTimeoutMs: 30 });
      for (const { recorder } of [short, shortDeadline]) {
        const { error } = await recorder.ended;
        assert.equal(error?.code, "UPSTREAM_UNAVAILABLE");
        assert.equal(error?.message, "upstream lab has no ready instance");
      }
      const long = [call(lab.upstream, "Echo", "1"), call(lab.upstream, "Echo", "2")];
      await startInstance("again", first.port);
      for (const { recorder } of long) assert.equal((await recorder.ended).code, Code.Ok);
      assert.equal(await ask(lab.upstream), "again");
    });

    it("ends a call at its deadline and cancels it at the instance", async () => {
      let cancelled: () => void = () => {};
      const seen = new Promise<void>((resolve) => (cancelled = resolve));
      const server = await startGrpcServer({
        "/test.Lab/Hang": { kind: "unary", handle: (hanging) => void hanging.on("cancelled", cancelled) },
      });
      defer(() => server.destroy());
      const lab = openUpstream(connect);
      lab.list(server.address);
      await lab.ready(1);
      const { recorder } = call(lab.upstream, "Hang", "", { totalTimeoutMs: 50 });
      const end = await recorder.ended;
      // The instance, which knows it too, may be the first to say so.
      assert.equal(end.code, Code.DeadlineExceeded);
      await seen;
    });

    it("goes elsewhere from an instance that answers UNAVAILABLE, and soon passes it over", async () => {
      let asked = 0;
      const bad = await startGrpcServer({
        "/test.Lab/Name": {
          kind: "unary",
          handle: (_, reply) => {
            asked++;
            reply({ code: Code.Unavailable, details: "not now" });
          },
        },
      });
      defer(() => bad.destroy());
      const good = [await startInstance("a"), await startInstance("b")];
      const lab = openUpstream(connect);
      lab.list(bad.address, ...good.map(({ address }) => address));
      await lab.ready(3);
      const { a = 0, b = 0, ...rest } = await shares(lab.upstream, 60);
      assert.deepEqual([a + b, rest], [60, {}]);
      assert.ok(asked < 8, `${asked}`);
    });

    it("uses the others while one accepts TCP and stays mute", async () => {
      const mute = net.createServer((socket) => {
        socket.on("error", () => {});
        defer(() => socket.destroy());
      });
      await once(mute.listen(0, "127.0.0.1"), "listening");
      defer(() => mute.close());
      const a = await startInstance("a");
      const lab = openUpstream(connect, { connectTimeoutMs: 50 });
      const gaveUp = lab.next((event) => event.type === "connection_state" && event.state === "backoff");
      lab.list(`127.0.0.1:${(mute.address() as AddressInfo).port}`, a.address);
      await lab.ready(1);
      assert.deepEqual(await shares(lab.upstream, 10), { a: 10 });
      await gaveUp;
    });
  });

/** A TCP proxy in front of a port, which shows each connection. */
async function proxy(port: number, onSocket: (socket: Socket) => void): Promise<string> {
  const server = net.createServer((socket) => {
    onSocket(socket);
    const inner = net.connect(port, "127.0.0.1").setNoDelay();
    socket.setNoDelay();
    socket.pipe(inner).pipe(socket);
    for (const end of [socket, inner]) {
      end.on("error", () => {});
      end.on("close", () => {
        socket.destroy();
        inner.destroy();
      });
    }
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  defer(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
