// How fields of every kind are written in parameters and paths: "the proto to JSON conversion must follow the proto3
// specification" (special notes of the comment on google.api.HttpRule); and the fields of HttpRule themselves.
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { JsonValue } from "@bufbuild/protobuf";
import { problemsWith, serveRules, type Api } from "../support/http-rule.ts";

const messages = `
  enum Color { COLOR_UNSPECIFIED = 0; RED = 1; GREEN = 2; }
  message Request {
    string display_name = 1;
    string other = 2 [json_name = "somethingElse"];
    Color color = 3;
    repeated Color colors = 4;
    google.protobuf.Timestamp time = 5;
    google.protobuf.Duration ttl = 6;
    google.protobuf.FieldMask mask = 7;
    google.protobuf.Int64Value int64 = 8;
    google.protobuf.StringValue text = 9;
    google.protobuf.BoolValue flag = 10;
    google.protobuf.BytesValue blob = 11;
    google.protobuf.DoubleValue number = 12;
    bytes data = 13;
    int32 count = 14;
    int64 big = 15;
    optional int32 maybe = 16;
    oneof choice { string a = 17; int32 b = 18; Sub c = 19; }
    google.protobuf.Struct struct = 20;
    google.protobuf.Value value = 21;
    google.protobuf.Any any = 22;
    map<string, string> labels = 23;
    map<string, Sub> subs = 24;
    repeated Sub items = 25;
    repeated string tags = 26;
    Sub sub = 27;
    bool on = 28;
    double ratio = 29;
    repeated google.protobuf.Timestamp times = 30;
  }
  message Sub { string name = 1; int32 id = 2; Sub sub = 3; }`;

function serve(t: TestContext, yaml = ""): Promise<Api> {
  return serveRules(t, {
    proto: `
      service S {
        rpc Get(Request) returns (Request) { option (google.api.http) = {
          get: "/v1" additional_bindings { get: "/v1/{time}/{ttl}/{int64}/{color}/{data}" } }; }
      }
      ${messages}`,
    yaml: `annotations: { read: true }\n${yaml}`,
  });
}

type Row = readonly [query: string, found: string];

/** What each query becomes; a message is shown without the name of the rpc. */
function check(api: Api, rows: readonly Row[]): void {
  for (const [query, found] of rows) {
    assert.equal(api("GET", `/v1?${query}`).replace(/^Get\((.*)\)$/s, "$1"), found, query);
  }
}

describe("HttpRule, query parameters: names", () => {
  it("are JSON names or proto names", async (t) => {
    check(await serve(t), [
      ["displayName=x", '{"displayName":"x"}'],
      ["display_name=x", '{"displayName":"x"}'],
      ["somethingElse=x", '{"somethingElse":"x"}'],
      ["other=x", '{"somethingElse":"x"}'],
      ["display_name=x&displayName=y", "FIELD_INVALID displayName: given twice"],
      ["DisplayName=x", 'FIELD_UNKNOWN DisplayName: unknown field "DisplayName"; did you mean "displayName"?'],
    ]);
  });

  it("of no field are refused, or ignored where that is asked for", async (t) => {
    const query = "utm_source=x&tags=a";
    check(await serve(t), [[query, 'FIELD_UNKNOWN utm_source: unknown field "utm_source"']]);
    check(await serve(t, "defaults: { json: { unknown_query: ignore } }"), [
      [query, '{"tags":["a"]}'],
      ["sub.nope=1&sub.id=2", '{"sub":{"id":2}}'],
      ["sub.id=x", 'FIELD_INVALID sub.id: expected an int32, got "x"'],
    ]);
  });

  it("and values are percent-decoded, + is a space", async (t) => {
    check(await serve(t), [
      ["display%4Eame=a%26b%3Dc+d%2B", '{"displayName":"a&b=c d+"}'],
      ["displayName=%C3%A9%F0%9F%98%80", '{"displayName":"é😀"}'],
      [
        "displayName=a%2",
        'FIELD_INVALID displayName: "%2" is no percent-encoding; expected two hexadecimal digits after "%"',
      ],
      ["displayName=%ff", "FIELD_INVALID displayName: percent-encoding is not valid UTF-8"],
    ]);
  });
});

describe("HttpRule, query parameters: repeated and nested fields", () => {
  it("are repeated parameters and paths", async (t) => {
    check(await serve(t), [
      ["tags=a&tags=b&tags=a", '{"tags":["a","b","a"]}'],
      ["sub.name=x&sub.sub.sub.id=1", '{"sub":{"name":"x","sub":{"sub":{"id":1}}}}'],
      ["count=1&count=2", "FIELD_INVALID count: given twice"],
      ["a=x&b=1", 'FIELD_INVALID b: another field of oneof "choice" is given too'],
      ["c.name=x&c.id=1", '{"c":{"name":"x","id":1}}'],
    ]);
  });
});

