import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { createHttp2Connection } from "../../src/upstream/connection/http2.ts";
import { connections } from "../support/connections.ts";
import { defaultHealth } from "../support/default-health.ts";
import { startGrpcServer } from "../support/grpc-server.ts";
import { labMethods } from "../support/grpc-server-lab.ts";
import { TestConnection } from "../support/grpc-calls.ts";
import { openUpstream, shares, startProcess } from "../support/upstream-lab.ts";
import { cleanUp, defer } from "../support/defer.ts";

afterEach(cleanUp);

/** Speaks to `/test.Lab/Health` of an instance; the answer is how many watch it. */
async function control(address: string): Promise<(word: string) => Promise<string>> {
  const client = new TestConnection(createHttp2Connection(), address);
  defer(() => client.connection.destroy());
  client.connection.connect();
  await client.until("ready");
  return async (word) => (await client.run("Health", word)).messages[0] ?? "";
}

for (const [name, connect] of connections)
  describe(`an upstream whose instances tell their health, ${name}`, () => {
    const options = { health: { ...defaultHealth, check: { service: "" } } };

    it("passes over one that does not serve, until it does again", async () => {
      const [a, b, c] = await Promise.all(["a", "b", "c"].map((each) => startProcess(each)));
      assert.ok(a && b && c);
      const tell = await control(b.address);
      const lab = openUpstream(connect, options);
      lab.list(a.address, b.address, c.address);
      await lab.ready(3);
      assert.deepEqual(Object.keys(await shares(lab.upstream, 9)).sort(), ["a", "b", "c"]);
      const told = (isServing: boolean) =>
        lab.next((event) => event.type === "endpoint_health" && event.isServing === isServing);
      const out = told(false);
      await tell("2");
      await out;
      assert.equal(lab.upstream.status().healthy, 2);
      assert.deepEqual(Object.keys(await shares(lab.upstream, 10)).sort(), ["a", "c"]);
      const back = told(true);
      await tell("1");
      await back;
      assert.deepEqual(Object.keys(await shares(lab.upstream, 9)).sort(), ["a", "b", "c"]);
      // The one stream of ours; it is made anew when it ends.
      assert.equal(await tell("1"), "1");
      await tell("end");
      const again = told(false);
      while ((await tell("1")) !== "1");
      await tell("3");
      await again;
    });

    it("uses all of them where none or too few serve", async () => {
      const [a, b, c] = await Promise.all(["a", "b", "c"].map((each) => startProcess(each)));
      assert.ok(a && b && c);
      const lab = openUpstream(connect, options);
      lab.list(a.address, b.address, c.address);
      await lab.ready(3);
      for (const { address } of [a, b]) {
        const tell = await control(address);
        const out = lab.next((event) => event.type === "endpoint_health" && !event.isServing);
        await tell("2");
        await out;
      }
      assert.deepEqual(Object.keys(await shares(lab.upstream, 9)).sort(), ["a", "b", "c"]);
    });

    it("lets those serve that do not know the service", async () => {
      const { "/grpc.health.v1.Health/Watch": _, ...methods } = labMethods("a");
      const server = await startGrpcServer(methods);
      defer(() => server.destroy());
      const lab = openUpstream(connect, options);
      const told = lab.next((event) => event.type === "endpoint_health" && event.isServing);
      lab.list(server.address);
      await told;
      assert.deepEqual(await shares(lab.upstream, 2), { a: 2 });
    });

    it("keeps watching over reconnections, and leaves no stream behind", async () => {
      const options2 = { "grpc.max_connection_age_ms": 150, "grpc.max_connection_age_grace_ms": 60_000 };
      const server = await startGrpcServer(labMethods("a"), { options: options2 });
      defer(() => server.destroy());
      const lab = openUpstream(connect, options);
      lab.list(server.address);
      for (let i = 0; i < 3; i++) await lab.next((event) => event.type === "endpoint_health" && event.isServing);
      const tell = await control(server.address);
      await lab.ready(1);
      while ((await tell("1")) !== "1");
    });
  });
