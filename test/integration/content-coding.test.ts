import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it } from "node:test";
import {
  brotliCompressSync,
  brotliDecompressSync,
  createGzip,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  constants,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import {
  encode,
  metadataOf,
  startKindsGateway,
  type ErrorJson,
  type StreamCall,
  type UnaryCall,
  type UnaryReply,
  type UploadCall,
} from "../support/kinds.ts";
import { ask, RawClient, requestBytes, type AskOptions, type RawReply } from "../support/raw-http.ts";

const ON = { defaults: "{ compression: { enabled: true } }" };
const LONG = "abc ".repeat(1000);

/** A reply of some KB of JSON, or of `text`. */
function say(text: string, headers: Readonly<Record<string, string>> = {}) {
  return {
    act(call: UnaryCall, reply: UnaryReply): void {
      call.sendMetadata(metadataOf(headers));
      reply(null, encode("Result", { name: text }));
    },
  };
}

function codingOf(reply: RawReply): string {
  return reply.headers["content-encoding"] ?? "identity";
}

describe("compression of replies", () => {
  it("is off where the configuration does not ask for it", async (t) => {
    const { gateway } = await startKindsGateway(t, {}, say(LONG));
    const reply = await ask(gateway, "/v1/act/x", { headers: { "accept-encoding": "gzip" } });
    assert.deepEqual([codingOf(reply), reply.headers["vary"]], ["identity", undefined]);
  });

  it("has the coding that the client likes best", async (t) => {
    const { gateway } = await startKindsGateway(t, ON, say(`ä${LONG}`));
    const decode = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync, identity: (b: Buffer) => b };
    const table: readonly (readonly [accept: string | undefined, coding: keyof typeof decode])[] = [
      [undefined, "identity"],
      ["", "identity"],
      ["gzip", "gzip"],
      ["x-gzip", "gzip"],
      ["GZIP;q=0.5, BR ; q=0.4", "gzip"],
      ["gzip, deflate, br", "br"],
      ["gzip, deflate, br, zstd", "zstd"],
      ["*", "zstd"],
      ["*, zstd;q=0", "br"],
      ["gzip;q=0, *;q=0.1", "zstd"],
      ["gzip;q=0.5, identity", "identity"], // it likes that better
      ["gzip, identity", "gzip"],
      ["gzip;q=2", "identity"], // no weight at all
      ["deflate", "identity"],
      ["identity;q=0", "identity"], // a reply all the same
    ];
    for (const [accept, coding] of table) {
      const reply = await ask(gateway, "/v1/act/x", {
        headers: accept === undefined ? {} : { "accept-encoding": accept },
      });
      assert.deepEqual([codingOf(reply), reply.headers["vary"]], [coding, "accept-encoding"], String(accept));
      assert.equal(
        (JSON.parse(decode[coding](reply.body).toString()) as { name: string }).name,
        `ä${LONG}`,
        String(accept),
      );
      if (coding !== "identity") assert.ok(reply.body.length < 200);
    }
  });

  it("leaves small replies, other types, and what must not be transformed", async (t) => {
    const gzip = { "accept-encoding": "gzip" };
    const { gateway, upstream } = await startKindsGateway(t, ON, say("short"));
    const small = await ask(gateway, "/v1/act/x", { headers: gzip });
    assert.deepEqual([codingOf(small), small.headers["vary"]], ["identity", "accept-encoding"]);
    // Where nothing else is acceptable, size does not count.
    assert.equal(
      codingOf(await ask(gateway, "/v1/act/x", { headers: { "accept-encoding": "gzip, identity;q=0" } })),
      "gzip",
    );
    upstream.behaviour.act = say(LONG, { "cache-control": "max-age=9, no-transform" }).act;
    assert.equal(codingOf(await ask(gateway, "/v1/act/x", { headers: gzip })), "identity");
    for (const [type, coding] of [
      ["image/png", "identity"],
      ["text/csv; charset=utf-8", "gzip"],
      ["image/svg+xml", "gzip"],
      ["application/vnd.x+json", "gzip"],
      ["application/zip", "identity"],
    ] as const) {
      const reply = await ask(gateway, "/v1/echoed", { headers: { ...gzip, "content-type": type }, body: LONG });
      assert.deepEqual([codingOf(reply), reply.headers["content-type"]], [coding, type]);
    }
  });

  it("covers failures and large replies, and says in HEAD what GET would", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t, ON, say(LONG.repeat(100)));
    const headers = { "accept-encoding": "gzip" };
    const large = await ask(gateway, "/v1/act/x", { headers });
    assert.equal((JSON.parse(gunzipSync(large.body).toString()) as { name: string }).name.length, LONG.length * 100);
    const head = await ask(gateway, "/v1/act/x", { method: "HEAD", headers });
    assert.deepEqual(
      [head.headers["content-encoding"], head.headers["content-length"]],
      ["gzip", large.headers["content-length"]],
    );
    upstream.behaviour.act = (_, reply) => reply({ code: 5, details: LONG });
    const failed = await ask(gateway, "/v1/act/x", { headers });
    assert.deepEqual([failed.status, codingOf(failed)], [404, "gzip"]);
  });

  it("makes entity tags weak, and knows them again", async (t) => {
    const { gateway } = await startKindsGateway(
      t,
      { defaults: "{ etag: true, compression: { enabled: true } }" },
      say(LONG),
    );
    const gzip = { "accept-encoding": "gzip" };
    const plain = await ask(gateway, "/v1/act/x");
    const weak = await ask(gateway, "/v1/act/x", { headers: gzip });
    assert.equal(weak.headers["etag"], `W/${plain.headers["etag"]}`);
    for (const { etag = "" } of [plain.headers, weak.headers]) {
      const again = await ask(gateway, "/v1/act/x", { headers: { ...gzip, "if-none-match": etag } });
      assert.deepEqual(
        [again.status, again.headers["etag"], again.headers["vary"]],
        [304, etag, "accept, accept-encoding"],
      );
    }
  });
});

