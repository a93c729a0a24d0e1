import assert from "node:assert/strict";
import { once } from "node:events";
import { constants, createServer, type ServerHttp2Stream } from "node:http2";
import { createServer as createTcpServer, type AddressInfo } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { encode, kindsYaml, type ErrorJson } from "../support/kinds.ts";
import { ask } from "../support/raw-http.ts";

/** One gRPC message in its frame. */
function frame(message: Buffer, flags = 0): Buffer {
  const head = Buffer.alloc(5);
  head[0] = flags;
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const GRPC = { ":status": 200, "content-type": "application/grpc" };
const MESSAGE = frame(encode("Result", { name: "x" }));

/** A gateway in front of an HTTP/2 server that does with each stream what it is told. */
async function startFaulty(
  t: TestContext,
  serve: (stream: ServerHttp2Stream) => void,
): Promise<{ gateway: TestGateway; address: string }> {
  const server = createServer();
  server.on("stream", (stream: ServerHttp2Stream) => {
    stream.on("error", () => {});
    stream.resume();
    serve(stream);
  });
  server.on("sessionError", () => {});
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => sessions.add(session));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { gateway: await startTestGateway(t, kindsYaml(address)), address };
}

function finish(stream: ServerHttp2Stream, trailers: Record<string, string>, messages: readonly Buffer[]): void {
  stream.respond(GRPC, { waitForTrailers: true });
  stream.on("wantTrailers", () => stream.sendTrailers(trailers));
  for (const message of messages) stream.write(message);
  stream.end();
}

interface Fault {
  readonly what: string;
  readonly serve: (stream: ServerHttp2Stream) => void;
  readonly http: number;
  readonly code: number;
  readonly reason?: string;
}

