import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import http2, { type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, describe, it } from "node:test";
import { BOOK, closeLab, openGateway, openInstance, passTo } from "../support/balancing-lab.ts";
import { defer } from "../support/defer.ts";
import type { HttpRequest } from "../support/http-load.ts";

describe("the gateway in front of instances that fail", { timeout: 60_000 }, () => {
  afterEach(closeLab);

  it("uses an instance again within 2 s of its restart on the same address, by itself", async () => {
    const [one, two] = await Promise.all([openInstance("one"), openInstance("two")]);
    const { gateway, load } = await openGateway({ target: passTo(one, two) });
    await gateway.ready(2);
    const traffic = load();
    await traffic.answers("two", 20);
    await two.signal("SIGKILL");
    await gateway.ready(1);
    await openInstance("two again", { port: two.port });
    await traffic.answers("two again", 20, 2000);
    await traffic.stop();
    assert.deepEqual(traffic.failures, []);
  });

  it("asks another where a reply breaks off before its end", async () => {
    let broken = 0;
    const breaking = http2.createServer();
    breaking.on("stream", (stream: ServerHttp2Stream) => {
      stream.on("error", () => {});
      stream.respond({ ":status": 200, "content-type": "application/grpc", "x-instance": "breaks" });
      // A whole message, an empty one, after which grpc-status is to come.
      stream.write(Buffer.alloc(5), () => {
        broken++;
        stream.session?.destroy();
      });
    });
    await once(breaking.listen(0, "127.0.0.1"), "listening");
    defer(() => breaking.close());
    const { port } = breaking.address() as AddressInfo; // a TCP server that listens
    const one = await openInstance("one");
    const target = passTo(`127.0.0.1:${port}`, one);
    const { gateway, client } = await openGateway({ target, policy: "round_robin" });
    await gateway.ready(2);
    assert.deepEqual(await client.shares(BOOK, 4), { one: 4 });
    assert.ok(broken > 0);
  });

  it("passes over an instance that hangs: at most 1 % of requests reach their deadline", async () => {
    const instances = await Promise.all(["one", "two", "hangs"].map((name) => openInstance(name)));
    const { gateway, load } = await openGateway({ target: passTo(...instances), timeout: "1s" });
    await gateway.ready(3);
    const traffic = load();
    await traffic.answers("hangs", 50);
    await instances[2]?.signal("SIGSTOP");
    const before = traffic.total;
    const stoppedMs = performance.now();
    await traffic.more(2000);
    await traffic.stop();
    assert.ok(traffic.failures.every(({ status }) => status === 504));
    const suspected = await gateway.count("connection_suspect");
    assert.ok(suspected > 0, "it was not asked while it hung, so nothing was tried here");
    assert.ok(traffic.failures.length <= (traffic.total - before) / 100);
    // Once ejected it gets one request with each of its returns.
    const returns = await gateway.count("endpoint_readmitted");
    const late = traffic.failures.filter(({ startMs }) => startMs - stoppedMs > 1500);
    assert.ok(late.length <= returns, `it has a share after a second still: ${late.length} of ${returns} returns`);
  });

  it("gives no load to an instance for being quick to answer UNAVAILABLE", async () => {
    const names = ["one", "two", "refuses"] as const;
    const flags = (name: string) => (name === "refuses" ? ["--unavailable"] : ["--delay", "10"]);
    const instances = await Promise.all(names.map((name) => openInstance(name, { odd: flags(name) })));
    const { gateway, load } = await openGateway({ target: passTo(...instances) });
    await gateway.ready(3);
    const traffic = load();
    await traffic.more(1000);
    await traffic.stop();
    assert.ok(traffic.failures.length <= traffic.total / 100);
    assert.ok((await gateway.count("endpoint_ejected")) > 0);
  });

  it("never makes a POST twice where instances are killed, and loses none where they end in good order", async () => {
    const folder = await mkdtemp(path.join(tmpdir(), "sluice-ledger-"));
    defer(() => rm(folder, { recursive: true }));
    const ledger = path.join(folder, "ids");
    // With a delay there are always some under way when the instance is killed.
    const odd = ["--delay", "20", "--ledger", ledger];
    const instances = await Promise.all(["one", "two", "three"].map((name) => openInstance(name, { odd })));
    const { gateway, load } = await openGateway({ target: passTo(...instances), policy: "round_robin" });
    await gateway.ready(3);
    const answered: string[] = [];
    let sent = 0;
    const traffic = load((): HttpRequest => {
      const id = `book-${sent++}`;
      return {
        path: `/v1/shelves/fiction/books?book_id=${id}`,
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ title: id }),
        onAnswer: ({ status }) => void (status === 200 && answered.push(id)),
      };
    });
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      for (const { name, port } of instances.slice(0, 2)) {
        await traffic.answers(name, 20);
        const running = instances.find((instance) => instance.port === port);
        await running?.signal(signal);
        const again = await openInstance(name, { port, odd });
        instances[instances.findIndex((instance) => instance.port === port)] = again;
        await traffic.answers(name, 20);
      }
      if (signal === "SIGTERM") assert.deepEqual(traffic.failures, []);
    }
    await traffic.stop();
    const ids = (await readFile(ledger, "utf8")).trimEnd().split("\n");
    const asked = new Set(ids);
    assert.equal(ids.length, asked.size, "some were asked for twice");
    assert.ok(answered.every((id) => asked.has(id)));
    assert.ok(traffic.failures.length > 0, "none was under way at a killed instance, so nothing was tried here");
    assert.ok(traffic.failures.every(({ status }) => status === 503));
  });
});