describe("compression of streams", () => {
  const config = { defaults: "{ compression: { enabled: true, streams: true } }" };

  it("hands on each message at once", async (t) => {
    const started = Promise.withResolvers<StreamCall>();
    const { gateway } = await startKindsGateway(t, config, { watch: started.resolve });
    for (const coding of ["gzip"]) {
      const reply = fetch(`${gateway.address}/v1/watch/x`, { headers: { "accept-encoding": coding } });
      const call = await started.promise;
      call.write(encode("Result", { name: "one" }));
      const body = (await reply).body?.getReader();
      const text = new TextDecoder();
      assert.equal(text.decode((await body?.read())?.value), '{"result":{"name":"one"}}\n');
      call.write(encode("Result", { name: "two" }));
      assert.equal(text.decode((await body?.read())?.value), '{"result":{"name":"two"}}\n');
      call.end();
      assert.equal((await body?.read())?.done, true);
    }
  });

  for (const coding of ["gzip", "br", "zstd"] as const) {
    it(`is whole in ${coding}, and a failure in the middle is no end`, async (t) => {
      const { gateway, upstream } = await startKindsGateway(t, config);
      const headers = { "accept-encoding": coding, accept: "application/json" };
      const reply = await ask(gateway, "/v1/watch/x?count=3000", { headers });
      const decode = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync }[coding];
      assert.equal((JSON.parse(decode(reply.body).toString()) as unknown[]).length, 3000);
      assert.deepEqual([codingOf(reply), reply.complete], [coding, true]);
      upstream.behaviour.watch = (call) => {
        call.write(encode("Result", { name: "one" }));
        call.emit("error", { code: 9, details: "no" });
      };
      const broken = await ask(gateway, "/v1/watch/x", { headers });
      assert.equal(broken.complete, false);
      const last = await ask(gateway, "/v1/watch/x", { headers: { "accept-encoding": coding } });
      assert.match(decode(last.body).toString(), /^\{"result":\{"name":"one"\}\}\n\{"error":.*"no".*\}\n$/);
    });
  }

  it("are left alone where only unary replies are compressed", async (t) => {
    const { gateway } = await startKindsGateway(t, ON);
    const reply = await ask(gateway, "/v1/watch/x?count=3", { headers: { "accept-encoding": "gzip" } });
    assert.equal(codingOf(reply), "identity");
  });

  it("hold back the upstream while the client does not read", async (t) => {
    const started = Promise.withResolvers<StreamCall>();
    let sent = 0;
    let isBlocked = false;
    const { gateway } = await startKindsGateway(t, config, {
      watch(call) {
        started.resolve(call);
        // Noise, which does not shrink.
        const message = encode("Result", {
          payload: Buffer.from(Array.from({ length: 60_000 }, (_, i) => (i * i * 31) >> (i % 13))).toString("base64"),
        });
        const write = (): void => {
          while (sent < 4000) {
            sent++;
            if (!call.write(message)) {
              isBlocked = true;
              return void call.once("drain", write);
            }
          }
          call.end();
        };
        write();
      },
    });
    const client = new RawClient(gateway.port);
    client.socket.pause();
    client.send(requestBytes("/v1/watch/x", { headers: { "accept-encoding": "br" } }));
    await started.promise;
    for (let before = -1; before !== sent;) {
      before = sent;
      for (let i = 0; i < 20; i++) await ask(gateway, "/v1/act/x");
    }
    assert.ok(isBlocked && sent < 4000, `${sent} messages went to a client that reads nothing`);
    client.close();
  });
});

