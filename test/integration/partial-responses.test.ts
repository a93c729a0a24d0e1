import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encode, startKindsGateway, type ErrorJson } from "../support/kinds.ts";
import { ask } from "../support/raw-http.ts";

const ON = { defaults: "{ partial_responses: true, json: { emit_defaults: scalars } }" };

describe("partial responses", () => {
  it("are chosen by fields or $fields, which the request does not get", async (t) => {
    const { gateway } = await startKindsGateway(t, ON, {
      act: (call, reply) => {
        assert.equal(call.request.toString("latin1"), "\n\x01x");
        reply(null, encode("Result", { name: "n", index: 3, metadata: { a: "b", c: "d" } }));
      },
    });
    for (const [query, expected] of [
      ["fields=name,metadata(c)", { name: "n", metadata: { c: "d" } }],
      ["%24fields=index", { index: 3 }],
      ["$fields=index&fields=name", { name: "n", index: 3 }],
      ["fields=payload", { payload: "" }],
      ["fields=", { name: "n", index: 3, payload: "", metadata: { a: "b", c: "d" } }],
    ] as const) {
      assert.deepEqual((await ask(gateway, `/v1/act/x?${query}`)).json(), expected, query);
    }
    const refused = await ask(gateway, "/v1/act/x?fields=nam");
    assert.equal(refused.status, 400);
    assert.match(
      (refused.json() as ErrorJson).message,
      /^fields: unknown field "nam" of kinds\.v1\.Result; did you mean "name"\?$/,
    );
  });

  it("hold for each message of a stream, and beside a body", async (t) => {
    const { gateway } = await startKindsGateway(t, ON);
    assert.equal(
      (await ask(gateway, "/v1/watch/x?count=2&fields=index")).text(),
      '{"result":{"index":0}}\n{"result":{"index":1}}\n',
    );
    const body = '{"fString":"a","fMessage":{"fInt32":1}}';
    const reply = await ask(gateway, "/v1/echo?fields=fMessage.fInt32", { body });
    assert.deepEqual(reply.json(), { fMessage: { fInt32: 1 } });
  });

  it("are off by default: the parameter is one of the request", async (t) => {
    const { gateway } = await startKindsGateway(t);
    assert.equal((await ask(gateway, "/v1/act/x?fields=name")).status, 400);
  });
});
