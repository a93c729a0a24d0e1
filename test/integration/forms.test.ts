import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decode, encode, startKindsGateway, type ErrorJson, type UploadCall } from "../support/kinds.ts";
import { ask, RawClient, requestBytes, type RawReply } from "../support/raw-http.ts";

const PAIRS = { "content-type": "application/x-www-form-urlencoded" };
const PARTS = { "content-type": "multipart/form-data; boundary=XyZ" };

function part(headers: string, body: string | Buffer): Buffer {
  return Buffer.concat([Buffer.from(`--XyZ\r\n${headers}\r\n\r\n`), Buffer.from(body), Buffer.from("\r\n")]);
}

function field(name: string, value: string, type?: string): Buffer {
  return part(
    `content-disposition: form-data; name="${name}"${type === undefined ? "" : `\r\ncontent-type: ${type}`}`,
    value,
  );
}

function file(name: string, data: string | Buffer, filename: string, type = "application/octet-stream"): Buffer {
  return part(`Content-Disposition: form-data; name="${name}"; filename="${filename}"\r\nContent-Type: ${type}`, data);
}

function form(...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([...parts, Buffer.from("--XyZ--\r\n")]);
}

function base64(text: string | Buffer): string {
  return Buffer.from(text).toString("base64");
}

function refusal(reply: RawReply): string {
  const error = reply.json() as ErrorJson;
  return `${reply.status} ${String(error.details.at(-1)?.["reason"])} ${error.message}`;
}

describe("a body of application/x-www-form-urlencoded", () => {
  it("sets fields as a query does", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const body =
      "f_string=a+b%26&fInt32=7&f_message.fEnum=RED&r_string=x&r_string=y&m_string[k]=3&r_message[0].f_bool=true" +
      "&w_duration=1.5s&f_bytes=aGk%3D";
    assert.deepEqual((await ask(gateway, "/v1/echo", { headers: PAIRS, body })).json(), {
      fString: "a b&",
      fInt32: 7,
      fMessage: { fEnum: "RED" },
      rString: ["x", "y"],
      mString: { k: 3 },
      rMessage: [{ fBool: true }],
      wDuration: "1.500s",
      fBytes: "aGk=",
    });
    assert.deepEqual((await ask(gateway, "/v1/echo", { headers: PAIRS, body: "" })).json(), {});
  });

  it("sets the fields of a message that is the body, beside path and query", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const reply = await ask(gateway, "/v1/echo/p?f_bool=true", {
      method: "PUT",
      headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
      body: "f_string=inner&f_message.f_int32=1",
    });
    assert.deepEqual(reply.json(), {
      fString: "p",
      fBool: true,
      fMessage: { fString: "inner", fMessage: { fInt32: 1 } },
    });
  });

  it("fills the update mask of a PATCH", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const reply = await ask(gateway, "/v1/attach/t", {
      method: "PATCH",
      headers: PAIRS,
      body: "action.name=x&labels[a]=b&filename=",
    });
    assert.deepEqual(reply.json(), {
      tenant: "t",
      inner: { action: { name: "x" }, labels: { a: "b" } },
      updateMask: "action.name,labels,filename",
    });
  });

  it("is one message of a stream", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const reply = await ask(gateway, "/v1/collect", { headers: PAIRS, body: "f_string=a" });
    assert.deepEqual(reply.json(), { name: "a", index: 1 });
  });

  for (const [what, body, expected] of [
    [
      "an unknown field",
      "f_strin=a",
      /^400 FIELD_UNKNOWN f_strin: unknown field "f_strin"; did you mean "f_string"\?$/,
    ],
    ["a bad value", "fInt32=x", /^400 FIELD_INVALID fInt32: expected an int32, got "x"$/],
    ["one field twice", "fInt32=1&f_int32=2", /^400 FIELD_INVALID f_int32: given twice$/],
    ["bad percent-encoding", "f_string=%ff", /^400 FIELD_INVALID f_string: percent-encoding is not valid UTF-8$/],
    ["no name", "=a", /^400 FIELD_UNKNOWN body: unknown field ""$/],
    ["JSON", '{"fString":"a"}', /^400 FORM_MALFORMED .* looks like JSON/],
    ["too many pairs", "r_int32=1&".repeat(1001), /^400 FIELD_INVALID body: more than 1000 parameters$/],
  ] as const) {
    it(`is refused for ${what}`, async (t) => {
      const { gateway } = await startKindsGateway(t);
      assert.match(refusal(await ask(gateway, "/v1/echo", { headers: PAIRS, body })), expected);
    });
  }

  it("is refused where forms are off, or the body is no message", async (t) => {
    const { gateway } = await startKindsGateway(t, { defaults: "{ request: { forms: off } }" });
    for (const headers of [PAIRS, PARTS]) {
      assert.match(refusal(await ask(gateway, "/v1/echo", { headers, body: "a=b" })), /^415 UNSUPPORTED_MEDIA_TYPE/);
    }
  });
});

