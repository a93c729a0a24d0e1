import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { runCheck, runRoutes } from "../../src/cli/check.ts";
import { loadRoutes } from "../../src/load-routes.ts";

const PROTO = `syntax = "proto3";
package library.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
service Library {
  rpc GetBook(GetBookRequest) returns (Book) { option (google.api.http) = { get: "/v1/{name=books/*}" }; }
  rpc ListBooks(GetBookRequest) returns (stream Book);
  rpc Upload(stream Book) returns (Book) { option (google.api.http) = { post: "/v1/upload" body: "*" }; }
  rpc Talk(stream Book) returns (stream Book) { option (google.api.http) = { post: "/v1/talk" body: "*" }; }
  rpc Scan(stream google.api.HttpBody) returns (Book) { option (google.api.http) = { post: "/v1/scan" body: "*" }; }
  rpc Cover(GetBookRequest) returns (google.api.HttpBody) { option (google.api.http) = { get: "/v1/cover" }; }
}
message GetBookRequest { string name = 1; repeated string tags = 2; Book book = 3; }
message Book { string name = 1; string title = 2; }
`;
const HEAD = `version: 1
upstreams:
  library:
    target: pass:///127.0.0.1:1
    schema: { proto: { files: [library.proto], include: [.] } }
`;

/** Runs `sluice check` and `sluice routes` on a file of these lines, in a folder of its own. */
async function check(
  t: TestContext,
  body: string,
  head = HEAD,
  service = "",
): Promise<{ check: string[]; routes: string[] }> {
  const folder = await mkdtemp(path.join(os.tmpdir(), "sluice-check-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = path.join(folder, "routes.yaml");
  await writeFile(file, head + body);
  await writeFile(path.join(folder, "library.proto"), PROTO);
  if (service !== "") await writeFile(path.join(folder, "service.yaml"), service);
  const deps = {
    async load(name: string) {
      const { config, resolved } = await loadRoutes(name, { env: {} });
      return { rows: resolved.rows, upstreamCount: config.upstreams.length, problems: resolved.problems };
    },
  };
  const tidy = (lines: readonly string[]): string[] => lines.map((line) => line.replaceAll(`${folder}/`, ""));
  return {
    check: tidy((await runCheck(file, deps)).lines),
    routes: tidy((await runRoutes(file, deps, { json: false })).lines.flatMap((text) => text.split("\n"))),
  };
}

describe("sluice check", () => {
  const cases: [name: string, routes: string, expected: string[]][] = [
    [
      "counts what is right",
      `routes: [{ rpc: library.v1.Library/GetBook, get: "/v1/{name=books/*}" }]`,
      ["ok: 1 route, 1 upstream"],
    ],
    [
      "suggests the nearest rpc",
      `routes:\n  - rpc: library.v1.Library/GetBok\n    get: /v1/x`,
      [
        `routes.yaml:7:5: no upstream has the rpc "library.v1.Library/GetBok"; did you mean "library.v1.Library/GetBook"?`,
      ],
    ],
    [
      "suggests the rpc whose package was left out",
      `routes:\n  - rpc: Library/GetBook\n    get: /v1/x`,
      [`routes.yaml:7:5: no upstream has the rpc "Library/GetBook"; did you mean "library.v1.Library/GetBook"?`],
    ],
    [
      "says what is wrong with a rule although its rpc is unknown",
      `routes:\n  - rpc: a.B/C\n    get: /v1/{name`,
      [
        `routes.yaml:7:5: no upstream has the rpc "a.B/C"`,
        `routes.yaml:8:10: path template "/v1/{name": column 10: expected ".", "=" or "}", found the end`,
      ],
    ],
    [
      "places a template's error at its column",
      `routes:\n  - rpc: library.v1.Library/GetBook\n    get: /v1/{name=books/*`,
      [`routes.yaml:8:10: path template "/v1/{name=books/*": column 18: expected "/" or "}", found the end`],
    ],
    [
      "names a variable that is no field",
      `routes:\n  - rpc: library.v1.Library/GetBook\n    get: /v1/{nam}`,
      [`routes.yaml:8:10: variable {nam} of library.v1.GetBookRequest: unknown field "nam"; did you mean "name"?`],
    ],
    [
      "names a body and a response_body that are no fields, both at once",
      `routes:\n  - rpc: library.v1.Library/GetBook\n    post: /v1/x\n    body: bok\n    response_body: titel`,
      [
        `routes.yaml:9:11: no field "bok" in library.v1.GetBookRequest; did you mean "book"?`,
        `routes.yaml:10:20: no field "titel" in library.v1.Book; did you mean "title"?`,
      ],
    ],
    [
      "names fields of the reply that there are not, at their places",
      `routes:
  - rpc: library.v1.Library/GetBook
    get: /v1/{name}
    response: { status: 201, headers: { location: "/v1/{nam}", x-a: "{title} {name.x}" } }
    stream: { sse: { id: titel, last_event_id: nme } }`,
      [
        `routes.yaml:9:51: {nam} of library.v1.Book: unknown field "nam"; did you mean "name"?`,
        `routes.yaml:9:69: {name.x} of library.v1.Book: name has no fields`,
        `routes.yaml:10:26: {titel} of library.v1.Book: unknown field "titel"; did you mean "title"?`,
        `routes.yaml:10:26: library.v1.Library/GetBook has one reply, and no events`,
        `routes.yaml:10:48: field nme from header last-event-id of library.v1.GetBookRequest: unknown field "nme"; did you mean "name"?`,
      ],
    ],
    [
      "names fields of the request that headers cannot set, at their places",
      `routes:
  - rpc: library.v1.Library/GetBook
    get: /v1/x
    request:
      from:
        nam: { header: x-a }
        name.x: { cookie: a }`,
      [
        `routes.yaml:11:9: field nam from header x-a of library.v1.GetBookRequest: unknown field "nam"; did you mean "name"?`,
        `routes.yaml:12:9: field name.x from cookie a of library.v1.GetBookRequest: name has no fields`,
      ],
    ],
    [
      "refuses a status for a stream",
      `routes:\n  - { rpc: library.v1.Library/ListBooks, get: /v1/x, response: { status: 201 } }`,
      [
        `routes.yaml:7:54: library.v1.Library/ListBooks answers with a stream, whose status is 200 and whose headers come from metadata`,
      ],
    ],
    [
      "refuses a method that Node's parser does not know",
      `routes:\n  - rpc: library.v1.Library/GetBook\n    custom: { kind: FETCH, path: /v1/x }`,
      [
        `routes.yaml:8:34: method "FETCH" is unknown to Node's HTTP parser, which refuses such requests; did you mean "PATCH"?`,
      ],
    ],
    [
      "names both places of a conflict",
      `routes:\n  - { rpc: library.v1.Library/GetBook, get: "/v1/{name}" }\n  - { rpc: library.v1.Library/ListBooks, get: "/v1/{book.name}" }`,
      [
        `routes.yaml:8:47: GET /v1/{book.name} (routes.yaml:8:47) takes exactly the requests of GET /v1/{name} (routes.yaml:7:45)`,
      ],
    ],
  ];
  for (const [name, routes, expected] of cases) {
    it(name, async (t) => assert.deepEqual((await check(t, routes)).check, expected));
  }

  it("reports an error in a .proto file at its place", async (t) => {
    const head = HEAD.replace("library.proto", "missing.proto");
    const { check: lines } = await check(t, "annotations: { read: true }", head);
    assert.match(lines.join("\n"), /^routes\.yaml:3:3: upstream "library": .*missing\.proto" is not found/);
  });
});

describe("sluice check where a schema cannot be loaded", () => {
  const head = `${HEAD}  broken: { target: "pass:///127.0.0.1:2", schema: { descriptor_set: none.binpb } }\n`;
  const missing = `routes.yaml:6:3: upstream "broken": none.binpb: there is no such file`;

  it("tells what is wrong with the routes of other upstreams, too", async (t) => {
    const body = `routes:\n  - rpc: library.v1.Library/GetBook\n    get: /v1/{nam}`;
    assert.deepEqual((await check(t, body, head)).check, [
      missing,
      `routes.yaml:9:10: variable {nam} of library.v1.GetBookRequest: unknown field "nam"; did you mean "name"?`,
    ]);
  });

  it("tells what is wrong with a route's template and method, but not that its rpc is unknown", async (t) => {
    const body = `routes:
  - { rpc: a.B/C, get: "/v1/{a=}" }
  - { rpc: a.B/C, upstream: broken, custom: { kind: FETCH, path: /v1/x } }
  - { rpc: a.B/C, upstream: library, get: /v1/y }`;
    assert.deepEqual((await check(t, body, head)).check, [
      missing,
      `routes.yaml:8:24: path template "/v1/{a=}": column 8: expected a segment, found "}"`,
      `routes.yaml:9:66: method "FETCH" is unknown to Node's HTTP parser, which refuses such requests; did you mean "PATCH"?`,
      `routes.yaml:10:5: upstream "library" has no rpc "a.B/C"`,
    ]);
  });
});

describe("sluice routes", () => {
  it("says how each is served", async (t) => {
    const { routes } = await check(t, "annotations: { read: true }");
    const served = routes.slice(1).map((line) => line.split(/ {2,}/).at(-1));
    assert.deepEqual(served, ["unary", "client_stream", "bidi_stream", "client_stream http_body", "unary http_body"]);
  });

  it("lets a route of the file replace the annotation of its rpc", async (t) => {
    const { routes } = await check(
      t,
      `routes: [{ rpc: library.v1.Library/GetBook, get: "/v2/{name}" }]\nannotations: { read: true }`,
    );
    assert.deepEqual(
      routes.filter((line) => line.includes("GetBook")).map((line) => line.split(/ {2,}/)[1]),
      ["/v2/{name}"],
    );
  });

  it("reads the annotations of the services that were asked for only, and says so where there are none", async (t) => {
    const { check: lines, routes } = await check(t, `annotations: { read: true, services: ["other.*"] }`);
    assert.deepEqual(routes, ["no routes"]);
    assert.ok(
      lines.includes('routes.yaml: warning: annotations: no method in a service of "other.*" has google.api.http'),
      lines.join(),
    );
  });
});

describe("sluice check of auto_routes", () => {
  it("warns of what no service is named, with the nearest that is", async (t) => {
    const { check: lines } = await check(t, "auto_routes: [library.v1.Library, library.v1.Libary, other.*]");
    assert.deepEqual(
      lines.filter((line) => line.includes("warning")),
      [
        'routes.yaml: warning: auto_routes: no service is named "library.v1.Libary"; did you mean "library.v1.Library"?',
        'routes.yaml: warning: auto_routes: no service is named "other.*"',
      ],
    );
  });
});

describe("sluice check of a google.api.Service file", () => {
  const head = `${HEAD}    api_service: service.yaml\n`;
  const type = "type: google.api.Service\n";
  const cases: [name: string, service: string, expected: string[]][] = [
    [
      "counts its routes, and leaves aside what is not about them",
      `${type}authentication: { rules: [{ selector: "*" }] }\nhttp: { rules: [{ selector: library.v1.Library.GetBook, get: /v1/x }] }`,
      ["ok: 1 route, 1 upstream"],
    ],
    [
      "names what is wrong by its line",
      `${type}http:
  rules:
    - selector: library.v1.Library.GetBok
      get: /v1/x
    - selector: library.v1.Library.GetBook
      get: /v1/{nam}
      additional_bindings: [{ post: /v1/y, body: boo }, { get: "/v1/{name" }]
    - selector: google.longrunning.Operations.GetOperation
      get: /v1/{name=operations/*}`,
      [
        `service.yaml:4:17: upstream "library" has no rpc "library.v1.Library/GetBok"; did you mean "library.v1.Library/GetBook"?`,
        `service.yaml:7:12: variable {nam} of library.v1.GetBookRequest: unknown field "nam"; did you mean "name"?`,
        `service.yaml:8:50: no field "boo" in library.v1.GetBookRequest; did you mean "book"?`,
        `service.yaml:8:64: path template "/v1/{name": column 10: expected ".", "=" or "}", found the end`,
        `service.yaml:9:17: warning: upstream "library" has no rpc "google.longrunning.Operations/GetOperation"`,
      ],
    ],
    [
      "refuses shapes that are none",
      `${type}http:
  rules:
    - selector: "*"
      get: /v1/x
    - selector: library.v1.Library.GetBook
      gett: /v1/x
    - get: /v1/x`,
      [
        `service.yaml:4:17: http.rules[0].selector: expected one method such as library.v1.Library.GetBook, not "*"`,
        `service.yaml:7:7: http.rules[1]: unknown key "gett"; did you mean "get"?`,
        `service.yaml:8:7: http.rules[2]: missing key "selector": expected one method such as library.v1.Library.GetBook`,
      ],
    ],
    [
      "refuses another kind of file",
      "version: 1",
      ["service.yaml:1:1: expected a file of type: google.api.Service, not a map"],
    ],
  ];
  for (const [name, service, expected] of cases) {
    it(name, async (t) => assert.deepEqual((await check(t, "", head, service)).check, expected));
  }

  it("lets routes of the file go before it, and it before annotations", async (t) => {
    const service = `${type}http: { rules: [{ selector: library.v1.Library.GetBook, get: /svc }, { selector: library.v1.Library.ListBooks, get: /svc/list }] }`;
    const { routes } = await check(
      t,
      `routes: [{ rpc: library.v1.Library/ListBooks, get: /declared }]\nannotations: { read: true, services: [library.*] }`,
      head,
      service,
    );
    const paths = routes.map((line) => line.split(/ +/)[1]);
    assert.deepEqual(paths, ["PATH", "/declared", "/svc", "/v1/upload", "/v1/talk", "/v1/scan", "/v1/cover"]);
    assert.match(routes[2] ?? "", /service\.yaml:2:62/);
  });

  it("is refused where it cannot be read, or stands in place of the configuration", async (t) => {
    assert.deepEqual((await check(t, "", head)).check, [
      `routes.yaml:6:18: upstreams.library.api_service: "service.yaml" cannot be read: there is no such file`,
    ]);
    assert.deepEqual((await check(t, "type: google.api.Service", HEAD)).check, [
      "routes.yaml:6:1: type belongs in a google.api.Service file, which an upstream names by api_service",
    ]);
  });
});

describe("sluice check of a file that is wrong in several ways", () => {
  it("tells in one go what the schema, the contract and the table of routes have against it", async (t) => {
    const body = `  gone:
    target: nonsense
    schema: { proto: { files: [library.proto], include: [.] } }
server: { port: -1 }
routes:
  - { rpc: library.v1.Library/GetBook, get: "/v1/{nam}", timeout: 3 }
  - { rpc: library.v1.Library/GetBook }
  - { rpc: library.v1.Library/GetBook, gett: /v1/x, post: "/v1/{name", body: bok }
  - { rpc: a.B/C, get: /v1/y }
  - { rpc: library.v1.Library/GetBook, upstream: librari, get: "/v1/{nam}" }
  - { rpc: library.v1.Library/GetBook, get: "/v1/{name}/x" }
  - { rpc: library.v1.Library/ListBooks, get: "/v1/{book.name}/x", response: { status: "\${NOPE}" } }
`;
    assert.deepEqual((await check(t, body)).check, [
      'routes.yaml:7:13: upstreams.gone.target: target "nonsense": the scheme is missing; expected etcd:///service#N, dns:///name:port#N or pass:///host:port#N,…',
      "routes.yaml:9:17: server.port: expected a whole number from 0 to 65535, not -1",
      'routes.yaml:11:45: variable {nam} of library.v1.GetBookRequest: unknown field "nam"; did you mean "name"?',
      "routes.yaml:11:67: routes[0].timeout: expected a duration such as 250ms, 5s or 1m30s, not 3; write the unit: 3s or 3ms",
      "routes.yaml:12:5: routes[1]: expected exactly one of get, put, post, delete, patch or custom",
      'routes.yaml:13:40: routes[2]: unknown key "gett"; did you mean "get"?',
      'routes.yaml:13:59: path template "/v1/{name": column 10: expected ".", "=" or "}", found the end',
      'routes.yaml:13:78: no field "bok" in library.v1.GetBookRequest; did you mean "book"?',
      'routes.yaml:15:50: routes[4].upstream: no upstream "librari"; did you mean "library"?',
      "routes.yaml:17:47: GET /v1/{book.name}/x (routes.yaml:17:47) takes exactly the requests of GET /v1/{name}/x (routes.yaml:16:45)",
      "routes.yaml:17:88: routes[6].response.status: environment variable NOPE is not set; a default is written ${NOPE:-value}",
    ]);
  });

  it("stops where nothing is left, and warns of nothing that a part does not show", async (t) => {
    assert.deepEqual((await check(t, "version: 2\nupstreams: 7\n", "")).check.length, 2);
    assert.deepEqual((await check(t, "routes: [{ get: /x }]\nannotations: { read: true, services: [none.*] }")).check, [
      'routes.yaml:6:10: routes[0]: missing key "rpc": the gRPC method, such as library.v1.Library/GetBook',
    ]);
  });
});
