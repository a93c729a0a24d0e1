// Every paragraph of the comment on google.api.HttpRule (protos/google/api/http.proto), in its order, up to "Path
// template syntax"; its examples are taken over as they stand.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { problemsWith, serveRules } from "../support/http-rule.ts";

describe("HttpRule: Each mapping specifies a URL path template and an HTTP method", () => {
  const proto = `
    service Messaging {
      rpc GetMessage(GetMessageRequest) returns (Message) {
        option (google.api.http) = {
            get: "/v1/{name=messages/*}"
        };
      }
    }
    message GetMessageRequest {
      string name = 1; // Mapped to URL path.
    }
    message Message {
      string text = 1; // The resource content.
    }`;

  it("maps its example", async (t) => {
    const api = await serveRules(t, { proto });
    assert.equal(api("GET", "/v1/messages/123456"), 'GetMessage({"name":"messages/123456"})');
    assert.equal(api("POST", "/v1/messages/123456"), "405 GET");
    assert.equal(api("GET", "/v1/users/123456"), "404");
  });

  it("lets the template refer to any non-repeated field with a primitive type, and to no other", async (t) => {
    const kinds = ["double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "bytes"];
    const all = [...kinds, "uint32", "sfixed32", "sfixed64", "sint32", "sint64", "Size"];
    const api = await serveRules(t, {
      proto: `
        service S { rpc Get(Request) returns (Request) { option (google.api.http) = {
          get: "/v1/{${all.map((_, i) => `f${i}`).join("}/{")}}" }; } }
        enum Size { SMALL = 0; LARGE = 1; }
        message Request { ${all.map((kind, i) => `${kind} f${i} = ${i + 1};`).join(" ")} }`,
    });
    assert.equal(
      api("GET", "/v1/1.5/2.5/-3/4/-5/6/7/true/eight/bmluZQ/10/-11/-12/-13/-14/LARGE"),
      'Get({"f0":1.5,"f1":2.5,"f2":"-3","f3":"4","f4":-5,"f5":"6","f6":7,"f7":true,"f8":"eight","f9":"bmluZQ==","f10":10,"f11":-11,"f12":"-12","f13":-13,"f14":"-14","f15":"LARGE"})',
    );
    const refused = (field: string): Promise<string[]> =>
      problemsWith(t, {
        proto: `
          service S { rpc Get(Request) returns (Request) { option (google.api.http) = { get: "/v1/{${field}}" }; } }
          message Request { repeated string tags = 1; Part part = 2; }
          message Part { string name = 1; }`,
      });
    assert.deepEqual(await refused("tags"), [
      "variable {tags} of example.v1.Request: tags is repeated; it takes more than one value",
    ]);
    assert.deepEqual(await refused("part"), [
      "variable {part} of example.v1.Request: is a message; name one of its fields, or set it in a body",
    ]);
    assert.deepEqual(await refused("part.name"), []);
  });
});

describe("HttpRule: Any fields which are not bound by the path template automatically become HTTP query parameters", () => {
  const proto = `
    service Messaging {
      rpc GetMessage(GetMessageRequest) returns (Message) {
        option (google.api.http) = {
            get:"/v1/messages/{message_id}"
        };
      }
    }
    message GetMessageRequest {
      message SubMessage {
        string subfield = 1;
      }
      string message_id = 1; // Mapped to URL path.
      int64 revision = 2;    // Mapped to URL query parameter \`revision\`.
      SubMessage sub = 3;    // Mapped to URL query parameter \`sub.subfield\`.
    }
    message Message {}`;

  it("maps its example", async (t) => {
    const api = await serveRules(t, { proto });
    assert.equal(
      api("GET", "/v1/messages/123456?revision=2&sub.subfield=foo"),
      'GetMessage({"messageId":"123456","revision":"2","sub":{"subfield":"foo"}})',
    );
    assert.equal(
      api("GET", "/v1/messages/123456?revison=2"),
      'FIELD_UNKNOWN revison: unknown field "revison"; did you mean "revision"?',
    );
  });

  it("gives a field that the path binds the path's value, whatever a parameter says", async (t) => {
    const api = await serveRules(t, { proto });
    assert.equal(api("GET", "/v1/messages/1?message_id=2"), 'GetMessage({"messageId":"1"})');
  });
});

describe("HttpRule: fields which are mapped to URL query parameters must have a primitive type or a repeated primitive type or a non-repeated message type", () => {
  const proto = `
    service S {
      rpc Get(Request) returns (Request) { option (google.api.http) = { get: "/v1" }; }
    }
    message Request { repeated string param = 1; Foo foo = 2; repeated Foo many = 3; }
    message Foo { string a = 1; string b = 2; repeated int32 c = 3; Foo foo = 4; }`;

  it("takes a repeated parameter, ...?param=A&param=B", async (t) => {
    const api = await serveRules(t, { proto });
    assert.equal(api("GET", "/v1?param=A&param=B"), 'Get({"param":["A","B"]})');
  });

  it("takes each field of a message as a separate parameter, ...?foo.a=A&foo.b=B&foo.c=C", async (t) => {
    const api = await serveRules(t, { proto });
    assert.equal(api("GET", "/v1?foo.a=A&foo.b=B&foo.c=3"), 'Get({"foo":{"a":"A","b":"B","c":[3]}})');
    assert.equal(
      api("GET", "/v1?foo.foo.foo.a=A&foo.foo.c=1&foo.foo.c=2"),
      'Get({"foo":{"foo":{"c":[1,2],"foo":{"a":"A"}}}})',
    );
  });

  it("refuses a repeated message by its name alone; by index, an extension takes it", async (t) => {
    const api = await serveRules(t, { proto });
    assert.equal(
      api("GET", "/v1?many.a=A"),
      "FIELD_INVALID many.a: many is repeated; name an item, as in many[0].name",
    );
    assert.equal(api("GET", "/v1?many[0].a=A&many[1].b=B"), 'Get({"many":[{"a":"A"},{"b":"B"}]})');
  });
});

describe("HttpRule: For HTTP methods that allow a request body, the body field specifies the mapping", () => {
  const proto = `
    service Messaging {
      rpc UpdateMessage(UpdateMessageRequest) returns (Message) {
        option (google.api.http) = {
          patch: "/v1/messages/{message_id}"
          body: "message"
        };
      }
    }
    message UpdateMessageRequest {
      string message_id = 1; // mapped to the URL
      Message message = 2;   // mapped to the body
      bool dry_run = 3;
    }
    message Message { string text = 1; }`;

  it("maps its example", async (t) => {
    const api = await serveRules(t, { proto });
    assert.equal(
      api("PATCH", "/v1/messages/123456", { text: "Hi!" }),
      'UpdateMessage({"messageId":"123456","message":{"text":"Hi!"}})',
    );
  });

  it("leaves all other fields to parameters, and the body's field to the body", async (t) => {
    const api = await serveRules(t, { proto });
    assert.equal(
      api("PATCH", "/v1/messages/1?dry_run=true", { text: "Hi!" }),
      'UpdateMessage({"messageId":"1","message":{"text":"Hi!"},"dryRun":true})',
    );
    assert.equal(
      api("PATCH", "/v1/messages/1?message.text=Hi", {}),
      "FIELD_INVALID message.text: message is set by the body, not by parameters",
    );
    assert.equal(api("PATCH", "/v1/messages/1", { messageId: "2" }), "FIELD_UNKNOWN message.messageId: unknown field");
  });

  it("may have a path variable in the body's field, which wins", async (t) => {
    const api = await serveRules(t, {
      proto: `
        service Library {
          rpc UpdateBook(UpdateBookRequest) returns (Book) {
            option (google.api.http) = { put: "/v1/{book.name=shelves/*/books/*}" body: "book" };
          }
        }
        message UpdateBookRequest { Book book = 1; string etag = 2; }
        message Book { string name = 1; string title = 2; Book next = 3; }`,
    });
    assert.equal(
      api("PUT", "/v1/shelves/1/books/2?etag=x", { name: "other", title: "T", next: { name: "n" } }),
      'UpdateBook({"book":{"name":"shelves/1/books/2","title":"T","next":{"name":"n"}},"etag":"x"})',
    );
    assert.equal(api("PUT", "/v1/shelves/1/books/2"), 'UpdateBook({"book":{"name":"shelves/1/books/2"}})');
  });
});

describe("HttpRule: The special name * defines that every field not bound by the path template should be mapped to the request body", () => {
  const proto = `
    service Messaging {
      rpc UpdateMessage(Message) returns (Message) {
        option (google.api.http) = {
          patch: "/v1/messages/{message_id}"
          body: "*"
        };
      }
    }
    message Message {
      string message_id = 1;
      string text = 2;
    }`;

  it("maps its example", async (t) => {
    const api = await serveRules(t, { proto });
    assert.equal(
      api("PATCH", "/v1/messages/123456", { text: "Hi!" }),
      'UpdateMessage({"messageId":"123456","text":"Hi!"})',
    );
    assert.equal(
      api("PATCH", "/v1/messages/1", { messageId: "2", text: "x" }),
      'UpdateMessage({"messageId":"1","text":"x"})',
    );
  });

  it("has no HTTP parameters, as all fields not bound by the path end in the body", async (t) => {
    const api = await serveRules(t, { proto });
    assert.equal(
      api("PATCH", "/v1/messages/1?text=Hi", {}),
      "FIELD_UNKNOWN text: the whole message is in the body; there are no parameters",
    );
  });
});

describe("HttpRule: It is possible to define multiple HTTP methods for one RPC by using additional_bindings", () => {
  it("maps its example", async (t) => {
    const api = await serveRules(t, {
      proto: `
        service Messaging {
          rpc GetMessage(GetMessageRequest) returns (Message) {
            option (google.api.http) = {
              get: "/v1/messages/{message_id}"
              additional_bindings {
                get: "/v1/users/{user_id}/messages/{message_id}"
              }
            };
          }
        }
        message GetMessageRequest {
          string message_id = 1;
          string user_id = 2;
        }
        message Message {}`,
    });
    assert.equal(api("GET", "/v1/messages/123456"), 'GetMessage({"messageId":"123456"})');
    assert.equal(api("GET", "/v1/users/me/messages/123456"), 'GetMessage({"messageId":"123456","userId":"me"})');
    // What the path of one binding does not bind is a parameter of that one.
    assert.equal(api("GET", "/v1/messages/1?userId=you"), 'GetMessage({"messageId":"1","userId":"you"})');
  });

  it("gives each binding a method and a body of its own", async (t) => {
    const api = await serveRules(t, {
      proto: `
        service S {
          rpc Search(Request) returns (Request) {
            option (google.api.http) = {
              get: "/v1/search"
              additional_bindings { post: "/v1/search" body: "*" }
              additional_bindings { put: "/v1/search/{text}" body: "filter" }
            };
          }
        }
        message Request { string text = 1; Filter filter = 2; }
        message Filter { int32 max = 1; }`,
    });
    assert.equal(api("GET", "/v1/search?text=a&filter.max=1"), 'Search({"text":"a","filter":{"max":1}})');
    assert.equal(
      api("POST", "/v1/search", { text: "a", filter: { max: 1 } }),
      'Search({"text":"a","filter":{"max":1}})',
    );
    assert.equal(api("PUT", "/v1/search/a", { max: 1 }), 'Search({"text":"a","filter":{"max":1}})');
    assert.equal(api("DELETE", "/v1/search"), "405 GET POST");
  });

  it("refuses nested ones, since the nesting may only be one level deep", async (t) => {
    const nested = `{ get: "/v1/b" additional_bindings { get: "/v1/c" } }`;
    const proto = `
      service S { rpc Get(Request) returns (Request) { option (google.api.http) = {
        get: "/v1/a" additional_bindings ${nested} }; } }
      message Request {}`;
    assert.match((await problemsWith(t, { proto })).join("\n"), /additional_bindings/);
    assert.deepEqual(
      await problemsWith(t, {
        proto: `service S { rpc Get(Request) returns (Request); } message Request {}`,
        yaml: `routes: [{ rpc: example.v1.S/Get, get: /v1/a, additional_bindings: [{ get: /v1/b, additional_bindings: [{ get: /v1/c }] }] }]`,
      }),
      ["routes[0].additional_bindings[0]: additional_bindings does not nest (google.api.HttpRule)"],
    );
  });
});

describe("HttpRule: Rules for HTTP mapping", () => {
  const proto = `
    service S {
      rpc Get(Request) returns (Request) { option (google.api.http) = { get: "/v1/get/{a}/{sub.x}" }; }
      rpc Put(Request) returns (Request) { option (google.api.http) = { put: "/v1/put/{a}/{sub.x}" body: "part" }; }
      rpc Post(Request) returns (Request) { option (google.api.http) = { post: "/v1/post/{a}/{sub.x}" body: "*" }; }
    }
    message Request { string a = 1; Sub sub = 2; Sub part = 3; repeated string tags = 4; }
    message Sub { string x = 1; string y = 2; }`;

  it("1. Leaf request fields are passed by path, by body, and all other fields by parameters of their paths", async (t) => {
    const api = await serveRules(t, { proto });
    assert.equal(
      api("PUT", "/v1/put/A/X?sub.y=Y&tags=1&tags=2", { x: "PX" }),
      'Put({"a":"A","sub":{"x":"X","y":"Y"},"part":{"x":"PX"},"tags":["1","2"]})',
    );
  });

  it('2. If body is "*", there is no URL query parameter, all fields are passed via URL path and HTTP request body', async (t) => {
    const api = await serveRules(t, { proto });
    assert.equal(
      api("POST", "/v1/post/A/X", { a: "body", sub: { x: "body", y: "Y" }, part: { x: "PX" }, tags: ["1"] }),
      'Post({"a":"A","sub":{"x":"X","y":"Y"},"part":{"x":"PX"},"tags":["1"]})',
    );
    assert.equal(
      api("POST", "/v1/post/A/X?tags=1", {}),
      "FIELD_UNKNOWN tags: the whole message is in the body; there are no parameters",
    );
  });

  it("3. If body is omitted, there is no HTTP request body, all fields are passed via URL path and URL query parameters", async (t) => {
    const api = await serveRules(t, { proto });
    assert.equal(
      api("GET", "/v1/get/A/X?sub.y=Y&part.x=PX&part.y=PY&tags=1"),
      'Get({"a":"A","sub":{"x":"X","y":"Y"},"part":{"x":"PX","y":"PY"},"tags":["1"]})',
    );
    assert.equal(api.raw("GET", "/v1/get/A/X", "not JSON at all"), 'Get({"a":"A","sub":{"x":"X"}})');
  });
});
