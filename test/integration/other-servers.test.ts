import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, afterEach, before, describe, it } from "node:test";
import { Metadata } from "@grpc/grpc-js";
import type { AttemptEnd } from "../../src/call/call.ts";
import { Code } from "../../src/core/code.ts";
import type { ConnectionFactory } from "../../src/upstream/connection/connection.ts";
import { createHttp2Connection } from "../../src/upstream/connection/http2.ts";
import { Recorder, TestConnection } from "../support/grpc-calls.ts";
import { findProgram, proxies, type GrpcProxy } from "../support/grpc-proxies.ts";
import { startGrpcServer, type GrpcServer } from "../support/grpc-server.ts";
import { labMethods } from "../support/grpc-server-lab.ts";
import { TRUSTING } from "../support/tls.ts";
import { load, openUpstream } from "../support/upstream-lab.ts";
import { cleanUp } from "../support/defer.ts";

const DETAILS = Buffer.from("some google.rpc.Status");

const methods = {
  ...labMethods("a"),
  "/test.Lab/Join": {
    kind: "client_stream",
    handle: (call, reply) => {
      const hash = createHash("sha1");
      call.on("data", (message: Buffer) => hash.update(message));
      call.on("end", () => reply(null, Buffer.from(hash.digest("hex"))));
    },
  },
  "/test.Lab/Details": {
    kind: "unary",
    handle: (call, reply) => {
      const trailers = new Metadata();
      trailers.set("x-got-bin", call.metadata.get("x-sent-bin")[0] ?? Buffer.from("nothing"));
      trailers.set("grpc-status-details-bin", DETAILS);
      reply({ code: Code.FailedPrecondition, details: "100 % nicht möglich", metadata: trailers });
    },
  },
  "/test.Lab/Headers": {
    kind: "unary",
    handle: (call, reply) => {
      const initial = new Metadata();
      initial.set("x-got", call.metadata.get("x-sent")[0] ?? "nothing");
      call.sendMetadata(initial);
      reply(null, call.request);
    },
  },
} satisfies Parameters<typeof startGrpcServer>[0];

for (const [name, start] of Object.entries(proxies)) {
  const program = findProgram(name);
  if (program === undefined) console.log(`${name} is not installed here: what it would test is left out`);
  else
    describe(`the HTTP/2 client in front of ${name}`, () => {
      let server: GrpcServer;
      let proxy: GrpcProxy;
      const opened: TestConnection[] = [];
      before(async () => {
        server = await startGrpcServer(methods);
        proxy = await start(program, server.port);
      });
      afterEach(async () => {
        for (const test of opened.splice(0)) test.connection.destroy();
        await cleanUp();
      });
      after(async () => {
        await proxy.stop();
        server.destroy();
      });

      async function open(connect: ConnectionFactory, address: string): Promise<TestConnection> {
        const test = new TestConnection(connect, address, { maxMessageBytes: 16 << 20 });
        opened.push(test);
        test.connection.connect();
        await test.until("ready");
        return test;
      }

      for (const how of ["in plaintext", "over TLS"]) {
        const connect = how === "over TLS" ? createHttp2Connection({ tls: TRUSTING }) : createHttp2Connection();
        const address = () => (how === "over TLS" ? proxy.tlsAddress : proxy.address);

        it(`makes calls of all four kinds, ${how}`, async () => {
          const test = await open(connect, address());
          const unary = await test.run("Headers", "hello", { metadata: ["x-sent", "m"] });
          assert.deepEqual([unary.messages, unary.end.code], [["hello"], Code.Ok]);
          assert.equal(unary.headers?.[unary.headers.indexOf("x-got") + 1], "m");
          const chunks = await test.run("Chunks", "200 50000");
          assert.deepEqual([chunks.bytes, chunks.end.code], [10_000_000, Code.Ok]);
          const joined = test.start("Join", null);
          const hash = createHash("sha1");
          for (let i = 0; i < 100; i++) {
            const message = Buffer.from(`message ${i}`);
            hash.update(message);
            joined.handle.send(message);
          }
          joined.handle.halfClose();
          assert.equal((await joined.recorder.ended).code, Code.Ok);
          assert.deepEqual(joined.recorder.messages, [hash.digest("hex")]);
          const bidi = test.start("Bidi", null);
          const sent = ["one", "two", "three"];
          bidi.handle.send(Buffer.from("one"));
          // Each goes out when the one before is back: nothing on the way holds them up.
          bidi.recorder.onEach = ({ messages }) => {
            const next = sent[messages.length];
            if (next === undefined) bidi.handle.halfClose();
            else bidi.handle.send(Buffer.from(next));
          };
          assert.equal((await bidi.recorder.ended).code, Code.Ok);
          assert.deepEqual(bidi.recorder.messages, sent);
        });

        it(`gets errors as they were given, ${how}`, async () => {
          const test = await open(connect, address());
          const { end } = await test.run("Details", "", { metadata: ["x-sent-bin", "AP8="] });
          assert.deepEqual(
            [end.code, end.message, end.outcome],
            [Code.FailedPrecondition, "100 % nicht möglich", "answered"],
          );
          const binary = (name: string) => Buffer.from(end.trailers[end.trailers.indexOf(name) + 1] ?? "", "base64");
          assert.deepEqual(binary("grpc-status-details-bin"), DETAILS);
          assert.deepEqual(binary("x-got-bin"), Buffer.from([0, 255]));
          assert.equal((await test.run("Missing")).end.code, Code.Unimplemented);
        });

        it(`carries large messages both ways, ${how}`, async () => {
          const test = await open(connect, address());
          const sent = randomBytes(8_000_003);
          const recorder = new Recorder<AttemptEnd>();
          let received = "";
          recorder.onMessage = (bytes, from, to) => {
            received = createHash("sha1").update(bytes.subarray(from, to)).digest("hex");
          };
          const request = { path: "/test.Lab/Echo", metadata: [], message: sent, deadlineMs: Infinity };
          test.connection.start(request, recorder);
          assert.equal((await recorder.ended).code, Code.Ok);
          assert.equal(received, createHash("sha1").update(sent).digest("hex"));
        });

        it(`loses no call, idempotent or not, while it ends connections in good order, ${how}`, async () => {
          const lab = openUpstream(connect);
          lab.list({ address: address(), connections: 2 });
          await lab.connected(2);
          const traffic = load(lab.upstream, 20, { idempotent: false });
          await traffic.more(100);
          for (let i = 0; i < 3; i++) {
            const ended = lab.next((event) => event.type === "connection_state" && event.reason !== undefined);
            proxy.renew();
            await ended;
            await traffic.more(100);
          }
          const { failures, total } = await traffic.stop();
          assert.deepEqual(failures, [], `of ${total}`);
        });
      }
    });
}
