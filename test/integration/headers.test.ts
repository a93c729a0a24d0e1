import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { status } from "@grpc/grpc-js";
import { metadataOf, startKindsGateway, encode, type KindsConfig } from "../support/kinds.ts";
import { ask, RawClient } from "../support/raw-http.ts";

type Metadata = Record<string, string>;

/** What the upstream received for a request with these header lines, names as written. */
async function metadataFor(port: number, lines: readonly string[]): Promise<Metadata> {
  const client = new RawClient(port);
  client.send(`GET /v1/act/x HTTP/1.1\r\nHost: gateway.test:81\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`);
  const reply = await client.reply();
  client.close();
  assert.equal(reply.status, 200, reply.text());
  return (reply.json() as { metadata: Metadata }).metadata;
}

async function start(t: Parameters<typeof startKindsGateway>[0], config: KindsConfig = {}) {
  const { gateway } = await startKindsGateway(t, config);
  return (lines: readonly string[]) => metadataFor(gateway.port, lines);
}

/** Names that the client sent: what the gateway and grpc-js set is left out. */
function ownNames(metadata: Metadata): string[] {
  return Object.keys(metadata)
    .filter((name) => !/forwarded|request-id|agent/.test(name))
    .sort();
}

describe("headers on their way to the upstream", () => {
  it("cross in lower case, repeated ones and -bin ones too", async (t) => {
    const send = await start(t);
    const metadata = await send([
      "Authorization: Bearer x",
      "X-Custom: a",
      "x-custom: b",
      "Cookie: a=b",
      "X-Data-Bin: AAEC",
      "Accept-Language: de",
    ]);
    assert.equal(metadata["authorization"], "Bearer x");
    assert.equal(metadata["x-custom"], "a, b");
    assert.equal(metadata["cookie"], "a=b");
    assert.equal(metadata["x-data-bin"], "AAEC");
    assert.equal(metadata["accept-language"], "de");
  });

  it("do not where they belong to the connection, the body, the protocol or the gateway", async (t) => {
    const send = await start(t);
    const startMs = performance.now();
    const metadata = await send([
      "Connection: keep-alive, X-Secret",
      "Keep-Alive: timeout=5",
      "X-Secret: 1",
      "TE: trailers",
      "Trailer: x",
      "Upgrade: websocket",
      "Proxy-Authorization: Basic x",
      "Proxy-Connection: keep-alive",
      "Content-Type: application/json",
      "Content-Language: de",
      "Accept-Encoding: gzip",
      "Expect: nothing",
      "grpc-encoding: gzip",
      "grpc-status: 0",
      "grpc-previous-rpc-attempts: 9",
      "Grpc_Status: 0",
      "X_Request_Id: forged",
      "X-Forwarded-Proto: https",
      "X_Forwarded_For: 9.9.9.9",
      "Forwarded: for=9.9.9.9",
      "HTTP2-Settings: AAMAAABkAAQAAP__",
      ":path: /evil".replace(":path", "x-path"),
    ]);
    // A `connection` key in metadata makes a call hang until its deadline.
    assert.ok(performance.now() - startMs < 2000);
    assert.deepEqual(Object.keys(metadata).sort(), [
      "user-agent",
      "x-forwarded-for",
      "x-forwarded-host",
      "x-forwarded-proto",
      "x-path",
      "x-request-id",
    ]);
    assert.deepEqual(
      [metadata["x-forwarded-for"], metadata["x-forwarded-proto"], metadata["x-forwarded-host"]],
      ["127.0.0.1", "http", "gateway.test:81"],
    );
  });

  it("are left out where gRPC has no such values, and the request goes on", async (t) => {
    const send = await start(t);
    const metadata = await send(["X-Utf8: \xc3\xbc", "X-Empty:", "X-Bad-Bin: %%%", "X-Good: 1", "X!Odd: 1"]);
    assert.deepEqual(ownNames(metadata), ["x-good"]);
  });

  it("carry a request id: the client's where it is fit for a log, else a new one; the reply has the same", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const rows: readonly (readonly [sent: string | undefined, kept: boolean])[] = [
      ["abc-DEF_1.2", true],
      ["a".repeat(128), true],
      ["a".repeat(129), false],
      ['a"b', false],
      ["a b", false],
      ["{}", false],
      [undefined, false],
    ];
    for (const [sent, kept] of rows) {
      const headers: Record<string, string> = sent === undefined ? {} : { "X-Request-Id": sent };
      const reply = await ask(gateway, "/v1/act/x", { headers });
      const id = reply.headers["x-request-id"];
      assert.equal((reply.json() as { metadata: Metadata }).metadata["x-request-id"], id);
      assert.equal(gateway.lines.at(-1)?.["request_id"], id);
      if (kept) assert.equal(id, sent);
      else assert.match(id ?? "", /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    }
  });

  it("believe x-forwarded-* of a trusted proxy, and log the client that it names", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: "{ trusted_proxies: [loopback, 10.0.0.0/8] }" });
    const metadata = await metadataFor(gateway.port, [
      "X-Forwarded-For: 6.6.6.6, 203.0.113.9, 10.1.2.3",
      "X-Forwarded-Proto: https",
      "X-Forwarded-Host: shop.test",
    ]);
    assert.equal(metadata["x-forwarded-for"], "6.6.6.6, 203.0.113.9, 10.1.2.3, 127.0.0.1");
    assert.deepEqual([metadata["x-forwarded-proto"], metadata["x-forwarded-host"]], ["https", "shop.test"]);
    assert.equal(gateway.lines.at(-1)?.["client"], "203.0.113.9");
  });

  it("carry what is left of the deadline as grpc-timeout, the smaller of the route's and the client's", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t, { act: "timeout: 4s" });
    let ms = NaN;
    upstream.behaviour.act = (call, reply) => {
      ms = Number(call.getDeadline()) - Date.now();
      reply(null, encode("Result", {}));
    };
    for (const [asked, min, max] of [
      [undefined, 3000, 4001],
      ["1S", 500, 1001],
      ["9S", 3000, 4001],
    ] as const) {
      await ask(gateway, "/v1/act/x", { headers: asked === undefined ? {} : { "grpc-timeout": asked } });
      assert.ok(ms > min && ms < max, `${asked}: ${ms} ms`);
    }
  });

  it("follow the configured lists, the route's over the defaults'", async (t) => {
    const { gateway } = await startKindsGateway(t, {
      defaults: "{ headers: { request: { deny: [x-internal-*], rename: { x-old: x-new } } } }",
      act: "headers: { request: { allow: [x-a, x-b*, x-old, x-internal-1] } }",
    });
    const names = async (path: string): Promise<string[]> => {
      const reply = await ask(gateway, path, {
        headers: { "X-A": "1", "x-bc": "2", "x-c": "3", "x-old": "4", "x-internal-1": "5", connection: "x-a" },
      });
      assert.equal(reply.status, 200, reply.text());
      const { metadata } = reply.json() as { metadata: Metadata };
      return ownNames(metadata);
    };
    assert.deepEqual(await names("/v1/act/x"), ["x-bc", "x-new"]);
  });
});

