import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Metadata, status } from "@grpc/grpc-js";
import { encode, metadataOf, resultOf, startKindsGateway, type ErrorJson, type StreamCall } from "../support/kinds.ts";
import { ask, RawClient, requestBytes } from "../support/raw-http.ts";

function fail(call: StreamCall, code: number, details: string): void {
  call.emit("error", { code, details, metadata: new Metadata() });
}

describe("a stream of replies", () => {
  it("is one line per message, with the headers of its initial metadata", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        watch(call) {
          call.sendMetadata(metadataOf({ "x-shelf": "a", "content-language": "de" }));
          call.write(encode("Result", { name: "ü\n" }));
          call.write(encode("Result", {}));
          call.end(metadataOf({ "x-late": "b" }));
        },
      },
    );
    const reply = await ask(gateway, "/v1/watch/x", { headers: { "x-request-id": "s-1" } });
    assert.equal(reply.status, 200);
    assert.equal(reply.text(), '{"result":{"name":"ü\\n"}}\n{"result":{}}\n');
    const { date, ...headers } = reply.headers;
    assert.ok(date !== undefined);
    assert.deepEqual(headers, {
      "x-shelf": "a",
      "content-type": "application/x-ndjson",
      vary: "accept",
      "x-request-id": "s-1",
      "x-accel-buffering": "no",
      connection: "keep-alive",
      "keep-alive": "timeout=75",
      "transfer-encoding": "chunked",
    });
  });

  it("takes its request from path, query and body", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const get = await ask(gateway, "/v1/watch/a%20b?count=1");
    assert.equal(get.text(), '{"result":{"name":"a b"}}\n');
    const post = await ask(gateway, "/v1/watch", { body: '{"name":"c","count":1}' });
    assert.equal(post.text(), '{"result":{"name":"c"}}\n');
  });

  it("without a message is 200 and empty, headers included", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        watch(call) {
          call.sendMetadata(metadataOf({ "x-shelf": "empty" }));
          call.end();
        },
      },
    );
    const reply = await ask(gateway, "/v1/watch/x");
    assert.deepEqual([reply.status, reply.text(), reply.headers["x-shelf"]], [200, "", "empty"]);
    assert.equal(reply.headers["content-type"], "application/x-ndjson");
  });

  it("has no status before its first message or its failure", async (t) => {
    const started = Promise.withResolvers<StreamCall>();
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        watch(call) {
          call.sendMetadata(new Metadata());
          started.resolve(call);
        },
      },
    );
    const client = new RawClient(gateway.port).send(requestBytes("/v1/watch/x"));
    const call = await started.promise;
    // Another request, there and back: what the gateway would have sent is here by then.
    await ask(gateway, "/v1/act/x");
    assert.equal(client.received.length, 0);
    fail(call, status.NOT_FOUND, "no such shelf");
    const reply = await client.reply();
    client.close();
    assert.deepEqual([reply.status, reply.headers["content-type"]], [404, "application/json"]);
    assert.deepEqual(reply.json(), { code: 5, message: "no such shelf", details: [] });
  });

  it("that fails after a message ends in an error line, properly", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        watch(call) {
          call.write(encode("Result", { name: "one" }));
          fail(call, status.ABORTED, "enough");
        },
      },
    );
    const reply = await ask(gateway, "/v1/watch/x");
    assert.deepEqual(reply.text().split("\n"), [
      '{"result":{"name":"one"}}',
      '{"error":{"code":10,"message":"enough","details":[]}}',
      "",
    ]);
    assert.ok(reply.complete);
    const line = gateway.lines.find((entry) => entry["msg"] === "request");
    assert.deepEqual(
      [line?.["status"], line?.["grpc_status"], line?.["messages_out"], line?.["error"]],
      [200, "ABORTED", 1, undefined],
    );
  });

  it("ends in an error line where a message cannot be read, and its call is cancelled", async (t) => {
    const cancelled = Promise.withResolvers<void>();
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        watch(call) {
          call.on("cancelled", cancelled.resolve);
          call.write(encode("Result", { name: "one" }));
          call.write(Buffer.from([0x0a, 0x05, 0x41]));
        },
      },
    );
    const reply = await ask(gateway, "/v1/watch/x");
    const last = JSON.parse(reply.text().split("\n")[1] ?? "") as { error: ErrorJson };
    assert.equal(last.error.details.at(-1)?.["reason"], "UPSTREAM_MESSAGE_INVALID");
    await cancelled.promise;
  });

  it("is not waited for by HEAD: its headers come with the first message, and the call is cancelled", async (t) => {
    const cancelled = Promise.withResolvers<void>();
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        watch(call) {
          call.on("cancelled", cancelled.resolve);
          call.sendMetadata(metadataOf({ "x-shelf": "a" }));
          call.write(encode("Result", { name: "one" }));
        },
      },
    );
    const reply = await ask(gateway, "/v1/watch/x", { method: "HEAD" });
    assert.deepEqual([reply.status, reply.headers["x-shelf"]], [200, "a"]);
    assert.equal(reply.headers["content-type"], "application/x-ndjson");
    await cancelled.promise;
  });

  it("writes each message as it comes, not when more have come", async (t) => {
    const started = Promise.withResolvers<StreamCall>();
    const { gateway } = await startKindsGateway(t, {}, { watch: started.resolve });
    const client = new RawClient(gateway.port).send(requestBytes("/v1/watch/x"));
    const call = await started.promise;
    for (const name of ["one", "two", "three"]) {
      call.write(encode("Result", { name }));
      await client.until(`{"result":{"name":"${name}"}}\n`);
    }
    client.close();
  });
});

