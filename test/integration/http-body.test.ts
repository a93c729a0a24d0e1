import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import { Metadata, status } from "@grpc/grpc-js";
import {
  decode,
  encode,
  metadataOf,
  startKindsGateway,
  type ErrorJson,
  type StreamCall,
  type UploadCall,
} from "../support/kinds.ts";
import { ask, RawClient, requestBytes } from "../support/raw-http.ts";

const EVERY_BYTE = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

function piece(data: Buffer | string, contentType = ""): Buffer {
  return encode("google.api.HttpBody", { contentType, data: Buffer.from(data).toString("base64") });
}

/** A length-delimited field. */
function field(number: number, bytes: Buffer): Buffer {
  assert.ok(number < 16 && bytes.length < 128);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

describe("a reply that is a google.api.HttpBody", () => {
  it("is its bytes, under its type, whatever the client accepts", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const reply = await ask(gateway, "/v1/echoed", {
      headers: { "content-type": "image/png; x=y", accept: "text/html" },
      body: EVERY_BYTE,
    });
    assert.deepEqual([reply.status, reply.headers["content-type"]], [200, "image/png; x=y"]);
    assert.deepEqual(reply.body, EVERY_BYTE);
    assert.equal(reply.headers["content-length"], "256");
  });

  it("is application/octet-stream where it names no type, and empty where it holds nothing", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const reply = await ask(gateway, "/v1/echoed", { method: "POST" });
    assert.deepEqual(
      [reply.status, reply.headers["content-type"], reply.body.length],
      [200, "application/octet-stream", 0],
    );
  });

  it("may be a field of the message; what comes again is merged", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        keep(call, reply) {
          call.sendMetadata(
            metadataOf({ "content-disposition": 'attachment; filename="a.txt"', "content-type-x": "b" }),
          );
          const message = Buffer.concat([
            encode("File", { name: "x" }),
            Buffer.from([0xa2, 0x01, 14]), // content = 20
            field(1, Buffer.from("text/old")), // its type, and one byte less
            field(2, Buffer.from("ab")),
            Buffer.from([0xa2, 0x01, 10]),
            field(1, Buffer.from("text/new")),
          ]);
          reply(null, message);
        },
      },
    );
    const reply = await ask(gateway, "/v1/files/x", { method: "PUT", body: "" });
    assert.deepEqual([reply.status, reply.headers["content-type"], reply.text()], [200, "text/new", "ab"]);
    assert.equal(reply.headers["content-disposition"], 'attachment; filename="a.txt"');
    assert.equal(reply.headers["content-type-x"], undefined);
  });

  for (const [what, bytes, reason] of [
    ["cut short", Buffer.from([0x12, 5, 1]), "the message is cut short"],
    [
      "with a type that no header can hold",
      field(1, Buffer.from("a/b\r\nx: y")),
      "content_type holds what no header can",
    ],
  ] as const) {
    it(`${what} is 502`, async (t) => {
      const { gateway } = await startKindsGateway(
        t,
        {},
        { keep: (_, reply) => reply(null, Buffer.concat([Buffer.from([0xa2, 0x01, bytes.length]), bytes])) },
      );
      const reply = await ask(gateway, "/v1/files/x", { method: "PUT", body: "" });
      assert.equal(reply.status, 502, reply.text());
      assert.match((reply.json() as ErrorJson).message, new RegExp(`${reason}$`));
    });
  }

  it("fails as JSON", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      {},
      { keep: (_, reply) => reply({ code: status.NOT_FOUND, details: "gone" }) },
    );
    const reply = await ask(gateway, "/v1/files/x", { method: "PUT", body: "" });
    assert.deepEqual([reply.status, reply.headers["content-type"]], [404, "application/json"]);
    assert.equal((reply.json() as ErrorJson).message, "gone");
  });
});

