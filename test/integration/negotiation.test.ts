import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encode, metadataOf, startKindsGateway, type ErrorJson } from "../support/kinds.ts";
import { ask, RawClient, requestBytes } from "../support/raw-http.ts";

describe("Accept of a request for one message", () => {
  for (const accept of [undefined, "*/*", "application/json", "application/*;q=0.1", "text/html, */*;q=0.8"]) {
    it(`${accept ?? "nothing"}: answers with JSON`, async (t) => {
      const { gateway } = await startKindsGateway(t);
      const reply = await ask(gateway, "/v1/act/x", { headers: accept === undefined ? {} : { accept } });
      assert.deepEqual([reply.status, reply.headers["content-type"]], [200, "application/json"]);
    });
  }

  for (const accept of ["text/html", "application/json;q=0", "text/event-stream", "application/problem+json"]) {
    it(`${accept}: 406, and no call`, async (t) => {
      const { gateway } = await startKindsGateway(
        t,
        {},
        {
          act() {
            assert.fail("called");
          },
        },
      );
      const reply = await ask(gateway, "/v1/act/x", { headers: { accept }, body: "{}" });
      assert.equal(reply.status, 406);
      const { details } = reply.json() as ErrorJson;
      assert.equal(details.at(-1)?.["reason"], "NOT_ACCEPTABLE");
    });
  }
});

describe("application/problem+json (RFC 9457)", () => {
  const accept = "application/json, application/problem+json";

  it("is a failure of the upstream's where Accept names it, with its code and details", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    const details = encode("google.rpc.Status", {
      code: 5,
      message: "no such thing",
      details: [{ "@type": "type.googleapis.com/kinds.v1.Reason", text: "gone für immer" }],
    });
    upstream.behaviour.act = (_, reply) =>
      reply({
        code: 5,
        details: "no such thing",
        metadata: metadataOf({ "grpc-status-details-bin": details, "x-trailer": "two" }),
      });
    const reply = await ask(gateway, "/v1/act/x", { headers: { accept } });
    assert.deepEqual([reply.status, reply.headers["content-type"]], [404, "application/problem+json"]);
    assert.equal(reply.headers["x-trailer"], "two");
    assert.deepEqual(reply.json(), {
      type: "about:blank",
      title: "Not Found",
      status: 404,
      detail: "no such thing",
      code: 5,
      details: [{ "@type": "type.googleapis.com/kinds.v1.Reason", text: "gone für immer" }],
    });
    assert.equal((await ask(gateway, "/v1/act/x")).headers["content-type"], "application/json");
  });

  it("has the gateway's code and violations as details, with and without a route", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const unknown = await ask(gateway, "/v1/act/x?nothing=1", { headers: { accept } });
    assert.deepEqual([unknown.status, unknown.headers["content-type"]], [400, "application/problem+json"]);
    const { details, ...rest } = unknown.json() as ErrorJson & { detail: string };
    assert.deepEqual(rest, {
      type: "about:blank",
      title: "Bad Request",
      status: 400,
      detail: rest.detail,
      code: 3,
    });
    assert.match(rest.detail, /^nothing: /);
    assert.deepEqual(
      details.map((detail) => detail["reason"] ?? detail["@type"]),
      ["type.googleapis.com/google.rpc.BadRequest", "FIELD_UNKNOWN"],
    );
    const nowhere = await ask(gateway, "/nowhere", { headers: { accept } });
    assert.deepEqual([nowhere.status, nowhere.headers["content-type"]], [404, "application/problem+json"]);
    const stream = await ask(gateway, "/v1/watch/x?nothing=1", { headers: { accept } });
    assert.deepEqual([stream.status, stream.headers["content-type"]], [400, "application/problem+json"]);
  });

  it("is titled by the code where HTTP has no words for a status", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t);
    upstream.behaviour.act = (_, reply) => reply({ code: 1, details: "" });
    const reply = await ask(gateway, "/v1/act/x", { headers: { accept } });
    const { title, status } = reply.json() as { title: string; status: number };
    assert.deepEqual([reply.status, status, title], [499, 499, "CANCELLED"]);
  });
});

describe("application/json; indent=2", () => {
  it("is a reply for human eyes", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const body = '{"fString":"ü","rInt32":[1,2]}';
    for (const [accept, text] of [
      ["application/json; indent=2", '{\n  "fString": "ü",\n  "rInt32": [\n    1,\n    2\n  ]\n}'],
      ["application/json", '{"fString":"ü","rInt32":[1,2]}'],
    ] as const) {
      const reply = await ask(gateway, "/v1/echo", { headers: { accept }, body });
      assert.deepEqual([reply.text(), reply.headers["content-type"]], [text, "application/json"]);
    }
  });
});

describe("etag: true", () => {
  it("gives replies to GET a tag, and 304 to whoever has it", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t, { act: "etag: true" });
    let name = "one";
    upstream.behaviour.act = (call, reply) => {
      call.sendMetadata(metadataOf({ "x-shelf": "a" }));
      reply(null, encode("Result", { name }));
    };
    const get = (tag?: string) =>
      ask(gateway, "/v1/act/x", tag === undefined ? {} : { headers: { "if-none-match": tag } });
    const first = await get();
    const tag = first.headers["etag"] ?? "";
    assert.match(tag, /^"[\w-]+"$/);
    assert.deepEqual([first.status, first.headers["vary"], first.text()], [200, "accept", '{"name":"one"}']);

    const client = new RawClient(gateway.port);
    for (const known of [tag, `W/${tag}`, `"other", ${tag}`, "*"]) {
      client.send(requestBytes("/v1/act/x", { headers: { "if-none-match": known } }));
      const reply = await client.reply();
      assert.deepEqual([reply.status, reply.headers["etag"], reply.headers["x-shelf"]], [304, tag, "a"]);
      for (const absent of ["content-type", "content-length", "transfer-encoding"]) {
        assert.equal(reply.headers[absent], undefined, absent);
      }
    }
    client.close();

    name = "two";
    const changed = await get(tag);
    assert.equal(changed.status, 200);
    assert.notEqual(changed.headers["etag"], tag);
    const head = await ask(gateway, "/v1/act/x", { method: "HEAD" });
    assert.equal(head.headers["etag"], changed.headers["etag"]);
    const post = await ask(gateway, "/v1/act/x", { method: "POST", headers: { "if-none-match": "*" } });
    assert.deepEqual([post.status, post.headers["etag"]], [200, undefined]);
  });

  it("takes the upstream's own tag", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t, { act: "etag: true" });
    upstream.behaviour.act = (call, reply) => {
      call.sendMetadata(metadataOf({ etag: 'W/"7"' }));
      reply(null, encode("Result", {}));
    };
    const reply = await ask(gateway, "/v1/act/x", { headers: { "if-none-match": '"7"' } });
    assert.deepEqual([reply.status, reply.headers["etag"]], [304, 'W/"7"']);
  });

  it("is off by default, and gives a failure no tag", async (t) => {
    const off = await startKindsGateway(t);
    assert.equal((await ask(off.gateway, "/v1/act/x")).headers["etag"], undefined);
    const on = await startKindsGateway(t, { act: "etag: true" });
    on.upstream.behaviour.act = (_, reply) => reply({ code: 5, details: "gone" });
    const reply = await ask(on.gateway, "/v1/act/x", { headers: { "if-none-match": "*" } });
    assert.deepEqual([reply.status, reply.headers["etag"]], [404, undefined]);
  });
});