describe("HttpRule, query parameters: values", () => {
  it("of enums are names or numbers, unknown numbers too", async (t) => {
    check(await serve(t), [
      ["color=GREEN&colors=RED&colors=2&colors=99", '{"color":"GREEN","colors":["RED","GREEN",99]}'],
      ["color=BLUE", 'FIELD_INVALID color: expected a value of example.v1.Color, got "BLUE"'],
      ["color=green", 'FIELD_INVALID color: expected a value of example.v1.Color, got "green"; did you mean "GREEN"?'],
    ]);
    check(await serve(t, "defaults: { json: { enum_case: ignore } }"), [["color=green", '{"color":"GREEN"}']]);
  });

  it("of wrappers are what they wrap, defaults too", async (t) => {
    check(await serve(t), [
      [
        "int64=9223372036854775807&text=&flag=false&blob=-_8&number=1.5",
        '{"int64":"9223372036854775807","text":"","flag":false,"blob":"+/8=","number":1.5}',
      ],
      ["int64=x", 'FIELD_INVALID int64: expected an int64, got "x"'],
      ["int64.value=1", "FIELD_INVALID int64.value: int64 has no fields"],
    ]);
  });

  it("of Timestamp, Duration and FieldMask are their JSON without quotes", async (t) => {
    check(await serve(t), [
      ["time=2026-01-31T23:59:59.5Z", '{"time":"2026-01-31T23:59:59.500Z"}'],
      [
        "time=2026-01-31T23:59:59%2B01:00&times=1970-01-01T00:00:00Z",
        '{"time":"2026-01-31T22:59:59Z","times":["1970-01-01T00:00:00Z"]}',
      ],
      ["ttl=-1.5s", '{"ttl":"-1.500s"}'],
      ["mask=displayName,sub.name", '{"mask":"displayName,sub.name"}'],
      ["mask=display_name,sub.name", '{"mask":"displayName,sub.name"}'],
      [
        "time=0001-01-01T00:00:00%2B01:00",
        'FIELD_INVALID time: expected a timestamp such as "2026-01-31T23:59:59.5Z", got "0001-01-01T00:00:00+01:00", which is out of range',
      ],
      ["ttl=1.5", 'FIELD_INVALID ttl: expected a duration such as "1.5s", got "1.5"'],
      ["time.seconds=1", "FIELD_INVALID time.seconds: time has no fields"],
    ]);
  });

  it("of bytes are base64 or base64url, padded or not", async (t) => {
    check(await serve(t), [
      ["data=%2B%2F8%3D", '{"data":"+/8="}'],
      ["data=-_8=", '{"data":"+/8="}'],
      ["data=-_8", '{"data":"+/8="}'],
      ["data=-_8==", 'FIELD_INVALID data: expected base64, got "-_8=="'],
      ["data=+/8", 'FIELD_INVALID data: expected base64, got " /8"'], // a bare + is a space
    ]);
  });

  it("of numbers and bools are as in JSON, without quotes", async (t) => {
    check(await serve(t), [
      [
        "count=-1&big=-9223372036854775808&ratio=1e3&on=true&maybe=0",
        '{"count":-1,"big":"-9223372036854775808","maybe":0,"on":true,"ratio":1000}',
      ],
      ["count=1.0&big=1e2", '{"count":1,"big":"100"}'],
      ["ratio=NaN", '{"ratio":"NaN"}'],
      ["ratio=-Infinity", '{"ratio":"-Infinity"}'],
      ["count=4294967297", 'FIELD_INVALID count: expected an int32, got "4294967297", which is out of range'],
      ["count=1.5", 'FIELD_INVALID count: expected an int32, got "1.5"'],
      ["on=1", 'FIELD_INVALID on: expected true or false, got "1"'],
      ["on=True", 'FIELD_INVALID on: expected true or false, got "True"'],
      ["count=", 'FIELD_INVALID count: expected an int32, got ""'],
    ]);
  });

  it("of Struct, Value and whole messages only a body can set", async (t) => {
    check(await serve(t), [
      ["value=1", "FIELD_INVALID value: value holds google.protobuf.Value, which only a body can set"],
      [
        "struct.fields[a].stringValue=1",
        "FIELD_INVALID struct.fields[a].stringValue: struct holds google.protobuf.Struct, which only a body can set",
      ],
      ["any=x", "FIELD_INVALID any: is a message; name one of its fields, or set it in a body"],
      ["sub=x", "FIELD_INVALID sub: is a message; name one of its fields, or set it in a body"],
    ]);
  });

  it("in paths are the same", async (t) => {
    const api = await serve(t);
    assert.equal(
      api("GET", "/v1/2026-01-31T00:00:00Z/3s/7/GREEN/-_8"),
      'Get({"color":"GREEN","time":"2026-01-31T00:00:00Z","ttl":"3s","int64":"7","data":"+/8="})',
    );
    assert.equal(api("GET", "/v1/2026-01-31T00:00:00Z/3s/7/2/%2B%2F8%3D").slice(0, 22), 'Get({"color":"GREEN","');
    assert.equal(
      api("GET", "/v1/today/3s/7/GREEN/-_8"),
      'FIELD_INVALID time: expected a timestamp such as "2026-01-31T23:59:59.5Z", got "today"',
    );
  });
});

