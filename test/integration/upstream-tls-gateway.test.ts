import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { startTestGateway } from "../support/gateway.ts";
import { startGrpcServer } from "../support/grpc-server.ts";
import { kindsYaml } from "../support/kinds.ts";
import { CLIENT, pem, SERVER, type ServerIdentity } from "../support/tls.ts";
import { until } from "../support/until.ts";

async function startEcho(t: TestContext, identity: ServerIdentity) {
  const server = await startGrpcServer(
    { "/kinds.v1.Kinds/Echo": { kind: "unary", handle: (call, reply) => reply(null, call.request) } },
    { identity },
  );
  t.after(() => server.destroy());
  return server;
}

/** A folder with certificates that a configuration names. */
async function certificates(t: TestContext, files: Readonly<Record<string, string>>) {
  const folder = await mkdtemp(path.join(tmpdir(), "sluice-tls-"));
  t.after(() => rm(folder, { recursive: true }));
  const write = async (name: string, text: string) => writeFile(path.join(folder, name), text);
  for (const [name, text] of Object.entries(files)) await write(name, text);
  return { folder, write };
}

const REASON = "TLS: no authority that is trusted here (tls.ca) has signed the instance's certificate";

describe("the gateway in front of instances that speak TLS", () => {
  for (const transport of ["http2", "grpc-js"]) {
    it(`takes certificates that were renewed with a reload, and tells clients nothing of TLS, ${transport}`, async (t) => {
      const server = await startEcho(t, { ...SERVER, ca: pem("ca") });
      const { folder, write } = await certificates(t, {
        "ca.pem": pem("other-ca"),
        "client.pem": CLIENT.cert,
        "client-key.pem": CLIENT.key,
      });
      const files = `ca: ${folder}/ca.pem, cert: ${folder}/client.pem, key: ${folder}/client-key.pem`;
      const gateway = await startTestGateway(
        t,
        kindsYaml(server.address, {
          defaults: "{ wait_for_ready: { timeout: 100ms } }",
          upstream: `tls: { ${files} }\n    transport: ${transport}`,
        }),
      );
      const get = async () => {
        const response = await fetch(`${gateway.address}/v1/echo/5`);
        return { status: response.status, text: await response.text() };
      };
      const before = await get();
      assert.equal(before.status, 503);
      assert.doesNotMatch(before.text, /TLS|certificate|127\.0\.0\.1/);
      await until("the reason in the log", () => gateway.lines.some(({ reason }) => reason === REASON));

      await write("ca.pem", pem("ca"));
      assert.equal((await get()).status, 503, "a file that changes is read by a reload only");
      assert.ok(await gateway.reload());
      await until("an answer over TLS", async () => (await get()).status === 200);

      await write("client-key.pem", pem("server-key"));
      assert.equal(await gateway.reload(), false, "a key that is another certificate's");
      assert.equal((await get()).status, 200);
    });
  }
});