describe("a body of multipart/form-data", () => {
  it("sets fields from text, JSON and files", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
    const body = form(
      field("tenant", "ä\r\n-", "text/plain; charset=UTF-8"),
      file("file", "<p>", "ignored.html", "text/html; charset=latin1"),
      file("data", every, "C:\\temp\\a%22b.bin"),
      field("action", '{"name":"x","count":3}', "application/json"),
      field("labels[k]", "v"),
      file("pages", "one", "1.txt", "text/plain"),
      file("pages", "", "2.txt", "text/plain"),
      field("actions", '{"name":"a"}', "application/json"),
      file("actions", '[{"name":"b"}, {}]', "blob", "application/json"), // as FormData sends a Blob
      field("inner.action.name", "deep"),
      file("inner.data", "d", "inner.txt"),
      field("inner.actions", "[]", "application/vnd.x+json"),
    );
    assert.deepEqual((await ask(gateway, "/v1/attach", { headers: PARTS, body })).json(), {
      tenant: "ä\r\n-",
      filename: 'a"b.bin',
      data: every.toString("base64"),
      file: { contentType: "text/html; charset=latin1", data: base64("<p>") },
      action: { name: "x", count: 3 },
      labels: { k: "v" },
      pages: [base64("one"), ""],
      pagesFilename: ["1.txt", "2.txt"],
      actions: [{ name: "a" }, { name: "b" }, {}],
      inner: { action: { name: "deep" }, filename: "inner.txt", data: base64("d") },
    });
  });

  it("takes base64 for bytes from a part that is no file, as a query does", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const body = form(field("data", "aGk"), field("file", "text"));
    assert.deepEqual((await ask(gateway, "/v1/attach", { headers: PARTS, body })).json(), {
      data: "aGk=",
      file: { data: base64("text") },
    });
  });

  it("may come from fetch, for a message that is the body", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const data = new FormData();
    data.append("data", new Blob(["hi"]), "ö.txt");
    data.append("action", new Blob(['{"count":2}'], { type: "application/json" }));
    data.append("tenant", 'quote " and\nline');
    const reply = await fetch(`${gateway.address}/v1/attach/t`, { method: "POST", body: data });
    assert.deepEqual(await reply.json(), {
      tenant: "t",
      inner: { data: "aGk=", filename: "ö.txt", action: { count: 2 }, tenant: 'quote " and\r\nline' },
    });
  });

  for (const [what, body, expected] of [
    ["an unknown field", form(field("tenan", "x")), /^400 FIELD_UNKNOWN tenan: unknown field .* mean "tenant"\?$/],
    ["an unknown file", form(file("tenan", "x", "a")), /^400 FIELD_UNKNOWN tenan: /],
    [
      "an unknown field of JSON",
      form(field("action", '{"nam":1}', "application/json")),
      /^400 FIELD_UNKNOWN part "action": action.nam: unknown field/,
    ],
    [
      "bad JSON",
      form(field("action", "{", "application/json")),
      /^400 BODY_MALFORMED part "action": .*line 1, column 2/,
    ],
    ["one field twice", form(field("tenant", "x"), field("tenant", "x")), /^400 FIELD_INVALID tenant: given twice$/],
    ["one file twice", form(file("data", "x", "a"), file("data", "x", "a")), /^400 FIELD_INVALID data: given twice$/],
    ["a file for text", form(file("tenant", "x", "a")), /^400 FIELD_INVALID tenant: takes no file;/],
    [
      "a bad charset",
      form(field("tenant", "x", "text/plain; charset=latin1")),
      /^400 FIELD_INVALID tenant: charset "latin1"/,
    ],
    [
      "text that is not UTF-8",
      form(part('content-disposition: form-data; name="tenant"', Buffer.from([0xff]))),
      /^400 FIELD_INVALID tenant: not UTF-8$/,
    ],
    [
      "a part without a name",
      form(part("content-disposition: form-data", "x")),
      /^400 FORM_MALFORMED .*part 1 has no name$/,
    ],
    [
      "a part without a disposition",
      form(part("content-type: text/plain", "x")),
      /^400 FORM_MALFORMED .*part 1 has no content-disposition$/,
    ],
    [
      "two names",
      form(part('content-disposition: form-data; name="a"; name="b"', "x")),
      /^400 FORM_MALFORMED .*content-disposition of part 1/,
    ],
    [
      "a transfer encoding",
      form(part('content-disposition: form-data; name="tenant"\r\ncontent-transfer-encoding: base64', "x")),
      /^400 FIELD_INVALID tenant: content-transfer-encoding/,
    ],
    [
      "an end too early",
      Buffer.from('--XyZ\r\ncontent-disposition: form-data; name="tenant"\r\n\r\nx\r\n--XyZ'),
      /^400 FORM_MALFORMED .*ends before its closing boundary$/,
    ],
    [
      "headers without an end",
      form(Buffer.from('--XyZ\r\ncontent-disposition: form-data; name="tenant"\r\n')),
      /^400 FORM_MALFORMED .*part 1 ends within its headers$/,
    ],
    ["no part at all", Buffer.from("nothing"), /^400 FORM_MALFORMED .*ends before/],
    [
      "too many parts",
      form(...Array<Buffer>(1001).fill(field("pages", ""))),
      /^400 FORM_MALFORMED .*more than 1000 parts$/,
    ],
    [
      "a long name",
      form(field("x".repeat(1025), "")),
      /^400 FORM_MALFORMED .*name of part 1 is longer than 1024 bytes$/,
    ],
    [
      "long headers",
      form(part(`content-disposition: form-data; name="tenant"\r\nx: ${"y".repeat(16384)}`, "")),
      /^400 FORM_MALFORMED .*headers of part 1 are longer than 16384/,
    ],
    [
      "far too long headers",
      form(part(`x: ${"y".repeat(99384)}\r\ncontent-disposition: form-data; name="tenant"`, "")),
      /^400 FORM_MALFORMED .*headers of part 1 are longer than 16384/,
    ],
  ] as const) {
    it(`is refused for ${what}`, async (t) => {
      const { gateway } = await startKindsGateway(t);
      assert.match(refusal(await ask(gateway, "/v1/attach", { headers: PARTS, body })), expected);
    });
  }

  it("keeps the limit of bodies, and names its boundary", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: "{ limits: { body: 200 } }" });
    const body = form(file("data", "x".repeat(200), "a"));
    assert.match(refusal(await ask(gateway, "/v1/attach", { headers: PARTS, body })), /^413 BODY_TOO_LARGE/);
    for (const boundary of ["", "; ", "; boundary=", `; boundary=${"x".repeat(71)}`, '; boundary="a\\"']) {
      const headers = { "content-type": `multipart/form-data${boundary}` };
      assert.match(
        refusal(await ask(gateway, "/v1/attach", { headers, body: "x" })),
        /^400 FORM_MALFORMED .*boundary$/,
      );
    }
  });
});