describe("a body that is a google.api.HttpBody", () => {
  it("goes into its field with its type, beside path and query", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    let seen: unknown;
    upstream.behaviour.keep = (call, reply) => {
      seen = decode("File", call.request);
      reply(null, call.request);
    };
    const headers = { "content-type": "text/csv; charset=latin1" };
    const reply = await ask(gateway, "/v1/files/a%20b", { headers, body: EVERY_BYTE });
    const content = { contentType: "text/csv; charset=latin1", data: EVERY_BYTE.toString("base64") };
    assert.deepEqual(seen, { name: "a b", content });
    assert.deepEqual([reply.status, reply.json()], [200, { name: "a b", content }]);
  });

  it("of some size arrives whole", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const body = Buffer.alloc(3 << 20, EVERY_BYTE);
    const reply = await ask(gateway, "/v1/echoed", { body });
    assert.ok(reply.body.equals(body));
  });

  it("has no type where the request says none, and is not set where there is no body", async (t) => {
    const { gateway } = await startKindsGateway(t);
    assert.deepEqual((await ask(gateway, "/v1/files/x", { body: "ab" })).json(), {
      name: "x",
      content: { data: "YWI=" },
    });
    assert.deepEqual((await ask(gateway, "/v1/files/x", { method: "POST" })).json(), { name: "x" });
  });

  it("keeps the limit of bodies, takes no coding, and no parameter for what it holds itself", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: "{ limits: { body: 10 } }" });
    for (const [path, options, code] of [
      ["/v1/echoed", { body: "12345678901" }, 413],
      ["/v1/echoed", { body: "x", headers: { "content-encoding": "x" } }, 415],
      ["/v1/echoed?data=eA==", { body: "x" }, 400],
      ["/v1/files/x?content.data=eA==", { body: "x" }, 400],
    ] as const) {
      const reply = await ask(gateway, path, options);
      assert.equal(reply.status, code, `${path} ${reply.text()}`);
    }
  });
});

describe("a stream of google.api.HttpBody", () => {
  it("is one body: the first message's type, the data of all, each as it comes", async (t) => {
    const started = Promise.withResolvers<StreamCall>();
    const { gateway } = await startKindsGateway(t, {}, { load: started.resolve });
    const client = new RawClient(gateway.port).send(requestBytes("/v1/load/x", { headers: { accept: "video/mp4" } }));
    const call = await started.promise;
    call.write(piece("one", "text/plain"));
    await client.until("3\r\none\r\n");
    call.write(piece("", "text/other"));
    call.write(piece(EVERY_BYTE.subarray(128)));
    call.end();
    const reply = await client.reply();
    client.close();
    assert.deepEqual([reply.status, reply.headers["content-type"], reply.complete], [200, "text/plain", true]);
    assert.deepEqual(reply.body, Buffer.concat([Buffer.from("one"), EVERY_BYTE.subarray(128)]));
    assert.equal(reply.headers["vary"], undefined);
  });

  it("without a message is empty", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const reply = await ask(gateway, "/v1/load/x");
    assert.deepEqual(
      [reply.status, reply.headers["content-type"], reply.text()],
      [200, "application/octet-stream", ""],
    );
  });

  it("that fails at once has its status, and later breaks off", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    const fail = (call: StreamCall): boolean =>
      call.emit("error", { code: status.ABORTED, details: "enough", metadata: new Metadata() });
    upstream.behaviour.load = fail;
    assert.equal((await ask(gateway, "/v1/load/x")).status, 409);
    upstream.behaviour.load = (call) => {
      call.write(piece("one"));
      fail(call);
    };
    const reply = await ask(gateway, "/v1/load/x");
    assert.deepEqual([reply.status, reply.text(), reply.complete], [200, "one", false]);
  });
});

describe("a stream of google.api.HttpBody from the client", () => {
  it("is the body of any type in pieces: the first message has the type", async (t) => {
    const seen: unknown[] = [];
    const started = Promise.withResolvers<UploadCall>();
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        upload(call, reply) {
          started.resolve(call);
          call.on("data", (message: Buffer) => seen.push(decode("google.api.HttpBody", message)));
          call.on("end", () => reply(null, encode("Result", { index: seen.length })));
        },
      },
    );
    const client = new RawClient(gateway.port);
    const headers = { "content-type": "image/png; a=b", "transfer-encoding": "chunked" };
    client.send(requestBytes("/v1/upload", { method: "POST", headers })).send("3\r\none\r\n");
    await once(await started.promise, "data");
    client.send("3\r\ntwo\r\n0\r\n\r\n");
    assert.deepEqual((await client.reply()).json(), { index: 2 });
    client.close();
    assert.deepEqual(seen, [{ contentType: "image/png; a=b", data: "b25l" }, { data: "dHdv" }]);
  });

  it("may be a field: the first message has the others, and it is one where the body is empty", async (t) => {
    const seen: unknown[] = [];
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        store(call, reply) {
          call.on("data", (message: Buffer) => seen.push(decode("Attachment", message)));
          call.on("end", () => reply(null, encode("Result", {})));
        },
      },
    );
    const form = { "content-type": "multipart/form-data; boundary=a" };
    await ask(gateway, "/v1/store/t?filename=n", { method: "PUT", headers: form, body: "as it is" });
    assert.deepEqual(seen.splice(0), [
      { tenant: "t", filename: "n", file: { contentType: form["content-type"], data: "YXMgaXQgaXM=" } },
    ]);
    await ask(gateway, "/v1/store/t", { method: "PUT" });
    assert.deepEqual(seen, [{ tenant: "t", file: {} }]);
    assert.equal((await ask(gateway, "/v1/store/t?nothing=1", { method: "PUT", body: "x" })).status, 400);
  });
});
