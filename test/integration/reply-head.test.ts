import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { encode, kindsYaml, metadataOf, startKinds, type Behaviour } from "../support/kinds.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { ask } from "../support/raw-http.ts";

/** A gateway with one more route: `POST /v1/made` to Echo, by this policy. */
async function start(
  t: TestContext,
  policy: string,
  { defaults = "{}", ...behaviour }: Partial<Behaviour> & { defaults?: string } = {},
): Promise<TestGateway> {
  const upstream = await startKinds(t, behaviour);
  const route = `  - { rpc: kinds.v1.Kinds/Echo, post: /v1/made, body: "*", ${policy} }\n`;
  return startTestGateway(t, kindsYaml(upstream.address, { defaults }) + route);
}

function make(gateway: TestGateway, json: object, headers: Record<string, string> = {}) {
  return ask(gateway, "/v1/made", { method: "POST", headers, body: JSON.stringify(json) });
}

describe("response: { status, headers }", () => {
  it("is 201 with the location of what was made", async (t) => {
    const gateway = await start(
      t,
      'response: { status: 201, headers: { Location: "/v1/{f_string}?at={w_timestamp}&n={f_message.f_int64}", x-n: "n={f_int32}" } }',
    );
    const reply = await make(gateway, {
      fString: "shelves/1/books/ü b?#%",
      wTimestamp: "2024-01-02T03:04:05Z",
      fMessage: { fInt64: "9007199254740993" },
    });
    assert.deepEqual(
      [reply.status, reply.headers["location"], reply.headers["x-n"], reply.headers["content-type"]],
      [
        201,
        "/v1/shelves/1/books/%C3%BC%20b%3F%23%25?at=2024-01-02T03:04:05Z&n=9007199254740993",
        "n=0",
        "application/json",
      ],
    );
    assert.equal((reply.json() as { fString: string }).fString, "shelves/1/books/ü b?#%");
  });

  it("leaves a header out of which a field is empty, or which is longer than any", async (t) => {
    const gateway = await start(t, 'response: { headers: { location: "/v1/{f_string}", x-opt: "{f_optional}" } }');
    for (const fString of ["", "x".repeat(5000)]) {
      const { headers, status } = await make(gateway, { fString });
      assert.deepEqual([status, headers["location"], headers["x-opt"]], [200, undefined, undefined]);
    }
    assert.equal((await make(gateway, { fOptional: 0 })).headers["x-opt"], "0");
  });

  it("lets nothing out of its header, and nobody to another host", async (t) => {
    const gateway = await start(
      t,
      'response: { headers: { location: "/{f_string}", x-text: "{f_string}", content-disposition: "attachment; filename=\\"{f_string}\\"" } }',
    );
    const { headers, rawHeaders } = await make(gateway, { fString: '/evil.example\\\r\nset-cookie: a="b\u0000ü' });
    assert.equal(headers["location"], "/%2Fevil.example%5C%0D%0Aset-cookie:%20a=%22b%00%C3%BC");
    assert.equal(headers["x-text"], '/evil.example\\%0D%0Aset-cookie: a="b%00%C3%BC');
    assert.equal(
      headers["content-disposition"],
      'attachment; filename="/evil.example%5C%0D%0Aset-cookie: a=%22b%00%C3%BC"',
    );
    assert.ok(!rawHeaders.some((line) => /^set-cookie/i.test(line)));
  });

  it("takes a field in front for a whole URI", async (t) => {
    const gateway = await start(t, 'response: { status: 303, headers: { location: "{f_string}" } }');
    const { headers, status } = await make(gateway, { fString: "https://a.example/b c?d=%20e#f" });
    assert.deepEqual([status, headers["location"]], [303, "https://a.example/b%20c?d=%20e#f"]);
    const nowhere = await make(gateway, {});
    assert.deepEqual([nowhere.status, nowhere.headers["location"]], [200, undefined]);
  });

  it("wins over metadata of the same name", async (t) => {
    const route = '{ headers: { x-a: "own {name}" } }';
    const upstream = await startKinds(t, {
      act(call, reply) {
        call.sendMetadata(metadataOf({ "x-a": "theirs", "x-b": "b" }));
        reply(null, encode("Result", { name: "n" }));
      },
    });
    const gateway = await startTestGateway(t, kindsYaml(upstream.address, { act: `response: ${route}` }));
    const { headers } = await ask(gateway, "/v1/act/x");
    assert.deepEqual([headers["x-a"], headers["x-b"]], ["own n", "b"]);
  });

  for (const status of [204, 205, 304]) {
    it(`${status} has no body`, async (t) => {
      const gateway = await start(t, `response: { status: ${status}, headers: { x-s: "{f_string}" } }`);
      const reply = await make(gateway, { fString: "s" });
      assert.deepEqual([reply.status, reply.text(), reply.headers["x-s"]], [status, "", "s"]);
      assert.deepEqual([reply.headers["content-type"], reply.headers["transfer-encoding"]], [undefined, undefined]);
      assert.equal(reply.headers["content-length"], status === 205 ? "0" : undefined);
    });
  }

  it("says nothing of failures", async (t) => {
    const gateway = await start(t, 'response: { status: 201, headers: { location: "/v1/{f_string}" } }');
    const reply = await ask(gateway, "/v1/made", { method: "POST", body: "{" });
    assert.deepEqual([reply.status, reply.headers["location"]], [400, undefined]);
  });
});

describe("response: { status_from }", () => {
  const cases: readonly (readonly [value: string, location: string | undefined, status: number])[] = [
    ["202", undefined, 202],
    ["204", undefined, 204],
    ["302", "/there", 302],
    ["302", undefined, 200],
    ["404", undefined, 200],
    ["20", undefined, 200],
    ["200 OK", undefined, 200],
  ];
  for (const where of ["initial", "trailing"] as const) {
    for (const [value, location, status] of cases) {
      it(`${where} ${value}${location === undefined ? "" : " with a location"} is ${status}`, async (t) => {
        const metadata = metadataOf({ "x-http-code": value, ...(location === undefined ? {} : { location }) });
        const gateway = await start(t, "etag: false", {
          defaults: "{ response: { status_from: X-Http-Code } }",
          act(call, reply) {
            if (where === "initial") call.sendMetadata(metadata);
            reply(null, encode("Result", { name: "n" }), where === "initial" ? undefined : metadata);
          },
        });
        const reply = await ask(gateway, "/v1/act/x");
        assert.deepEqual(
          [reply.status, reply.headers["location"], reply.headers["x-http-code"], reply.text() === ""],
          [status, location, undefined, status === 204],
        );
      });
    }
  }
});