describe("metadata on its way to the client", () => {
  it("becomes headers, trailers too, by the same policy", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        act(call, reply) {
          const initial = metadataOf({
            "x-initial": "1",
            "x-data-bin": Buffer.from([0, 255]),
            "cache-control": "no-store",
          });
          initial.add("set-cookie", "a=1");
          initial.add("set-cookie", "b=2");
          for (const name of ["x-request-id", "server", "date", "content-language", "x-accel-buffering", "alt-svc"]) {
            initial.set(name, "forged");
          }
          call.sendMetadata(initial);
          reply(null, encode("Result", {}), metadataOf({ "x-trailer": "2", "x-accel-buffering": "no" }));
        },
      },
    );
    const reply = await ask(gateway, "/v1/act/x", { headers: { "x-request-id": "mine" } });
    assert.equal(reply.status, 200);
    const { date, ...headers } = reply.headers;
    assert.notEqual(date, "forged");
    assert.deepEqual(headers, {
      "x-initial": "1",
      "x-data-bin": "AP8=",
      "cache-control": "no-store",
      "set-cookie": "a=1, b=2",
      "x-trailer": "2",
      "content-type": "application/json",
      "x-request-id": "mine",
      "content-length": "2",
      connection: "keep-alive",
      "keep-alive": "timeout=75",
    });
    assert.equal(reply.rawHeaders.filter((name) => name === "set-cookie").length, 2);
  });

  it("follows the configured lists, of failures too", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t, {
      act: "headers: { response: { allow: [x-a, x-b], deny: [x-b], rename: { x-a: x-z } } }",
    });
    const sent = metadataOf({ "x-a": "1", "x-b": "2", "x-c": "3" });
    upstream.behaviour.act = (_, reply) => reply(null, encode("Result", {}), sent);
    const good = await ask(gateway, "/v1/act/x");
    upstream.behaviour.act = (_, reply) => reply({ code: status.NOT_FOUND, details: "no", metadata: sent });
    const bad = await ask(gateway, "/v1/act/x");
    for (const reply of [good, bad]) {
      assert.deepEqual(
        Object.keys(reply.headers).filter((name) => /^x-.$/.test(name)),
        ["x-z"],
      );
    }
  });
});
