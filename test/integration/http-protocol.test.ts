import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { kindsYaml, startKinds, startKindsGateway, type ErrorJson } from "../support/kinds.ts";
import { ask, RawClient, requestBytes, type RawReply } from "../support/raw-http.ts";
import { until } from "../support/until.ts";

function open(t: TestContext, { port }: TestGateway): RawClient {
  const client = new RawClient(port);
  t.after(() => client.close());
  return client;
}

function reasonOf(reply: RawReply): unknown {
  assert.equal(reply.headers["content-type"], "application/json");
  return (reply.json() as ErrorJson).details.at(-1)?.["reason"];
}

const HOST = "Host: gateway.test\r\n";

describe("a request that is no HTTP", () => {
  const REFUSED: readonly (readonly [why: string, text: string, status?: number])[] = [
    ["no version (HTTP/0.9)", "GET /v1/act/x\r\n\r\n"],
    ["an unknown version", `GET /v1/act/x HTTP/3.0\r\n${HOST}\r\n`],
    ["an unknown method", `BREW /v1/act/x HTTP/1.1\r\n${HOST}\r\n`],
    ["a method in lower case", `get /v1/act/x HTTP/1.1\r\n${HOST}\r\n`],
    ["a TLS handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"],
    ["no Host", "GET /v1/act/x HTTP/1.1\r\nx-a: 1\r\n\r\n"],
    ["two Hosts", `GET /v1/act/x HTTP/1.1\r\n${HOST}host: other.test\r\n\r\n`],
    ["two equal Hosts", `GET /v1/act/x HTTP/1.1\r\n${HOST}${HOST}\r\n`],
    ["a Host with a blank", "GET /v1/act/x HTTP/1.1\r\nHost: a b\r\n\r\n"],
    ["a Host with a path", "GET /v1/act/x HTTP/1.1\r\nHost: a/b\r\n\r\n"],
    ["a Host with a user", "GET /v1/act/x HTTP/1.1\r\nHost: u@a\r\n\r\n"],
    ["another host in absolute form", `GET http://other.test/v1/act/x HTTP/1.1\r\n${HOST}\r\n`],
    ["a user in absolute form", `GET http://u@gateway.test/v1/act/x HTTP/1.1\r\n${HOST}\r\n`],
    ["another scheme in absolute form", `GET ftp://gateway.test/v1/act/x HTTP/1.1\r\n${HOST}\r\n`],
    ["a target without a slash", `GET v1/act/x HTTP/1.1\r\n${HOST}\r\n`],
    ["an authority as target", `CONNECT gateway.test:443 HTTP/1.1\r\n${HOST}\r\n`],
    ["a folded header", `GET /v1/act/x HTTP/1.1\r\n${HOST}x-a: 1\r\n 2\r\n\r\n`],
    ["a blank before the colon", `GET /v1/act/x HTTP/1.1\r\n${HOST}x-a : 1\r\n\r\n`],
    ["a blank in a header's name", `GET /v1/act/x HTTP/1.1\r\n${HOST}x a: 1\r\n\r\n`],
    ["a header without a colon", `GET /v1/act/x HTTP/1.1\r\n${HOST}nothing\r\n\r\n`],
    ["a NUL in a header", `GET /v1/act/x HTTP/1.1\r\n${HOST}x-a: a\0b\r\n\r\n`],
    ["a bare CR in a header", `GET /v1/act/x HTTP/1.1\r\n${HOST}x-a: a\rb: c\r\n\r\n`],
    ["bare LFs", "GET /v1/act/x HTTP/1.1\nHost: gateway.test\n\n"],
    [
      "Transfer-Encoding and Content-Length",
      `POST /v1/echo HTTP/1.1\r\n${HOST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`,
    ],
    ["two Content-Lengths", `POST /v1/echo HTTP/1.1\r\n${HOST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} `],
    ["two equal Content-Lengths", `POST /v1/echo HTTP/1.1\r\n${HOST}Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}`],
    ["a list of Content-Lengths", `POST /v1/echo HTTP/1.1\r\n${HOST}Content-Length: 2, 2\r\n\r\n{}`],
    ["a Content-Length with a sign", `POST /v1/echo HTTP/1.1\r\n${HOST}Content-Length: +2\r\n\r\n{}`],
    ["a negative Content-Length", `POST /v1/echo HTTP/1.1\r\n${HOST}Content-Length: -1\r\n\r\n`],
    ["an unknown transfer coding", `POST /v1/echo HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
    [
      "a transfer coding after chunked",
      `POST /v1/echo HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
    ],
    [
      "Transfer-Encoding with a blank before the colon",
      `POST /v1/echo HTTP/1.1\r\n${HOST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    ],
    [
      "a chunk size that is none",
      `POST /v1/echo HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`,
    ],
    [
      "a chunk size beyond 64 bits",
      `POST /v1/echo HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${"f".repeat(17)}\r\n{}`,
    ],
    [
      "a chunk longer than its size",
      `POST /v1/echo HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n`,
    ],
    [
      "endless chunk extensions",
      `POST /v1/echo HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n2;${"x".repeat(20_000)}\r\n{}\r\n0\r\n\r\n`,
    ],
    ["a header block over the limit", `GET /v1/act/x HTTP/1.1\r\n${HOST}x-a: ${"a".repeat(70_000)}\r\n\r\n`, 431],
    ["a request line over the limit", `GET /v1/act/${"a".repeat(70_000)} HTTP/1.1\r\n${HOST}\r\n`, 431],
    ["10,000 headers", `GET /v1/act/x HTTP/1.1\r\n${HOST}${"x-a: 12345678\r\n".repeat(10_000)}\r\n`, 431],
    [
      "trailers over the limit",
      `POST /v1/echo HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n${"x-a: 12345678\r\n".repeat(10_000)}\r\n`,
      431,
    ],
  ];

  it("is refused with 400 or 431 in the shape of all errors, one line is logged, and the connection closed", async (t) => {
    const { gateway } = await startKindsGateway(t);
    for (const [why, text, status = 400] of REFUSED) {
      const before = gateway.lines.length;
      const client = open(t, gateway).send(text);
      const reply = await client.reply();
      assert.equal(reply.status, status, `${why}: ${reply.text()}`);
      assert.equal(reasonOf(reply), status === 431 ? "HEADERS_TOO_LARGE" : "HTTP_MALFORMED", why);
      assert.equal(reply.headers["connection"], "close", why);
      client.socket.end();
      assert.equal(await client.closed(), "", `${why}: more came than one reply`);
      assert.equal(gateway.lines.length - before, 1, `${why}: one line is logged`);
      client.close();
    }
  });
});

describe("a request with more than 100 headers", () => {
  it("is refused with 431 and the connection carries on", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const headers = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x-${i}`, "1"]));
    const client = open(t, gateway).send(requestBytes("/v1/act/x", { headers }));
    const reply = await client.reply();
    assert.deepEqual([reply.status, reasonOf(reply)], [431, "TOO_MANY_HEADERS"]);
    assert.equal((await client.send(requestBytes("/v1/act/x")).reply()).status, 200);
    client.close();
  });
});