/** The messages that a stream brings, as JSON. */
function messagesOf(call: UploadCall): Promise<unknown[]> {
  const { promise, resolve } = Promise.withResolvers<unknown[]>();
  const messages: unknown[] = [];
  call.on("data", (message: Buffer) => messages.push(decode("Attachment", message)));
  call.on("end", () => resolve(messages));
  return promise;
}

async function store(t: Parameters<typeof startKindsGateway>[0], path: string, body: Buffer): Promise<unknown[]> {
  const seen = Promise.withResolvers<unknown[]>();
  const { gateway } = await startKindsGateway(
    t,
    {},
    {
      store(call, reply) {
        void messagesOf(call).then((messages) => {
          seen.resolve(messages);
          reply(null, encode("Result", {}));
        });
      },
    },
  );
  const reply = await ask(gateway, path, { headers: PARTS, body });
  assert.equal(reply.status, 200, reply.text());
  return seen.promise;
}

describe("multipart/form-data as a stream of messages", () => {
  it("is the fields, then the file, in pieces that hold nothing else", async (t) => {
    const body = form(
      field("labels[a]", "b"),
      field("action", '{"count":1}', "application/json"),
      file("file", "content", "a.png", "image/png"),
      field("action.name", "late"),
      file("data", "more", "b.txt"),
      file("data", "", "c.txt"),
    );
    assert.deepEqual(await store(t, "/v1/store/t", body), [
      { tenant: "t", labels: { a: "b" }, action: { count: 1 } },
      { filename: "a.png", file: { contentType: "image/png", data: base64("content") } },
      { action: { name: "late" } },
      { filename: "b.txt", data: base64("more") },
      { filename: "c.txt" },
    ]);
  });

  it("sets the field that is the body", async (t) => {
    const body = form(file("data", "x", "a"), field("inner.filename", "y"));
    assert.deepEqual(await store(t, "/v1/inner/t", body), [
      { tenant: "t" },
      { inner: { filename: "a", data: base64("x") } },
      { inner: { inner: { filename: "y" } } },
    ]);
    assert.deepEqual(await store(t, "/v1/inner/t", form()), [{ tenant: "t" }]);
  });

  it("goes on piece by piece, before its end has come", async (t) => {
    const started = Promise.withResolvers<UploadCall>();
    const { gateway } = await startKindsGateway(
      t,
      {},
      {
        store(call, reply) {
          started.resolve(call);
          call.on("end", () => reply(null, encode("Result", { name: "done" })));
        },
      },
    );
    const client = new RawClient(gateway.port);
    const body = form(file("data", `${"x".repeat(70_000)}\r\n--Xy`, "a"));
    const head = { method: "POST", headers: { ...PARTS, "content-length": String(body.length) } };
    client.send(requestBytes("/v1/store/t", head)).send(body.subarray(0, 60_000));
    const call = await started.promise;
    const messages: { tenant?: string; data?: string }[] = [];
    await new Promise<void>((resolve) => {
      call.on("data", (message: Buffer) => {
        messages.push(decode("Attachment", message) as { data?: string });
        if (messages.length === 2) resolve();
      });
    });
    client.send(body.subarray(60_000));
    assert.deepEqual((await client.reply()).json(), { name: "done" });
    client.close();
    assert.deepEqual(messages[0], { tenant: "t" });
    const data = Buffer.concat(messages.map((message) => Buffer.from(message.data ?? "", "base64")));
    assert.equal(data.toString(), `${"x".repeat(70_000)}\r\n--Xy`);
  });

  it("cancels its call where it goes wrong", async (t) => {
    for (const [body, expected] of [
      [form(file("data", "x", "a"), field("tenan", "x")), /^400 FIELD_UNKNOWN tenan: /],
      [form(file("data", "x", "a")).subarray(0, -8), /^400 FORM_MALFORMED .*ends before its closing boundary$/],
      [form(field("tenant", "x".repeat(5 << 20))), /^413 BODY_TOO_LARGE/],
    ] as const) {
      const cancelled = Promise.withResolvers<void>();
      const { gateway } = await startKindsGateway(
        t,
        {},
        {
          store(call) {
            call.on("cancelled", cancelled.resolve);
            call.resume();
          },
        },
      );
      assert.match(refusal(await ask(gateway, "/v1/store/t", { headers: PARTS, body })), expected);
      await cancelled.promise;
    }
  });
});