// http-grpc-status-mapping.md of gRPC, and what is left of the protocol when a server breaks it.
const FAULTS: readonly Fault[] = [
  {
    what: "a page of an HTTP server with status 200",
    serve(stream) {
      stream.respond({ ":status": 200, "content-type": "text/html" });
      stream.end("<html>it works</html>");
    },
    http: 502,
    code: 13,
    reason: "UPSTREAM_PROTOCOL",
  },
  ...(
    [
      [400, 500, 13],
      [401, 401, 16],
      [403, 403, 7],
      [404, 501, 12],
      [429, 503, 14],
      [502, 503, 14],
      [503, 503, 14],
      [504, 503, 14],
      [500, 500, 2],
    ] as const
  ).map(([status, http, code]) => ({
    what: `HTTP ${status} without grpc-status`,
    serve(stream: ServerHttp2Stream) {
      stream.respond({ ":status": status, "content-type": "text/html" });
      stream.end("<html>no</html>");
    },
    http,
    code,
    reason: "UPSTREAM_HTTP",
  })),
  {
    what: "502 without a body",
    serve: (stream) => stream.respond({ ":status": 502 }, { endStream: true }),
    http: 503,
    code: 14,
    reason: "UPSTREAM_HTTP",
  },
  {
    what: "a stream reset with CANCEL, which is no cancel of the client's",
    serve: (stream) => stream.close(constants.NGHTTP2_CANCEL),
    http: 503,
    code: 14,
    reason: "UPSTREAM_CANCELLED",
  },
  {
    what: "CANCELLED of its own",
    serve: (stream) => stream.respond({ ...GRPC, "grpc-status": "1" }, { endStream: true }),
    http: 499,
    code: 1,
  },
  {
    what: "a reply without grpc-status",
    serve: (stream) => finish(stream, { "x-other": "1" }, [MESSAGE]),
    http: 502,
    code: 13,
    reason: "UPSTREAM_PROTOCOL",
  },
  {
    what: "a reply without trailers",
    serve(stream) {
      stream.respond(GRPC);
      stream.end(MESSAGE);
    },
    http: 502,
    code: 13,
    reason: "UPSTREAM_PROTOCOL",
  },
  {
    what: "status OK without a message",
    serve: (stream) => finish(stream, { "grpc-status": "0" }, []),
    http: 502,
    code: 13,
    reason: "UPSTREAM_PROTOCOL",
  },
  {
    what: "two messages in answer to a unary call",
    serve: (stream) => finish(stream, { "grpc-status": "0" }, [MESSAGE, MESSAGE]),
    http: 502,
    code: 13,
    reason: "UPSTREAM_PROTOCOL",
  },
  {
    what: "a stream reset in the middle of a message",
    serve(stream) {
      stream.respond(GRPC);
      stream.write(MESSAGE.subarray(0, 6));
      setImmediate(() => stream.close(constants.NGHTTP2_PROTOCOL_ERROR));
    },
    http: 502,
    code: 13,
    reason: "UPSTREAM_PROTOCOL",
  },
  {
    what: "a message said to be compressed that is not",
    serve(stream) {
      stream.respond({ ...GRPC, "grpc-encoding": "gzip" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(frame(Buffer.from("not gzip"), 1));
    },
    http: 502,
    code: 13,
    reason: "UPSTREAM_PROTOCOL",
  },
  {
    what: "INTERNAL of its own, which is not the gateway's to judge",
    serve(stream) {
      stream.respond({ ...GRPC, "grpc-status": "13", "grpc-message": "it%20broke" }, { endStream: true });
    },
    http: 500,
    code: 13,
  },
  {
    what: "a failure in trailers after a message",
    serve: (stream) => finish(stream, { "grpc-status": "10", "grpc-message": "late" }, [MESSAGE]),
    http: 409,
    code: 10,
  },
  {
    what: "a grpc-status that gRPC does not define",
    serve: (stream) => stream.respond({ ...GRPC, "grpc-status": "77" }, { endStream: true }),
    http: 500,
    code: 2,
  },
];

describe("an upstream that answers with", () => {
  for (const { what, serve, http, code, reason } of FAULTS) {
    it(`${what}: ${http}, code ${code}`, async (t) => {
      const { gateway, address } = await startFaulty(t, serve);
      const reply = await ask(gateway, "/v1/act/x");
      const json = reply.json() as ErrorJson;
      assert.deepEqual([reply.status, json.code, json.details.at(-1)?.["reason"]], [http, code, reason], reply.text());
      assert.ok(!reply.text().includes(address.split(":")[1] ?? ""));
      assert.ok(!reply.text().includes("html"));
      const lines = gateway.lines.filter((line) => line["msg"] === "request");
      assert.deepEqual(
        lines.map((line) => line["status"]),
        [http],
      );
      assert.notEqual(lines[0]?.["cause"], "[object Object]");
    });
  }

  it("a stream cut after its first message: a last line with code 13, status 200 being out", async (t) => {
    const { gateway } = await startFaulty(t, (stream) => {
      stream.respond(GRPC);
      stream.write(MESSAGE);
      setImmediate(() => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
    });
    const reply = await ask(gateway, "/v1/watch/x");
    const [first = "", last = ""] = reply.text().trimEnd().split("\n");
    assert.deepEqual([reply.status, first], [200, '{"result":{"name":"x"}}']);
    assert.equal((JSON.parse(last) as { error: ErrorJson }).error.code, 13);
    assert.ok(reply.complete);
  });

  it("a connection closed under a call that may have been processed: 503, once", async (t) => {
    let calls = 0;
    const { gateway } = await startFaulty(t, (stream) => {
      calls++;
      stream.session?.destroy();
    });
    const reply = await ask(gateway, "/v1/act/x", { method: "POST" });
    assert.equal(reply.status, 503);
    assert.equal((reply.json() as ErrorJson).details.at(-1)?.["reason"], "UPSTREAM_CONNECTION_LOST");
    assert.equal(calls, 1);
  });

  it("silence from the start: the gateway starts, and requests are 503 within their time", async (t) => {
    const server = createTcpServer(() => {});
    const sockets = new Set<{ destroy(): void }>();
    server.on("connection", (socket) => sockets.add(socket));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    t.after(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const gateway = await startTestGateway(t, kindsYaml(address, { defaults: "{ timeout: 150ms }" }));
    const reply = await ask(gateway, "/v1/act/x");
    assert.deepEqual([reply.status, reply.headers["retry-after"]], [503, "1"]);
  });
});