describe("a request in a form that is rare and right", () => {
  it("is served: absolute form, a fragment, HTTP/1.0, a blank line ahead, odd cases, many headers", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const many = Array.from({ length: 98 }, (_, i) => `x-${i}: ${"a".repeat(300)}\r\n`).join("");
    const rows: readonly (readonly [why: string, text: string])[] = [
      ["absolute form", `GET http://gateway.test/v1/act/x?count=1 HTTP/1.1\r\n${HOST}\r\n`],
      ["absolute form with the default port", `GET http://GATEWAY.test:80/v1/act/x HTTP/1.1\r\n${HOST}\r\n`],
      ["a fragment", `GET /v1/act/x#top HTTP/1.1\r\n${HOST}\r\n`],
      ["HTTP/1.0 without Host", "GET /v1/act/x HTTP/1.0\r\n\r\n"],
      ["an empty Host", "GET /v1/act/x HTTP/1.1\r\nHost:\r\n\r\n"],
      ["IPv6 as Host", "GET /v1/act/x HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"],
      ["a blank line ahead", `\r\nGET /v1/act/x HTTP/1.1\r\n${HOST}\r\n`],
      ["capital letters", "GET /v1/act/x HTTP/1.1\r\nHOST: gateway.test\r\nX-A: 1\r\n\r\n"],
      ["17 KB of one header", `GET /v1/act/x HTTP/1.1\r\n${HOST}x-a: ${"a".repeat(17_000)}\r\n\r\n`],
      ["60 KB of query", `GET /v1/echo/1?fString=${"a".repeat(60_000)} HTTP/1.1\r\n${HOST}\r\n`],
      ["99 headers", `GET /v1/act/x HTTP/1.1\r\n${HOST}${many}\r\n`],
      [
        "an upgrade that is not taken",
        `GET /v1/act/x HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
      ],
      ["a version constraint", `GET /v1/act/x HTTP/1.1\r\n${HOST}Accept-Version: 9\r\n\r\n`],
      ["a method override that is not one", `GET /v1/act/x HTTP/1.1\r\n${HOST}X-HTTP-Method-Override: DELETE\r\n\r\n`],
      ["an expectation that nobody knows", `GET /v1/act/x HTTP/1.1\r\n${HOST}Expect: tea\r\n\r\n`],
    ];
    for (const [why, text] of rows) {
      const client = open(t, gateway).send(text);
      const reply = await client.reply();
      assert.equal(reply.status, 200, `${why}: ${reply.text()}`);
      client.close();
    }
  });

  it("is served with a body by chunks, of any size, with extensions and trailers", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const chunks = [...'{"fString":"ab"}'].map((char) => `1;x="y"\r\n${char}\r\n`).join("");
    const client = open(t, gateway);
    client.send(`POST /v1/echo HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\nx-sum: 1\r\n\r\n`);
    assert.equal((await client.reply()).text(), '{"fString":"ab"}');
    client.send(`POST /v1/echo HTTP/1.1\r\n${HOST}Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n`);
    assert.equal((await client.reply()).text(), "{}");
    client.close();
  });

  it("gets its stream over HTTP/1.0 without chunks, ended by the close", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = open(t, gateway).send("GET /v1/watch/x?count=2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const reply = await client.reply();
    assert.deepEqual([reply.status, reply.headers["transfer-encoding"]], [200, undefined]);
    assert.equal(reply.text(), '{"result":{"name":"x"}}\n{"result":{"name":"x","index":1}}\n');
  });

  it("gets a reply to HEAD wherever GET has one, with the same headers and no body", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = open(t, gateway);
    const headers = { "x-request-id": "same" };
    const get = await client.send(requestBytes("/v1/act/x", { headers })).reply();
    const head = await client.send(requestBytes("/v1/act/x", { method: "HEAD", headers })).reply({ bodiless: true });
    for (const reply of [get, head]) delete (reply.headers as Record<string, string>)["date"];
    assert.deepEqual([head.status, head.headers], [get.status, get.headers]);
    for (const [path, status] of [
      ["/v1/nothing", 404],
      ["/v1/echo", 405],
      ["/v1/watch/x?count=2", 200],
    ] as const) {
      const reply = await client.send(requestBytes(path, { method: "HEAD" })).reply({ bodiless: true });
      assert.equal(reply.status, status);
    }
    assert.equal((await client.send(requestBytes("/v1/act/x")).reply()).status, 200);
    client.close();
  });

  it("is refused with 404 or 405 where no route has its method", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const rows = [
      ["TRACE", "/v1/act/x", 405],
      ["QUERY", "/v1/act/x", 405],
      ["PROPFIND", "/v1/act/x", 405],
      ["M-SEARCH", "/v1/act/x", 405],
      ["TRACE", "/no", 404],
      ["OPTIONS", "/no", 404],
      ["TRACE", "*", 404],
    ] as const;
    const client = open(t, gateway);
    for (const [method, path, status] of rows) {
      const reply = await client.send(requestBytes(path, { method })).reply();
      assert.equal(reply.status, status, method);
      assert.equal(reply.headers["allow"], status === 405 ? "GET, HEAD, OPTIONS, POST" : undefined);
    }
    client.close();
  });

  it("gets the methods of a path, or of all, to OPTIONS, unless a route has that", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = open(t, gateway);
    for (const [path, allow] of [
      ["/v1/act/x", "GET, HEAD, OPTIONS, POST"],
      ["/v1/echo", "OPTIONS, POST"],
      ["*", "GET, HEAD, OPTIONS, PATCH, POST, PUT"],
    ] as const) {
      const reply = await client.send(requestBytes(path, { method: "OPTIONS" })).reply();
      const { allow: methods, "content-length": length, "content-type": type } = reply.headers;
      assert.deepEqual([reply.status, methods, length, type], [204, allow, undefined, undefined], path);
    }
    client.close();
    await until("the access lines", () => gateway.lines.filter((line) => line["status"] === 204).length === 3);
    const { address } = await startKinds(t);
    const yaml = `${kindsYaml(address)}  - { rpc: kinds.v1.Kinds/Act, custom: { kind: OPTIONS, path: "/v1/mine/{name}" } }\n`;
    const reply = await ask(await startTestGateway(t, yaml), "/v1/mine/x", { method: "OPTIONS" });
    assert.equal((reply.json() as { name: string }).name, "x");
  });

  it("is sent to the path without a slash at its end where that is asked for, its query kept", async (t) => {
    const { address } = await startKinds(t);
    const gateway = await startTestGateway(t, `${kindsYaml(address)}routing: { trailing_slash: redirect }\n`);
    for (const method of ["GET", "HEAD", "POST"]) {
      const { status, headers } = await ask(gateway, "/v1/act/x/?count=1&a=%2F", { method });
      assert.deepEqual([status, headers["location"], headers["content-length"]], [308, "/v1/act/x?count=1&a=%2F", "0"]);
    }
  });
});

describe("a path", () => {
  it("is decoded once, by segments, and refused where it is not what it seems", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const rows: readonly (readonly [path: string, status: number, name?: string])[] = [
      ["/v1/act/a%2Fb", 200, "a/b"],
      ["/v1/act/a%252Fb", 200, "a%2Fb"],
      ["/v1/act/%C3%BC", 200, "ü"],
      ["/v1/act/a+b", 200, "a+b"],
      ["/v1/act/a%20b", 200, "a b"],
      ["/v1/act/a;b=c", 200, "a;b=c"],
      ["/v1/act/a\\b", 200, "a\\b"],
      ["/%761/act/x", 200, "x"],
      ["/v1/act/__proto__", 200, "__proto__"],
      ["/v1/act/%zz", 400],
      ["/v1/act/%", 400],
      ["/v1/act/%4", 400],
      ["/v1/act/%ff", 400],
      ["/v1/act/%c0%af", 400],
      ["/v1/act/%00", 400],
      ["/v1/act/..", 400],
      ["/v1/act/%2e%2e", 400],
      ["/v1/act/.%2E/x", 400],
      ["/v1/../v1/act/x", 400],
      ["/v1/act/x/", 404],
      ["/v1/act/", 404],
      ["//v1/act/x", 404],
      ["/v1//act/x", 404],
      ["/V1/act/x", 404],
      ["/", 404],
      ["/v1/act/x?count=%zz", 400],
      ["/v1/act/x?count=%ff", 400],
      ["/v1/act/x?%00=1", 400],
      ["/v1/act/x?count=1&count=2", 400],
      ["/v1/act/x?count", 400],
      ["/v1/act/x?", 200, "x"],
      ["/v1/act/x?&&", 200, "x"],
      ["/v1/act/x?__proto__=1", 400],
    ];
    const client = open(t, gateway);
    for (const [path, status, name] of rows) {
      const reply = await client.send(requestBytes(path)).reply();
      assert.equal(reply.status, status, `${path}: ${reply.text()}`);
      if (name !== undefined) assert.equal((reply.json() as { name: string }).name, name);
    }
    client.close();
  });
});

describe("a body's headers", () => {
  it("decide whether it is read: JSON in UTF-8, as it is", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const rows: readonly (readonly [headers: Record<string, string>, status: number])[] = [
      [{}, 200],
      [{ "content-type": "application/json" }, 200],
      [{ "content-type": "Application/JSON;charset=UTF-8" }, 200],
      [{ "content-type": 'application/json ; charset="utf-8"' }, 200],
      [{ "content-type": "application/json;" }, 200],
      [{ "content-type": "application/merge-patch+json" }, 200],
      [{ "content-encoding": "identity" }, 200],
      [{ "content-type": "application/json; charset=utf-16" }, 415],
      [{ "content-type": "application/json; charset=iso-8859-1" }, 415],
      [{ "content-type": "application/x-www-form-urlencoded" }, 400],
      [{ "content-type": "text/json" }, 415],
      [{ "content-type": "application/jsonx" }, 415],
      [{ "content-type": "application/json, text/plain" }, 415],
      [{ "content-type": "application/json\t\x01" }, 400],
      [{ "content-type": "application/json x" }, 415],
      [{ "content-type": "multipart/form-data; boundary=x" }, 400],
      [{ "content-type": "application/grpc" }, 415],
      [{ "content-type": `application/json;${"a=b;".repeat(5000)}` }, 415],
      [{ "content-encoding": "gzip" }, 400],
      [{ "content-encoding": "identity, br" }, 415],
    ];
    for (const [headers, status] of rows) {
      const reply = await ask(gateway, "/v1/echo", { body: "{}", headers });
      assert.equal(reply.status, status, `${JSON.stringify(headers).slice(0, 100)}: ${reply.text()}`);
    }
  });
});

describe("a connection", () => {
  it("carries on after errors, bodies that nobody wanted included", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = open(t, gateway);
    const rows: readonly (readonly [status: number, path: string, options: Parameters<typeof requestBytes>[1]])[] = [
      [404, "/v1/nothing", { body: "x".repeat(60_000) }],
      [415, "/v1/echo", { body: "x".repeat(60_000), headers: { "content-type": "text/plain" } }],
      [400, "/v1/echo", { body: "{" }],
      [405, "/v1/echo", { method: "DELETE", body: "{}" }],
      [400, "/v1/act/x", { body: "[]" }],
      [200, "/v1/act/x", { body: " {} " }],
      [200, "/v1/watch/x?count=1", {}],
      [200, "/v1/act/x", {}],
    ];
    for (const [status, path, options] of rows) {
      const reply = await client.send(requestBytes(path, options)).reply();
      assert.deepEqual([reply.status, reply.headers["connection"]], [status, "keep-alive"], path);
    }
    client.close();
  });

  it("answers pipelined requests in their order, whatever each takes", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    const pending: (() => void)[] = [];
    const { act } = upstream.behaviour;
    upstream.behaviour.act = (call, reply) => {
      pending.push(() => act(call, reply));
      if (pending.length === 3) for (const run of pending.reverse()) run();
    };
    const client = open(t, gateway);
    client.send(
      Buffer.concat([
        requestBytes("/v1/act/one"),
        requestBytes("/v1/echo", { body: '{"fString":"two"}' }),
        requestBytes("/v1/act/three"),
        requestBytes("/v1/nothing"),
        requestBytes("/v1/watch/five?count=1"),
        requestBytes("/v1/act/six"),
      ]),
    );
    const bodies: unknown[] = [];
    for (let i = 0; i < 6; i++) bodies.push((await client.reply()).text());
    for (const [at, mark] of [
      [0, "one"],
      [1, "two"],
      [2, "three"],
      [3, "no route"],
      [4, "five"],
      [5, "six"],
    ] as const) {
      assert.match(String(bodies[at]), new RegExp(mark));
    }
    client.close();
  });

  it("gives the request in flight its reply where bytes that are no HTTP follow it, then closes", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    const arrived = Promise.withResolvers<() => void>();
    const { act } = upstream.behaviour;
    upstream.behaviour.act = (call, reply) => arrived.resolve(() => act(call, reply));
    const client = open(t, gateway).send(requestBytes("/v1/act/first"));
    const answer = await arrived.promise;
    client.send("this is no HTTP\r\n\r\n");
    // A request on another connection, so that the gateway has read what came on this one.
    assert.equal((await ask(gateway, "/v1/nothing")).status, 404);
    answer();
    const reply = await client.reply();
    assert.deepEqual([reply.status, reply.headers["connection"]], [200, "close"]);
    client.socket.end();
    assert.equal(await client.closed(), "");
  });

  it("is closed where the client asks for it", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = open(t, gateway).send(requestBytes("/v1/act/x", { headers: { connection: "close" } }));
    assert.equal((await client.reply()).headers["connection"], "close");
    assert.equal(await client.closed(), "");
  });
});

describe("Expect: 100-continue", () => {
  const EXPECT = { expect: "100-continue" };

  it("gets 100 when the body is wanted, then the reply", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = open(t, gateway);
    for (let i = 0; i < 2; i++) {
      client.send(requestBytes("/v1/echo", { method: "POST", headers: { ...EXPECT, "content-length": "14" } }));
      assert.equal((await client.reply()).status, 100);
      const reply = await client.send('{"fBool":true}').reply();
      assert.deepEqual([reply.status, reply.text()], [200, '{"fBool":true}']);
    }
    client.close();
  });

  it("gets the refusal and no 100 where the body is not wanted, and the connection is closed", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: "{ limits: { body: 1KiB } }" });
    const rows: readonly (readonly [path: string, headers: Record<string, string>, status: number])[] = [
      ["/v1/echo", { "content-length": "1025" }, 413],
      ["/v1/echo", { "content-length": "10", "content-type": "text/plain" }, 415],
      ["/v1/nothing", { "content-length": "10" }, 404],
      ["/v1/nothing", { "transfer-encoding": "chunked" }, 404],
    ];
    for (const [path, headers, status] of rows) {
      const client = open(t, gateway).send(requestBytes(path, { method: "POST", headers: { ...EXPECT, ...headers } }));
      const reply = await client.reply();
      assert.deepEqual([reply.status, reply.headers["connection"]], [status, "close"]);
      client.socket.end();
      assert.equal(await client.closed(), "");
    }
  });

  it("is not waited for by the gateway where the client sends its body at once", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const client = open(t, gateway).send(requestBytes("/v1/echo", { body: '{"fBool":true}', headers: EXPECT }));
    assert.equal((await client.reply()).status, 100);
    assert.equal((await client.reply()).text(), '{"fBool":true}');
    client.close();
  });
});
