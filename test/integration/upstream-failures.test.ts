import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { connections } from "../support/connections.ts";
import { startGrpcServer } from "../support/grpc-server.ts";
import { labMethods } from "../support/grpc-server-lab.ts";
import { load, openUpstream, shares, startProcess } from "../support/upstream-lab.ts";
import { cleanUp, defer } from "../support/defer.ts";

afterEach(cleanUp);

for (const [name, connect] of connections)
  describe(`an upstream whose instances fail, ${name}`, () => {
    it("loses no idempotent call where an instance is killed under load, and uses it again when it is back", async () => {
      const servers = [await startProcess("a"), await startProcess("b"), await startProcess("c")];
      const [victim] = servers;
      assert.ok(victim);
      const lab = openUpstream(connect, { loadBalancing: { policy: "least_request" } });
      lab.list(...servers.map(({ address }) => address));
      await lab.ready(3);
      const traffic = load(lab.upstream, 20);
      await traffic.more(200);
      assert.equal(Object.keys(traffic.counts).length, 3);
      const gone = lab.ready(2);
      await victim.kill("SIGKILL");
      await gone;
      await traffic.more(200);
      const back = lab.ready(3);
      const startedAt = performance.now();
      await startProcess("a2", victim.port);
      const listening = performance.now();
      await back;
      assert.ok(performance.now() - listening < 2_000, `${performance.now() - startedAt}`);
      while ((traffic.counts["a2"] ?? 0) === 0) await traffic.more(20);
      const { failures, total } = await traffic.stop();
      assert.deepEqual(failures, []);
      assert.ok(total > 400);
    });

    it("loses no call at all, idempotent or not, where instances restart gracefully in turn", async () => {
      const servers = [await startProcess("a"), await startProcess("b"), await startProcess("c")];
      const lab = openUpstream(connect);
      lab.list(...servers.map(({ address }) => address));
      await lab.ready(3);
      const traffic = load(lab.upstream, 10, { idempotent: false });
      for (const server of servers) {
        await traffic.more(50);
        const gone = lab.ready(2);
        await server.kill("SIGTERM");
        await gone;
        const back = lab.ready(3);
        await startProcess(`${server.name} again`, server.port);
        await back;
      }
      await traffic.more(100);
      assert.deepEqual((await traffic.stop()).failures, []);
    });

    it("loses no call where servers send GOAWAY all the time", async () => {
      const options = { "grpc.max_connection_age_ms": 100, "grpc.max_connection_age_grace_ms": 1_000 };
      const servers = await Promise.all(["a", "b"].map((name) => startGrpcServer(labMethods(name), { options })));
      for (const server of servers) defer(() => server.destroy());
      const lab = openUpstream(connect);
      lab.list(...servers.map(({ address }) => address));
      await lab.ready(2);
      const traffic = load(lab.upstream, 20, { idempotent: false });
      let lost = 0;
      while (lost < 6) {
        await lab.next((event) => event.type === "connection_state" && event.state === "connecting");
        lost++;
      }
      assert.deepEqual((await traffic.stop()).failures, []);
    });

    it("takes the share from an instance that hangs, and ejects it", async () => {
      const servers = [await startProcess("a"), await startProcess("b"), await startProcess("hangs")];
      const hanging = servers[2];
      assert.ok(hanging);
      const lab = openUpstream(connect, { loadBalancing: { policy: "least_request" } });
      lab.list(...servers.map(({ address }) => address));
      await lab.ready(3);
      const traffic = load(lab.upstream, 20, { totalTimeoutMs: 300 });
      await traffic.more(200);
      const ejected = lab.next((event) => event.type === "endpoint_ejected" && event.endpoint === hanging.address);
      await hanging.kill("SIGSTOP");
      await ejected;
      const { failures, total } = await traffic.stop();
      // No more than were sent there until it had as many in flight as the others, all of whom passed their deadline.
      assert.ok(failures.length <= 20, `${failures.length} of ${total}`);
      assert.ok(
        failures.every((text) => text === "4 DEADLINE_EXCEEDED"),
        failures.join(),
      );
      const { a = 0, b = 0 } = await shares(lab.upstream, 50);
      assert.equal(a + b, 50);
    });
  });