describe("extension of HttpRule: maps and repeated messages in parameters", () => {
  it("are named by key and by index", async (t) => {
    check(await serve(t), [
      ["labels[a]=1&labels.b=2&labels%5Bc%20d%5D=3", '{"labels":{"a":"1","b":"2","c d":"3"}}'],
      ["labels.app.kubernetes.io/name=x", '{"labels":{"app.kubernetes.io/name":"x"}}'],
      ["subs[a].id=1&subs[a].name=x&subs.b.sub.id=2", '{"subs":{"a":{"name":"x","id":1},"b":{"sub":{"id":2}}}}'],
      ["items[1].id=2&items[0].name=x&items[0].id=1", '{"items":[{"name":"x","id":1},{"id":2}]}'],
      ["labels[a]=1&labels[a]=2", "FIELD_INVALID labels[a]: given twice"],
      ["items[1].id=1", "FIELD_INVALID items[1].id: items[0] is missing; indices go from 0 without gaps"],
      ["labels[]=1", "FIELD_INVALID labels[]: empty key; name an entry, as in labels[key]"],
    ]);
  });
});

describe("HttpRule.selector", () => {
  const proto = `
    service Messaging {
      rpc GetMessage(GetMessageRequest) returns (GetMessageRequest) { option (google.api.http) = { get: "/annotated" }; }
      rpc Other(GetMessageRequest) returns (GetMessageRequest) { option (google.api.http) = { get: "/other" }; }
    }
    message GetMessageRequest { string message_id = 1; Sub sub = 2; }
    message Sub { string subfield = 1; }`;

  it("selects a method to which this rule applies, in place of its annotation", async (t) => {
    const api = await serveRules(t, {
      proto,
      yaml: `annotations: { read: true }
routes:
  - selector: example.v1.Messaging.GetMessage
    get: /v1/messages/{message_id}/{sub.subfield}
`,
    });
    assert.equal(api("GET", "/v1/messages/1/2"), 'GetMessage({"messageId":"1","sub":{"subfield":"2"}})');
    assert.equal(api("GET", "/annotated"), "404");
    assert.equal(api("GET", "/other"), "Other({})");
  });

  it("has to name a method that there is", async (t) => {
    const yaml = `routes: [{ selector: example.v1.Messaging.GetMesage, get: /v1 }]`;
    assert.deepEqual(await problemsWith(t, { proto, yaml }), [
      'no upstream has the rpc "example.v1.Messaging/GetMesage"; did you mean "example.v1.Messaging/GetMessage"?',
    ]);
  });
});

describe("HttpRule.pattern", () => {
  it("can be used with any of the {get|put|post|delete|patch} methods, or a custom one", async (t) => {
    const methods = ["get", "put", "post", "delete", "patch"];
    const rules = [
      ...methods.map((method) => `${method}: "/v1"`),
      'custom: { kind: "HEAD" path: "/v1" }',
      'custom: { kind: "REPORT" path: "/v1" }',
    ];
    const api = await serveRules(t, {
      proto: `
        service S { ${rules.map((rule, i) => `rpc R${i}(Request) returns (Request) { option (google.api.http) = { ${rule} }; }`).join("\n")} }
        message Request { string a = 1; }`,
    });
    for (const [i, method] of [...methods, "HEAD", "REPORT"].entries()) {
      assert.equal(api(method.toUpperCase(), "/v1?a=x"), `R${i}({"a":"x"})`, method);
    }
    assert.equal(api("OPTIONS", "/v1"), "405 DELETE GET HEAD PATCH POST PUT REPORT");
    assert.equal(api("get", "/v1"), "405 DELETE GET HEAD PATCH POST PUT REPORT"); // RFC 9110, 9.1: case counts
  });

  it('leaves the method unspecified by a custom kind of "*"', async (t) => {
    const api = await serveRules(t, {
      proto: `
        service S {
          rpc Any(Request) returns (Request) { option (google.api.http) = { custom: { kind: "*" path: "/v1/{a}" } }; }
          rpc Get(Request) returns (Request) { option (google.api.http) = { get: "/v1/{a}" }; }
        }
        message Request { string a = 1; }`,
    });
    assert.equal(api("GET", "/v1/x"), 'Get({"a":"x"})');
    for (const method of ["HEAD", "POST", "PROPFIND"]) assert.equal(api(method, "/v1/x"), 'Any({"a":"x"})', method);
  });
});