describe("a stream's time limits", () => {
  it("timeout: 504 where no message came in time", async (t) => {
    const { gateway } = await startKindsGateway(t, { defaults: "{ timeout: 60ms }" }, { watch() {} });
    const reply = await ask(gateway, "/v1/watch/x");
    assert.equal(reply.status, 504);
    assert.equal((reply.json() as ErrorJson).message, "no answer within 60 ms");
  });

  it("timeout is no limit for what follows the first message", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      { defaults: "{ timeout: 60ms }" },
      {
        watch(call) {
          call.write(resultOf("one", 0));
          setTimeout(() => {
            call.write(resultOf("two", 0));
            call.end();
          }, 120);
        },
      },
    );
    assert.match((await ask(gateway, "/v1/watch/x")).text(), /"two"\}\}\n$/);
  });

  it("stream_idle_timeout and stream_timeout: an error line, and the call is cancelled", async (t) => {
    for (const [defaults, reason] of [
      ["{ stream_idle_timeout: 60ms }", "STREAM_IDLE"],
      ["{ stream_timeout: 80ms }", "DEADLINE_EXCEEDED"],
    ] as const) {
      const cancelled = Promise.withResolvers<void>();
      const { gateway } = await startKindsGateway(
        t,
        { defaults },
        {
          watch(call) {
            call.on("cancelled", cancelled.resolve);
            call.write(resultOf("one", 0));
          },
        },
      );
      const reply = await ask(gateway, "/v1/watch/x");
      const last = JSON.parse(reply.text().split("\n")[1] ?? "") as { error: ErrorJson };
      assert.deepEqual([reply.status, last.error.code], [200, 4]);
      // The upstream knows of stream_timeout and may be the first to end it.
      if (reason === "STREAM_IDLE") assert.equal(last.error.details.at(-1)?.["reason"], reason);
      assert.ok(reply.complete);
      await cancelled.promise;
    }
  });
});

describe("backpressure", () => {
  const MESSAGE_BYTES = 64 << 10;
  const MESSAGES = 3000; // 190 MB, 250 MB as base64

  it("holds the upstream back while the client does not read, and memory stays flat while it does", async (t) => {
    let written = 0;
    let ended = false;
    const full = Promise.withResolvers<void>();
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        watch(call) {
          const message = resultOf("x", MESSAGE_BYTES);
          const write = (): void => {
            while (written < MESSAGES) {
              written++;
              if (!call.write(message)) {
                call.once("drain", write);
                if (written > 20) full.resolve();
                return;
              }
            }
            ended = true;
            call.end();
          };
          write();
        },
      },
    );
    const client = new RawClient(gateway.port);
    // Counts and drops what comes: the client's own memory must not be the one that is measured.
    client.socket.removeAllListeners("data");
    let received = 0;
    let maxRss = 0;
    let tail = "";
    client.socket.on("data", (chunk: Buffer) => {
      received += chunk.length;
      tail = chunk.subarray(-5).toString("latin1");
      maxRss = Math.max(maxRss, process.memoryUsage.rss());
    });
    client.socket.pause();
    client.send(requestBytes("/v1/watch/x", { headers: { connection: "close" } }));
    await full.promise;
    // Until nothing moves any more: sockets and HTTP/2 windows on the way hold some MB.
    for (let before = -1; before !== written;) {
      before = written;
      for (let i = 0; i < 20; i++) await ask(gateway, "/v1/act/x");
    }
    assert.ok(written * MESSAGE_BYTES < 40 << 20, `${written} messages written to a client that reads nothing`);
    const startRss = process.memoryUsage.rss();
    client.socket.resume();
    await once(client.socket, "close");
    assert.deepEqual([ended, written, tail], [true, MESSAGES, "0\r\n\r\n"]);
    assert.ok(received > MESSAGES * MESSAGE_BYTES * 1.3, `${received} bytes`);
    assert.ok(maxRss - startRss < 100 << 20, `memory grew by ${(maxRss - startRss) >> 20} MiB`);
  });
});