describe("a compressed body", () => {
  const JSON_BODY = '{"fString":"some text"}';

  it("is read in every coding", async (t) => {
    const { gateway } = await startKindsGateway(t);
    for (const [coding, compress] of [
      ["gzip", gzipSync],
      ["X-Gzip", gzipSync],
      ["deflate", deflateSync],
      ["deflate", deflateRawSync],
      ["br", brotliCompressSync],
      ["zstd", zstdCompressSync],
    ] as const) {
      const options: AskOptions = { headers: { "content-encoding": coding }, body: compress(JSON_BODY) };
      const reply = await ask(gateway, "/v1/echo", options);
      assert.deepEqual([reply.status, reply.text()], [200, JSON_BODY], coding);
    }
    assert.equal((await ask(gateway, "/v1/echo", { headers: { "content-encoding": "br" }, body: "" })).text(), "{}");
  });

  it("is refused where it is broken, unknown or too large when it is whole", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: "{ limits: { body: 1000 } }" });
    for (const [coding, body, status, reason] of [
      ["gzip", "{}", 400, "BODY_ENCODING_INVALID"],
      ["gzip", gzipSync(JSON_BODY).subarray(0, -9), 400, "BODY_ENCODING_INVALID"],
      ["zstd", gzipSync(JSON_BODY), 400, "BODY_ENCODING_INVALID"],
      ["gzip", Buffer.concat([gzipSync(JSON_BODY), Buffer.from("x")]), 400, "BODY_ENCODING_INVALID"],
      ["br", Buffer.concat([brotliCompressSync(JSON_BODY), Buffer.from("x")]), 400, "BODY_ENCODING_INVALID"],
      ["deflate", Buffer.concat([deflateSync(JSON_BODY), Buffer.alloc(900)]), 400, "BODY_ENCODING_INVALID"],
      ["gzip", gzipSync(" ".repeat(1001)), 413, "BODY_TOO_LARGE"],
      ["br", brotliCompressSync(Buffer.alloc(4 << 20)), 413, "BODY_TOO_LARGE"],
      ["gzip, gzip", gzipSync(gzipSync(JSON_BODY)), 415, "UNSUPPORTED_CONTENT_ENCODING"],
      ["snappy", "{}", 415, "UNSUPPORTED_CONTENT_ENCODING"],
    ] as const) {
      const reply = await ask(gateway, "/v1/echo", { headers: { "content-encoding": coding }, body });
      const error = reply.json() as ErrorJson;
      assert.deepEqual([reply.status, error.details.at(-1)?.["reason"]], [status, reason], reply.text());
      if (status === 415) assert.equal(reply.headers["accept-encoding"], "gzip, deflate, br, zstd");
    }
  });

  it("of a stream is read as it comes", async (t) => {
    const started = Promise.withResolvers<UploadCall>();
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        collect(call, reply) {
          started.resolve(call);
          call.on("end", () => reply(null, encode("Result", { name: "done" })));
        },
      },
    );
    const gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
    const client = new RawClient(gateway.port);
    const headers = { "content-encoding": "gzip", "transfer-encoding": "chunked" };
    client.send(requestBytes("/v1/collect", { method: "POST", headers }));
    gzip.on("data", (bytes: Buffer) => {
      client
        .send(`${bytes.length.toString(16)}\r\n`)
        .send(bytes)
        .send("\r\n");
    });
    gzip.write("{}\n");
    const call = await started.promise;
    await once(call, "data");
    gzip.end("{}");
    await once(gzip, "end");
    await once(call, "data");
    client.send("0\r\n\r\n");
    assert.deepEqual((await client.reply()).json(), { name: "done" });
    client.close();
  });

  it("of a stream may be large, but no bomb", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    const headers = { "content-encoding": "gzip" };
    const body = gzipSync('{"fString":"0123456789 0123456789"}\n'.repeat(5000));
    upstream.behaviour.collect = (call, reply) => {
      let count = 0;
      call.on("data", () => count++);
      call.on("end", () => reply(null, encode("Result", { index: count })));
    };
    assert.deepEqual((await ask(gateway, "/v1/collect", { headers, body })).json(), { index: 5000 });
    const bomb = await ask(gateway, "/v1/collect", { headers, body: gzipSync(Buffer.alloc(20 << 20, " ")) });
    assert.equal((bomb.json() as ErrorJson).details.at(-1)?.["reason"], "BODY_EXPANDS_TOO_FAR");
  });
});