describe("HttpRule.body", () => {
  const proto = (body: string): string => `
    service S { rpc Post(Request) returns (Request) { option (google.api.http) = { post: "/v1" body: "${body}" }; } }
    message Request { Sub sub = 1; repeated string tags = 2; map<string, int32> counts = 3; string note_text = 4; }
    message Sub { Request inner = 1; }`;

  it("may be a list, a map or a scalar", async (t) => {
    const tags = await serveRules(t, { proto: proto("tags") });
    assert.equal(tags("POST", "/v1", ["a", "b"]), 'Post({"tags":["a","b"]})');
    const counts = await serveRules(t, { proto: proto("counts") });
    assert.equal(counts("POST", "/v1?tags=x", { a: 1 }), 'Post({"tags":["x"],"counts":{"a":1}})');
    const note = await serveRules(t, { proto: proto("note_text") });
    assert.equal(note("POST", "/v1", "x"), 'Post({"noteText":"x"})');
  });

  it("must be present at the top-level of the request message type", async (t) => {
    assert.deepEqual(await problemsWith(t, { proto: proto("sub.inner") }), [
      'no field "sub.inner" in example.v1.Request',
    ]);
    assert.deepEqual(await problemsWith(t, { proto: proto("tag") }), [
      'no field "tag" in example.v1.Request; did you mean "tags"?',
    ]);
  });
});

describe("HttpRule.response_body", () => {
  const proto = (field: string): string => `
    service S { rpc List(Request) returns (Request) { option (google.api.http) = { get: "/v1" response_body: "${field}" }; } }
    message Request { repeated string tags = 1; Request inner = 2; }`;

  it("is the name of the response field whose value is mapped to the HTTP response body, the rest being left out", async (t) => {
    const rows: readonly (readonly [field: string, value: JsonValue, absent: string])[] = [
      ["tags", ["a", "b"], "[]"], // "an API needs to use a JSON array for request or response body"
      ["items", [{ name: "x" }, {}], "[]"],
      ["labels", { a: "1" }, "{}"],
      ["sub", { name: "x", sub: { id: 1 } }, "{}"],
      ["display_name", "x", '""'],
      ["big", "9007199254740993", '"0"'],
      ["count", 7, "0"],
      ["on", true, "false"],
      ["data", "+/8=", '""'],
      ["color", "GREEN", '"COLOR_UNSPECIFIED"'],
      ["colors", ["RED", 99], "[]"],
      ["time", "2026-01-31T23:59:59.500Z", "null"],
      ["mask", "displayName,sub.name", "null"],
      ["int64", "0", "null"],
      ["struct", { a: [null] }, "{}"],
      ["value", [1, null], "null"],
      ["any", { "@type": "type.googleapis.com/google.protobuf.Duration", value: "1s" }, "{}"],
      ["c", { name: "x" }, "{}"],
    ];
    const rpcs = rows.map(
      ([field], i) => `rpc R${i}(Request) returns (Request) { option (google.api.http) = {
        get: "/v1/${field}" response_body: "${field}" }; }`,
    );
    const api = await serveRules(t, { proto: `service S { ${rpcs.join("\n")} } ${messages}` });
    for (const [field, value, absent] of rows) {
      const name = field === "display_name" ? "displayName" : field;
      const others = field === "count" ? { on: true } : { count: 3 };
      assert.equal(api.reply("GET", `/v1/${field}`, { ...others, [name]: value }), JSON.stringify(value), field);
      assert.equal(api.reply("GET", `/v1/${field}`, others), absent, `${field}, absent`);
    }
  });

  it("omitted, gives the entire response message", async (t) => {
    assert.equal((await serve(t)).reply("GET", "/v1", { count: 1, tags: ["a"] }), '{"count":1,"tags":["a"]}');
  });

  it("must be present at the top-level of the response message type", async (t) => {
    assert.deepEqual(await problemsWith(t, { proto: proto("tags") }), []);
    assert.deepEqual(await problemsWith(t, { proto: proto("tag") }), [
      'no field "tag" in example.v1.Request; did you mean "tags"?',
    ]);
    assert.deepEqual(await problemsWith(t, { proto: proto("inner.tags") }), [
      'no field "inner.tags" in example.v1.Request',
    ]);
  });
});
