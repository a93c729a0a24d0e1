import assert from "node:assert/strict";
import { createPrivateKey } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { parseConfig, readConfig, type Loaded, type LoadOptions } from "../../../src/config/load.ts";
import { formatProblem, problemsOf } from "../../../src/core/problem.ts";
import { defaultCompressionPolicy } from "../../../src/exchange/coding/options.ts";
import { pem } from "../../support/tls.ts";

const env = { PORT: "8081", TIMEOUT: "2s", SECRET: "hunter2", YES: "true", PASSWORD: "from the environment" };

const files: Record<string, string> = { secret: "hunter2\n", no: "no certificate\n" };

function parse(text: string, options: Partial<LoadOptions> = {}): Loaded {
  return parseConfig(text, "dir/r.yaml", {
    env,
    readFile: (name) => {
      if (name.endsWith(".pem")) return pem(name.slice(0, -".pem".length));
      return files[name] ?? assert.fail(`read ${name}`);
    },
    ...options,
  });
}

/** The problems of a refused text without the file's name; fails where it is accepted. */
function problems(text: string, options: Partial<LoadOptions> = {}): string[] {
  try {
    parse(text, options);
  } catch (error) {
    return (problemsOf(error) ?? [error as never]).map(formatProblem).map((line) => line.replace(/^dir\/r\.yaml:/, ""));
  }
  assert.fail("accepted");
}

const HEAD = "version: 1\n";
const UPSTREAM = "upstreams: { u: { target: pass:///h:1, schema: { descriptor_set: d.binpb } } }\n";
const ROUTE = "routes: [{ rpc: a.B/C, get: /c }]\n";
const GOOD = HEAD + UPSTREAM + ROUTE;

describe("parseConfig()", () => {
  it("fills every default", () => {
    const { config, warnings } = parse(GOOD);
    assert.deepEqual(warnings, []);
    assert.deepEqual(config.server, {
      host: "127.0.0.1",
      port: 8080,
      workers: 1,
      zone: "",
      admin: { host: "127.0.0.1", port: 9901 },
      timeouts: { headerMs: 10_000, requestMs: 30_000, idleMs: 75_000, drainMs: 30_000 },
      limits: { headerBytes: 65_536, bodyBytes: 4_194_304 },
      tls: null,
      http2: { enabled: true, maxConcurrentStreams: 100 },
      webSocket: { allowedOrigins: [], maxConnections: 10_000 },
      trustedProxies: [],
    });
    const none = { allow: [], deny: [], rename: {} };
    assert.deepEqual(config.upstreams, [
      {
        name: "u",
        target: { kind: "pass", addresses: [{ address: "h:1", connections: 1 }] },
        schema: { kind: "descriptor_set", file: path.join("dir", "d.binpb") },
        loadBalancing: { policy: "least_request", slowStart: null },
        health: {
          outlier: {
            consecutiveFailures: 3,
            intervalMs: 10_000,
            baseEjectionMs: 1_000,
            maxEjectionMs: 30_000,
            maxEjectionPercent: 50,
            successRate: { stdevFactor: 1_900, minimumHosts: 5, requestVolume: 100 },
            failurePercentage: { threshold: 85, minimumHosts: 5, requestVolume: 50 },
          },
          check: null,
          panicThreshold: 50,
        },
        zone: null,
        subset: null,
        maxEndpoints: 10_000,
        maxConnectionsPerEndpoint: 4,
        connectTimeoutMs: 3000,
        removalGuardMs: 300_000,
        maxMessageBytes: 4_194_304,
        transport: "http2",
        keepalive: null,
        tls: null,
        etcd: null,
        dns: null,
        cacheFile: null,
        serviceRoutes: [],
        autoRoutes: [],
        policy: {
          timeoutMs: 5000,
          streamTimeoutMs: Infinity,
          streamIdleTimeoutMs: 300_000,
          waitForReady: { timeoutMs: 5000, queue: 1000 },
          retry: {
            attempts: 3,
            codes: [14],
            perAttemptTimeoutMs: Infinity,
            budget: { percent: 20, minPerSecond: 10 },
          },
          hedge: { delayMs: 0, percentile: 0, max: 1 },
          headers: { request: none, response: none },
          partialResponses: false,
          etag: false,
          response: { statusFrom: "" },
          stream: { heartbeatMs: 15_000, retryMs: Infinity, ndjson: "wrapped", webSocket: "bare" },
          errors: { format: "google.rpc.Status" },
          json: {
            names: "json",
            emitDefaults: "none",
            int64: "string",
            enums: "name",
            enumPrefix: "keep",
            enumCase: "exact",
            unknownFields: "reject",
          },
          request: { unknownQuery: "reject", updateMask: "auto", forms: "same_origin" },
          ...defaultCompressionPolicy,
        },
        position: { line: 2, column: 14 },
      },
    ]);
    assert.deepEqual(config.annotations, { read: false, services: [] });
    assert.deepEqual(config.routing, { trailingSlash: "strict", unescape: "all_except_slash" });
  });

  it("reads every key of the design", () => {
    const { config } = parse(`
version: 1
server:
  host: "[::1]"
  port: \${PORT}
  workers: auto
  zone: eu-1a
  admin: { host: 0.0.0.0, port: 0 }
  timeouts: { header: 1s, request: "\${TIMEOUT}", idle: 1m, drain: 0s }
  limits: { header: 2048, body: 1MB }
  tls: { cert: server.pem, key: server-key.pem, client_ca: ca.pem, min_version: TLSv1.3, ciphers: TLS_AES_128_GCM_SHA256 }
  http2: { enabled: false, max_concurrent_streams: 10 }
  websocket: { allowed_origins: [https://App.example.com, "https://*.example.org:8443", "*"], max_connections: 5 }
  trusted_proxies: [10.0.0.0/8, loopback, "::1"]
defaults:
  timeout: 1s
  stream_timeout: 1h
  stream_idle_timeout: none
  wait_for_ready: { timeout: 0s, queue: 7 }
  headers: { request: { allow: [X-A, "x-b-*"], deny: [x-c], rename: { X-A: X-D } } }
  stream: { heartbeat: none }
  etag: true
  retry: { attempts: 2, codes: [ABORTED, UNAVAILABLE], per_attempt_timeout: 1s, budget: { percent: 5, min_per_second: 1 } }
  hedge: { delay: 50ms, max: 2 }
  json:
    names: proto
    int64: safe
    emit_defaults: all
    enums: number
    enum_prefix: strip
    enum_case: ignore
    unknown_fields: ignore
    unknown_query: ignore
  request: { update_mask: "off" }
  discovery: { etcd: { endpoints: ["http://e1:2379", "e2:80", "[::1]:2379"], prefix: /etcd3_naming } }
upstreams:
  library:
    target: etcd:///library#2
    schema: { proto: { files: [library/v1/library.proto], include: [protos, /abs] } }
    load_balancing: { policy: round_robin }
    connect_timeout: 500ms
    limits: { message: 8MiB }
    transport: grpc-js
    timeout: 2s
    outlier_detection: { consecutive_failures: 5, success_rate: { stdev_factor: 0 }, max_ejection_percent: 20 }
    health_check: { service: library.v1.Library }
    panic_threshold: 0
    zone: { spill_below: 50, min_endpoints: 3 }
    subset: { size: 20, client: gw-1 }
    max_endpoints: 100
    hedge: { percentile: 95 }
  other:
    target: etcd://a:1,b:2/other
    discovery: { etcd: { endpoints: [x:1] } }
    schema: { proto: { files: [x.proto] } }
  third:
    target: etcd:///third
    discovery: { etcd: { endpoints: ["x:1"] } }
    schema: { descriptor_set: d }
annotations: { read: "\${YES}", services: ["library.v1.*"] }
routing: { trailing_slash: ignore, unescape: all }
`);
    assert.deepEqual(config.server, {
      host: "::1",
      port: 8081,
      workers: "auto",
      zone: "eu-1a",
      admin: { host: "0.0.0.0", port: 0 },
      timeouts: { headerMs: 1000, requestMs: 2000, idleMs: 60_000, drainMs: 0 },
      limits: { headerBytes: 2048, bodyBytes: 1_000_000 },
      tls: {
        cert: pem("server"),
        key: pem("server-key"),
        passphrase: null,
        clientCa: pem("ca"),
        minVersion: "TLSv1.3",
        ciphers: "TLS_AES_128_GCM_SHA256",
      },
      http2: { enabled: false, maxConcurrentStreams: 10 },
      webSocket: {
        allowedOrigins: ["https://app.example.com", "https://*.example.org:8443", "*"],
        maxConnections: 5,
      },
      trustedProxies: ["10.0.0.0/8", "loopback", "::1"],
    });
    const [library, other, third] = config.upstreams;
    assert.deepEqual(library?.schema, {
      kind: "proto",
      files: ["library/v1/library.proto"],
      include: [path.join("dir", "protos"), "/abs"],
    });
    assert.deepEqual(library?.etcd, {
      endpoints: ["http://e1:2379", "e2:80", "[::1]:2379"],
      prefix: "/etcd3_naming/",
      tls: null,
      auth: null,
    });
    assert.deepEqual(library?.loadBalancing, { policy: "round_robin", slowStart: null });
    assert.deepEqual(library?.health, {
      outlier: {
        ...other?.health.outlier,
        consecutiveFailures: 5,
        maxEjectionPercent: 20,
        successRate: { ...other?.health.outlier.successRate, stdevFactor: 0 },
      },
      check: { service: "library.v1.Library" },
      panicThreshold: 0,
    });
    assert.deepEqual(
      [library?.zone, library?.subset, library?.maxEndpoints],
      [{ spillBelow: 50, minEndpoints: 3 }, { size: 20, client: "gw-1" }, 100],
    );
    assert.deepEqual([library?.connectTimeoutMs, library?.maxMessageBytes], [500, 8_388_608]);
    assert.deepEqual(library?.policy, {
      timeoutMs: 2000,
      streamTimeoutMs: 3_600_000,
      streamIdleTimeoutMs: Infinity,
      waitForReady: { timeoutMs: 0, queue: 7 },
      retry: {
        attempts: 2,
        codes: [10, 14],
        perAttemptTimeoutMs: 1_000,
        budget: { percent: 5, minPerSecond: 1 },
      },
      hedge: { delayMs: 0, percentile: 95, max: 2 },
      headers: {
        request: { allow: ["x-a", "x-b-*"], deny: ["x-c"], rename: { "x-a": "x-d" } },
        response: { allow: [], deny: [], rename: {} },
      },
      partialResponses: false,
      etag: true,
      response: { statusFrom: "" },
      stream: { heartbeatMs: Infinity, retryMs: Infinity, ndjson: "wrapped", webSocket: "bare" },
      errors: { format: "google.rpc.Status" },
      json: {
        names: "proto",
        emitDefaults: "all",
        int64: "safe",
        enums: "number",
        enumPrefix: "strip",
        enumCase: "ignore",
        unknownFields: "ignore",
      },
      request: { unknownQuery: "ignore", updateMask: "off", forms: "same_origin" },
      ...defaultCompressionPolicy,
    });
    assert.deepEqual(
      other?.etcd,
      { endpoints: ["a:1", "b:2"], prefix: "/etcd3_naming/", tls: null, auth: null },
      "key by key, the target's hosts over all",
    );
    assert.deepEqual(third?.etcd, { endpoints: ["x:1"], prefix: "/etcd3_naming/", tls: null, auth: null });
    assert.deepEqual(other?.schema, { kind: "proto", files: ["x.proto"], include: ["dir"] });
    assert.deepEqual(config.annotations, { read: true, services: ["library.v1.*"] });
    assert.deepEqual(config.routing, { trailingSlash: "ignore", unescape: "all" });
  });

  it("takes instances from a list or a module, and knows where their lists are kept", () => {
    const { config } = parse(`${HEAD}annotations: { read: true }
defaults: { discovery: { cache: /var/lib/sluice/endpoints.json } }
upstreams:
  a:
    endpoints: [{ address: "A:1" }, { address: "[::1]:2", weight: 0, zone: z, connections: 3 }]
    schema: { descriptor_set: d }
  b:
    discovery: { module: secret, options: { a: [1, "\${PORT}"] }, cache: b.json }
    schema: { descriptor_set: d }
  c: { target: dns:///c:1, schema: { descriptor_set: d } }
`);
    const [a, b, c] = config.upstreams;
    assert.deepEqual(a?.target, {
      kind: "pass",
      addresses: [
        { address: "a:1", connections: 1, weight: 1, zone: "" },
        { address: "[::1]:2", connections: 3, weight: 0, zone: "z" },
      ],
    });
    assert.ok(b?.target.kind === "module");
    assert.match(b.target.hash, /^[0-9a-f]{64}$/);
    assert.equal(b.target.file, path.resolve("dir/secret"));
    assert.deepEqual({ ...b.target.options }, { a: [1, "8081"] });
    assert.deepEqual(
      [a, b, c].map((upstream) => upstream?.cacheFile),
      [null, path.resolve("dir/b.json"), "/var/lib/sluice/endpoints.json"],
    );
  });

  it("gives a route's rule, then its additional bindings, each with its place", () => {
    const { config } = parse(`${HEAD}${UPSTREAM}routes:
  - selector: a.b.S.M
    upstream: u
    post: /v1/x
    body: "*"
    response_body: y
    idempotent: true
    additional_bindings:
      - custom: { kind: HEAD, path: "/v1/{x=**}" }
`);
    const [route] = config.routes;
    assert.deepEqual(
      { rpc: route?.rpc, upstream: route?.upstream, idempotent: route?.idempotent, position: route?.position },
      { rpc: "a.b.S/M", upstream: "u", idempotent: true, position: { line: 4, column: 5 } },
    );
    assert.deepEqual(route?.rules, [
      {
        method: "POST",
        path: "/v1/x",
        body: "*",
        responseBody: "y",
        positions: {
          path: { line: 6, column: 11 },
          body: { line: 7, column: 11 },
          responseBody: { line: 8, column: 20 },
        },
      },
      {
        method: "HEAD",
        path: "/v1/{x=**}",
        body: "",
        responseBody: "",
        positions: { path: { line: 11, column: 37 }, body: undefined, responseBody: undefined },
      },
    ]);
  });

  it("lets a route's policy win over its upstream's, and that over the defaults", () => {
    const { config } = parse(`${HEAD}
defaults: { timeout: 1s, stream_timeout: 1m, headers: { request: { allow: [a], deny: [x] } } }
upstreams:
  u:
    target: pass:///h:1
    schema: { descriptor_set: d }
    timeout: 2s
    headers: { request: { allow: [b], rename: { p: q } } }
    json: { unknown_fields: ignore }
routes:
  - { rpc: a.B/C, get: /c, timeout: 3s, headers: { request: { allow: [], rename: { r: s } } }, wait_for_ready: { timeout: 9s } }
`);
    const [upstream] = config.upstreams;
    assert.ok(upstream);
    const policy = config.routes[0]?.policyFor(upstream.policy);
    assert.equal(policy?.timeoutMs, 3000);
    assert.equal(policy?.streamTimeoutMs, 60_000);
    assert.deepEqual(policy?.waitForReady, { timeoutMs: 9000, queue: 1000 });
    assert.deepEqual(policy?.headers.request, { allow: [], deny: ["x"], rename: { p: "q", r: "s" } });
    assert.equal(policy?.json.unknownFields, "ignore");
    assert.equal(upstream.policy.timeoutMs, 2000, "the upstream's own is not touched");
  });

  it("gives a route's fields that headers and cookies set", () => {
    const from = "{ tenant: { header: X-Tenant }, session.id: { cookie: sid } }";
    const { config } = parse(`${HEAD}${UPSTREAM}routes: [{ rpc: a.B/C, get: /c, request: { from: ${from} } }]`);
    assert.deepEqual(config.routes[0]?.sources, [
      { field: "tenant", kind: "header", name: "X-Tenant" },
      { field: "session.id", kind: "cookie", name: "sid" },
    ]);
    assert.deepEqual(parse(`${HEAD}${UPSTREAM}routes: [{ rpc: a.B/C, get: /c }]`).config.routes[0]?.sources, []);
  });

  it("takes what TLS needs from files beside it, or as text", () => {
    const tls = (yaml: string) =>
      parse(
        `${HEAD}${ROUTE}upstreams:
  u:
    target: pass:///h:1
    schema: { descriptor_set: d }
    tls: ${yaml}
`,
        { env: { CA: pem("ca") } },
      ).config.upstreams[0]?.tls;
    assert.deepEqual(tls("{}"), { ca: null, identity: null, serverName: null });
    assert.deepEqual(tls("{ ca: ca.pem, cert: client.pem, key: client-key.pem, server_name: lab.test }"), {
      ca: pem("ca"),
      identity: { cert: pem("client"), key: pem("client-key") },
      serverName: "lab.test",
    });
    assert.deepEqual(tls('{ ca: "${CA}" }')?.ca, pem("ca"));
  });

  it("reads TLS and the user of an etcd, each key from the last place that says it; a discov key has no prefix", () => {
    const { config } = parse(`${HEAD}annotations: { read: true }
defaults:
  discovery:
    etcd:
      endpoints: [https://e1:2379, https://e2]
      prefix: /p
      tls: { ca: ca.pem, server_name: etcd.internal }
      auth: { user: gateway, password_file: secret }
    dns: { min_ttl: 1s }
upstreams:
  a: { target: etcd:///a, schema: { descriptor_set: d } }
  b:
    target: discov://e3/b.rpc
    discovery: { etcd: { auth: { user: other, password: "\${PASSWORD}" } } }
    schema: { descriptor_set: d }
  c: { target: dns:///c:1, schema: { descriptor_set: d }, discovery: { dns: { max_ttl: 2s } } }
`);
    const tls = { ca: pem("ca"), identity: null, serverName: "etcd.internal" };
    const endpoints = ["https://e1:2379", "https://e2:2379"];
    assert.deepEqual(
      config.upstreams.map(({ etcd, dns }) => etcd ?? dns),
      [
        { endpoints, prefix: "/p/", tls, auth: { user: "gateway", password: "hunter2" } },
        { endpoints: ["e3:2379"], prefix: "", tls, auth: { user: "other", password: "from the environment" } },
        { minTtlMs: 1000, maxTtlMs: 2000 },
      ],
    );
  });

  it("warns of a certificate for clients that has expired", () => {
    const tls = (cert: string) => parse(`${GOOD}server: { tls: { cert: ${cert}.pem, key: server-key.pem } }`).warnings;
    assert.deepEqual(tls("server"), []);
    assert.match(tls("expired").map(formatProblem).join(), /server\.tls\.cert: the certificate has expired, on 20/);
  });

  it("reads an encrypted key with its passphrase", () => {
    const key = createPrivateKey(pem("server-key")).export({
      type: "pkcs8",
      format: "pem",
      cipher: "aes-256-cbc",
      passphrase: "hunter2",
    });
    const tls = (passphrase: string) =>
      `${GOOD}server: { tls: { cert: server.pem, key: "\${KEY}"${passphrase === "" ? "" : `, passphrase: "${passphrase}"`} } }`;
    const options = { env: { ...env, KEY: String(key) } };
    assert.equal(parse(tls("${SECRET}"), options).config.server.tls?.passphrase, "hunter2");
    assert.match(
      problems(tls("wrong"), options).join(),
      /key: expected a private key in PEM form that passphrase opens/,
    );
    assert.match(problems(tls(""), options).join(), /one that is encrypted needs its passphrase/);
  });

  it("takes sections without a value as empty", () => {
    assert.deepEqual(parse(`${GOOD}server:\ndefaults:\nannotations:\n`).config.server, parse(GOOD).config.server);
  });

  const duration = "expected a duration such as 250ms, 5s or 1m30s";
  const size = "expected a size such as 64KiB, 4MiB or a number of bytes";
  const u = (rest: string) =>
    `${HEAD}${ROUTE}upstreams: { u: { target: pass:///h:1, schema: { descriptor_set: d }, ${rest} } }\n`;
  const source = (rest: string) => `${HEAD}${ROUTE}upstreams: { u: { ${rest}, schema: { descriptor_set: d } } }\n`;
  const etcd = (rest: string) =>
    `${HEAD}${ROUTE}upstreams: { u: { target: etcd:///s, schema: { descriptor_set: d }, discovery: { etcd: { ${rest} } } } }\n`;
  const route = (rest: string) => `${HEAD}${UPSTREAM}routes: [{ rpc: a.B/C, ${rest} }]`;
  for (const [text, ...expected] of [
    ["", '1:1: missing key "version": expected 1', '1:1: missing key "upstreams": expected a map'],
    ["[]", "1:1: expected a map of keys, not an empty list"],
    [GOOD.replace("1", "2"), "1:10: version: expected 1, not 2"],
    [`${HEAD}upstreams: {}\n`, "2:1: upstreams: expected at least one upstream"],
    // sources of fields
    ...["{}", "{ header: a, cookie: b }"].map((source) => [
      route(`get: /c, request: { from: { a: ${source} } }`),
      "3:52: routes[0].request.from.a: expected exactly one of header or cookie",
    ]),
    [
      route('get: /c, request: { from: { a: { header: "x y" } } }'),
      '3:65: routes[0].request.from.a.header: expected a header name such as x-tenant, not "x y"',
    ],
    [
      `${GOOD}defaults: { request: { from: {} } }`,
      '4:24: defaults.request: unknown key "from"; expected update_mask, forms',
    ],
    // routing
    [
      `${GOOD}routing: { trailing_slash: rediret, unescape: none }`,
      '4:28: routing.trailing_slash: expected strict or ignore or redirect, not "rediret"; did you mean "redirect"?',
      '4:47: routing.unescape: expected all_except_slash or all_except_reserved or all, not "none"',
    ],
    // unknown keys
    [`${GOOD}serverr: {}`, '4:1: unknown key "serverr"; did you mean "server"?'],
    [
      `${GOOD}server: { prt: 1, hosst: x }`,
      '4:11: server: unknown key "prt"; did you mean "port"?',
      '4:19: server: unknown key "hosst"; did you mean "host"?',
    ],
    [route("gett: /x"), '3:24: routes[0]: unknown key "gett"; did you mean "get"?'],
    // later
    // tls
    [
      `${GOOD}server: { tls: { cert: no, key: missing.pem } }`,
      "4:24: server.tls.cert: expected a certificate in PEM form",
      '4:33: server.tls.key: file "missing.pem" cannot be read: ENOENT',
    ],
    [
      `${GOOD}server: { tls: { cert: server.pem, key: client-key.pem } }`,
      "4:41: server.tls.key: is not the key of cert",
    ],
    [
      `${GOOD}server: { tls: { cert: server.pem } }`,
      '4:11: server.tls: missing key "key": expected a file\'s path or PEM text',
    ],
    [
      `${GOOD}server: { tls: { cert: server.pem, key: server-key.pem, ciphers: NONE } }`,
      "4:66: server.tls.ciphers: expected names of cipher suites that OpenSSL knows (ERR_SSL_NO_CIPHER_MATCH)",
    ],
    [
      u("tls: { ca: no, cert: server.pem, key: missing.pem }"),
      "3:82: upstreams.u.tls.ca: expected certificates in PEM form",
      '3:109: upstreams.u.tls.key: file "missing.pem" cannot be read: ENOENT',
    ],
    [u("tls: { cert: server.pem, key: client-key.pem }"), "3:101: upstreams.u.tls.key: is not the key of cert"],
    [u("tls: { cert: server.pem }"), "3:84: upstreams.u.tls.cert: needs its key"],
    [u("tls: { key: server-key.pem }"), "3:83: upstreams.u.tls.key: belongs to a cert, which is missing"],
    [
      u("tls: { server_name: a:1 }"),
      '3:91: upstreams.u.tls.server_name: expected a host name or an IP address, without a port, not "a:1"',
    ],
    [u("transport: quic"), '3:82: upstreams.u.transport: expected http2 or grpc-js, not "quic"'],
    [u("keepalive: 5m"), '3:82: upstreams.u.keepalive: expected a map of keys, not "5m"'],
    [
      u("keepalive: { timeout: 5s }"),
      '3:71: upstreams.u.keepalive: missing key "time": expected a duration such as 250ms, 5s or 1m30s',
    ],
    [
      u("outlier_detection: { base_ejection_time: 1m }"),
      "3:71: upstreams.u.outlier_detection.max_ejection_time: is shorter than base_ejection_time",
    ],
    [u("breaker: {}"), "3:71: upstreams.u: breaker is not supported yet"],
    // discovery
    [
      u("endpoints: [{ address: a:1 }]"),
      "3:14: upstreams.u: expected one of target, endpoints, discovery.module, not target and endpoints",
    ],
    [
      u("discovery: { module: x.js }"),
      "3:14: upstreams.u: expected one of target, endpoints, discovery.module, not target and discovery.module",
    ],
    [
      source("endpoints: [{ address: a }, { address: b:1, weight: -1 }, { address: A:1 }, { address: a:1 }]"),
      '3:42: upstreams.u.endpoints[0].address: expected an address such as 10.0.0.5:50051, not "a"',
      "3:71: upstreams.u.endpoints[1].weight: expected a whole number from 0 to 1000, not -1",
      "3:106: upstreams.u.endpoints[3].address: a:1 stands in the list already",
    ],
    [
      source("discovery: { module: missing.pem }"),
      '3:40: upstreams.u.discovery.module: file "missing.pem" cannot be read: ENOENT',
    ],
    [u("discovery: { options: {} }"), "3:84: upstreams.u.discovery.options: belongs to a module, which is missing"],
    [`${GOOD}defaults: { discovery: { module: x.js } }`, "4:26: defaults.discovery: module belongs on an upstream"],
    [
      etcd("auth: {}"),
      '3:90: upstreams.u.discovery.etcd.auth: missing key "user": expected a name',
      "3:90: upstreams.u.discovery.etcd.auth: has no password; expected password or password_file",
    ],
    [
      etcd("auth: { user: u, password: 12345 }"),
      "3:117: upstreams.u.discovery.etcd.auth.password: expected a text that is not empty, in quotes",
    ],
    [
      etcd("auth: { user: u, password: a, password_file: b }"),
      "3:135: upstreams.u.discovery.etcd.auth.password_file: stands beside password; expected one of both",
    ],
    [
      etcd("auth: { user: u, password_file: missing.pem }"),
      '3:122: upstreams.u.discovery.etcd.auth.password_file: file "missing.pem" cannot be read: ENOENT',
    ],
    [
      etcd('endpoints: ["http://u:secret@e:1"]'),
      "3:102: upstreams.u.discovery.etcd.endpoints[0]: a user and a password are no part of an address; they belong under auth",
    ],
    [
      etcd('endpoints: ["https://a", "http://b"]'),
      "3:90: upstreams.u.discovery.etcd.endpoints: some endpoints are http, some https; expected one of both for all",
    ],
    [etcd("tls: {}"), "3:90: upstreams.u.discovery.etcd.tls: the endpoints are http, but there is tls; expected https"],
    [
      `${GOOD}defaults: { discovery: { dns: { min_ttl: 1m, max_ttl: 2s } } }`,
      "4:42: defaults.discovery.dns.min_ttl: is longer than max_ttl",
    ],
    [
      u("json: { int64: numbr }"),
      '3:86: upstreams.u.json.int64: expected string or number or safe, not "numbr"; did you mean "number"?',
    ],
    [
      u("json: { emit_defaults: lists, enum_casing: exact }"),
      '3:94: upstreams.u.json.emit_defaults: expected none or scalars or all, not "lists"',
      '3:101: upstreams.u.json: unknown key "enum_casing"; did you mean "enum_case"?',
    ],
    [route("get: /x, auth: {}"), "3:33: routes[0]: auth is not supported yet"],
    [
      route("get: /x, retry: { budget: {} }"),
      "3:42: routes[0].retry: budget belongs on the upstream or in defaults: all routes of an upstream share one budget",
    ],
    [route("get: /x, hedge: { delay: 1s, percentile: 90 }"), "3:65: routes[0].hedge.percentile: excludes delay"],
    // values
    [route("get: /x, timeout: 5"), `3:42: routes[0].timeout: ${duration}, not 5; write the unit: 5s or 5ms`],
    [route("get: /x, timeout: none"), `3:42: routes[0].timeout: ${duration}, not "none"`],
    [route("get: /x, timeout: 0s"), '3:42: routes[0].timeout: expected a duration above 0, not "0s"'],
    [route("get: /x, timeout: 597h"), '3:42: routes[0].timeout: expected a duration of at most 596h, not "597h"'],
    [route('get: /x, timeout: "${SECRET}"'), `3:42: routes[0].timeout: ${duration}, not what "\${SECRET}" stands for`],
    [
      route('get: /x, timeout: "${file:secret}"'),
      `3:42: routes[0].timeout: ${duration}, not what "\${file:secret}" stands for`,
    ],
    [
      route('get: "${NOPE}"'),
      "3:29: routes[0].get: environment variable NOPE is not set; a default is written ${NOPE:-value}",
    ],
    [route("get: /x, idempotent: yes"), '3:45: routes[0].idempotent: expected true or false, not "yes"'],
    [u("limits: { message: 4M }"), `3:90: upstreams.u.limits.message: ${size}, not "4M"`],
    [u("limits: { message: -1 }"), "3:90: upstreams.u.limits.message: expected at least 0 bytes, not -1"],
    [u("limits: { message: 2GiB }"), '3:90: upstreams.u.limits.message: expected less than 2GiB, not "2GiB"'],
    [
      `${GOOD}server: { port: 65536, host: "a:1", limits: { header: 1 } }`,
      "4:17: server.port: expected a whole number from 0 to 65535, not 65536",
      '4:30: server.host: expected a host name or an IP address, without a port, not "a:1"',
      "4:55: server.limits.header: expected at least 1024 bytes, not 1",
    ],
    [
      `${GOOD}server: { timeouts: { header: 31s } }`,
      "4:31: server.timeouts.header: header must not be longer than request, which includes it",
    ],
    [
      `${GOOD}server: { trusted_proxies: [proxy.local] }`,
      '4:29: server.trusted_proxies[0]: expected an IP address, a CIDR block, loopback, linklocal or uniquelocal, not "proxy.local"',
    ],
    [
      `${GOOD}server: { websocket: { allowed_origins: [app.example.com/] } }`,
      '4:42: server.websocket.allowed_origins[0]: expected an origin such as https://app.example.com, https://*.example.com, or *, not "app.example.com/"',
    ],
    [`${GOOD}server: 5`, "4:9: server: expected a map of keys, not 5"],
    [
      `${GOOD}defaults: { headers: { request: { allow: ["a b"], rename: { "x y": b, c: host } } } }`,
      '4:43: defaults.headers.request.allow[0]: expected a header name, or a beginning that ends in *, not "a b"',
      '4:68: defaults.headers.request.rename["x y"]: expected a header name before the colon',
      '4:74: defaults.headers.request.rename.c: header "host" never crosses: it belongs to one connection',
    ],
    [`${GOOD}defaults: { connect_timeout: 1s }`, "4:13: defaults: connect_timeout belongs on an upstream"],
    // routes
    [route("upstream: u"), "3:10: routes[0]: expected exactly one of get, put, post, delete, patch or custom"],
    [
      route("get: /x, post: /y"),
      "3:10: routes[0]: expected exactly one of get, put, post, delete, patch or custom, not get and post",
    ],
    [
      route("get: /x, additional_bindings: [{ body: a }]"),
      "3:55: routes[0].additional_bindings[0]: expected exactly one of get, put, post, delete, patch or custom",
    ],
    [
      route("get: /x, additional_bindings: [{ put: /x, additional_bindings: [] }]"),
      "3:66: routes[0].additional_bindings[0]: additional_bindings does not nest (google.api.HttpRule)",
    ],
    [
      route("custom: { kind: HEAD }"),
      '3:24: routes[0].custom: missing key "path": expected a path template such as /v1/{name=shelves/*}',
    ],
    [
      route("get: /x, body: a.b"),
      '3:39: routes[0].body: expected *, or the name of a field of the request message, not "a.b"',
    ],
    [
      route("get: /x, selector: a.B.D"),
      '3:43: routes[0].selector: selector "a.B.D" names another method than rpc "a.B/C"; one of them is enough',
    ],
    [route("get: /x, upstream: v"), '3:43: routes[0].upstream: no upstream "v"; did you mean "u"?'],
    [route("get: /x, upstream: 5"), "3:43: routes[0].upstream: expected the name of an upstream, not 5"],
    [
      route("get: /x, wait_for_ready: { queue: 1 }"),
      "3:51: routes[0].wait_for_ready: queue belongs on the upstream or in defaults: all routes of an upstream share one queue",
    ],
    [
      `${HEAD}${UPSTREAM}routes: [{ get: /x }]`,
      '3:10: routes[0]: missing key "rpc": the gRPC method, such as library.v1.Library/GetBook',
    ],
    [
      `${HEAD}${UPSTREAM}routes: [{ rpc: a.B.C, get: /x }]`,
      '3:17: routes[0].rpc: expected a method such as library.v1.Library/GetBook, not "a.B.C"; write a.B/C, or use selector',
    ],
    [
      `${HEAD}${UPSTREAM}routes: [{ rpc: /a.B/C, get: /x }]`,
      '3:17: routes[0].rpc: expected a method such as library.v1.Library/GetBook, not "/a.B/C"; leave the first / out',
    ],
    [`${HEAD}${UPSTREAM}routes: [7, { rpc: a.B/C, get: /x }]`, "3:10: routes[0]: expected a map of keys, not 7"],
    [`${HEAD}${UPSTREAM}routes: { rpc: a.B/C, get: /x }`, "3:1: routes: expected a list, not a map"],
    // upstreams
    [
      `${HEAD}${ROUTE}upstreams:\n  u:\n`,
      '4:3: upstreams.u: missing key "schema": expected a map of keys',
      '4:5: upstreams.u: missing key "target": expected a target such as etcd:///library#2 or pass:///127.0.0.1:50051; or endpoints, or discovery.module',
    ],
    [
      `${HEAD}${ROUTE}upstreams: { u: { target: pass:///h:1, schema: { descriptor_set: a, proto: { files: [b] } } } }`,
      "3:40: upstreams.u.schema: expected exactly one of descriptor_set or proto, not descriptor_set and proto",
    ],
    [
      `${HEAD}${ROUTE}upstreams: { u: { target: pass:///h:1, schema: { proto: { files: [] } } } }`,
      "3:59: upstreams.u.schema.proto.files: expected at least 1 in the list, not an empty list",
    ],
    [
      `${HEAD}${ROUTE}upstreams: { "a b": { target: pass:///h:1, schema: { descriptor_set: a } } }`,
      '3:14: upstreams["a b"]: an upstream\'s name is made of letters, digits, and . _ - after the first',
    ],
    [
      `${HEAD}upstreams: { u: &u { target: pass:///h:1, schema: { descriptor_set: a } }, v: *u }\nroutes: [{ rpc: a.B/C, get: /x, upstream: v }]`,
      "2:14: upstreams.u: no route uses this upstream",
    ],
  ] as const) {
    it(`says: ${expected[0]}`, () => assert.deepEqual(problems(text), expected));
  }

  it("tells problems of every kind at once, in the file's order", () => {
    const found = problems(`version: 1
upstreams: { u: { target: pass:///h:1, schema: { descriptor_set: "\${NOPE}" }, u: 1 } }
routes:
  - { rpc: a.B/C, rpc: a.B/C, gett: /x, upstream: v }
  - { get: /y, timeout: 3 }
server: { port: -1 }
`);
    const places = found.map((line) => line.slice(0, line.indexOf(": ")));
    assert.deepEqual(places, ["2:66", "2:79", "4:19", "4:31", "4:51", "5:5", "5:25", "6:17"]);
  });

  it("warns of what has no effect", () => {
    const { warnings } = parse(`${HEAD}annotations: { services: [a.*] }
upstreams: { u: { target: pass:///h:1, schema: { descriptor_set: d }, discovery: { etcd: {} }, zone: {} } }`);
    assert.deepEqual(warnings.map(formatProblem), [
      "dir/r.yaml:2:16: warning: annotations.services: has no effect without read: true",
      "dir/r.yaml:3:84: warning: upstreams.u.discovery.etcd: has no effect on a pass target",
      "dir/r.yaml:1:1: warning: nothing is served: there are no routes, and neither annotations.read nor auto_routes is true",
      "dir/r.yaml:3:14: warning: upstreams.u.zone: has no effect without server.zone",
    ]);
  });

  describe("precedence", () => {
    const file = `${GOOD}server: { host: file, port: 1, admin: { host: file, port: 2 } }`;
    const environment = { SLUICE_HOST: "env", SLUICE_PORT: "3", SLUICE_ADMIN_HOST: "env", SLUICE_ADMIN_PORT: "4" };
    const listen = (options: Partial<LoadOptions>, text = file) => {
      const { host, port, admin } = parse(text, options).config.server;
      return [host, port, admin.host, admin.port];
    };

    it("is command line, environment, file, default", () => {
      const overrides = { host: "cli", port: 5, adminHost: "cli", adminPort: 6 };
      assert.deepEqual(listen({ env: environment, overrides }), ["cli", 5, "cli", 6]);
      assert.deepEqual(listen({ env: environment }), ["env", 3, "env", 4]);
      assert.deepEqual(listen({}), ["file", 1, "file", 2]);
      assert.deepEqual(listen({}, GOOD), ["127.0.0.1", 8080, "127.0.0.1", 9901]);
    });

    it("goes key by key, and an empty variable is none", () => {
      assert.deepEqual(listen({ env: { SLUICE_PORT: "3", SLUICE_HOST: "" }, overrides: { adminPort: 0 } }), [
        "file",
        3,
        "file",
        0,
      ]);
    });

    it("refuses what is no port or host, by its name", () => {
      assert.deepEqual(problems(file, { env: { SLUICE_PORT: "http" }, overrides: { adminHost: "a b" } }), [
        'SLUICE_PORT: expected a whole number from 0 to 65535, not "http"',
        '--admin-host: expected a host name or an IP address, without a port, not "a b"',
      ]);
    });
  });
});

describe("readConfig()", () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "sluice-config-"));
  });
  after(() => rm(folder, { recursive: true }));

  it("reads a file, and what it names from the file's own folder", async () => {
    const file = path.join(folder, "routes.yaml");
    await writeFile(path.join(folder, "port"), "8123\n");
    await writeFile(file, `${GOOD}server: { port: "\${file:port}" }`);
    const { config } = await readConfig(file, { env: {} });
    assert.ok(config);
    assert.equal(config.server.port, 8123);
    assert.equal(config.file, file);
    assert.deepEqual(config.upstreams[0]?.schema, { kind: "descriptor_set", file: path.join(folder, "d.binpb") });
  });

  it("says which file is missing", async () => {
    const file = path.join(folder, "nope.yaml");
    await assert.rejects(readConfig(file, { env: {} }), (error) => {
      const lines = problemsOf(error)?.map(formatProblem);
      assert.deepEqual(lines, [`${file}: cannot be read: no such file; name another with --config`]);
      return true;
    });
  });
});

describe("errors", () => {
  it("are refused at their place, each with what would be right", () => {
    const errors = (yaml: string): string[] => problems(`${GOOD}defaults:\n  errors:\n${yaml}`);
    assert.deepEqual(
      errors(`    format: problem+json
    envelope:
      code: "{cod}"
      list: [{ deep: "x{details}" }, "{message"]
      other: "}"
      nan: .nan
`),
      [
        "7:5: defaults.errors.envelope: stands in place of format; one of them is enough",
        '8:13: defaults.errors.envelope.code: unknown placeholder {cod}; did you mean "code"?',
        "9:22: defaults.errors.envelope.list[0].deep: {details} is a list, and stands in no text with others",
        "9:38: defaults.errors.envelope.list[1]: column 1: expected a name in braces such as {name}; {{ is a brace",
        '10:14: defaults.errors.envelope.other: column 1: found "}" without "{"; }} is a brace',
        "11:12: defaults.errors.envelope.nan: JSON has no number NaN",
      ],
    );
    assert.deepEqual(errors("    envelope: { a: '{zzzzzz}' }"), [
      "6:20: defaults.errors.envelope.a: unknown placeholder {zzzzzz}; there is {code}, {status}, {message}, " +
        "{http_status}, {request_id}, {details}",
    ]);
    assert.deepEqual(errors("    envelope: 7"), ["6:15: defaults.errors.envelope: an envelope is a map of keys"]);
    assert.deepEqual(errors("    format: problem"), [
      '6:13: defaults.errors.format: expected google.rpc.Status or problem+json, not "problem"',
    ]);
  });
});

describe("response", () => {
  it("is refused where it can be no head of a reply", () => {
    const response = (yaml: string): string[] =>
      problems(`${HEAD}${UPSTREAM}routes:\n  - rpc: a.B/C\n    get: /c\n    response:\n${yaml}`);
    assert.deepEqual(
      response(`      status: 302
      headers:
        x-request-id: "1"
        "a b": "1"
        content-length: "{a}"
        x-brace: "{a b}"
        x-line: "ü"
`),
      [
        "7:15: routes[0].response.status: status 302 sends clients elsewhere; say where by headers: { location: … }",
        '9:23: routes[0].response.headers.x-request-id: header "x-request-id" cannot be set: it is the gateway\'s to set',
        '10:16: routes[0].response.headers["a b"]: expected a header name before the colon',
        '11:25: routes[0].response.headers.content-length: header "content-length" cannot be set: it describes a body that is translated',
        "12:18: routes[0].response.headers.x-brace: column 1: expected a name in braces such as {name}; {{ is a brace",
        '13:17: routes[0].response.headers.x-line: expected visible ASCII characters, not "ü"',
      ],
    );
    assert.deepEqual(response("      status: 404"), [
      "7:15: routes[0].response.status: expected a whole number from 200 to 399, not 404",
    ]);
  });
});

describe("headers", () => {
  it("are warned of where a rule can have no effect, and only there", () => {
    const { warnings } = parse(`${HEAD}defaults:
  headers: { request: { allow: [authorization, Host, "grpc-*"], deny: [x-request-id, te] } }
upstreams:
  u:
    target: pass:///h:1
    schema: { descriptor_set: d }
    headers: { response: { allow: [content-type, content-disposition] } }
routes: [{ rpc: a.B/C, get: /c, headers: { response: { deny: [date] } } }]`);
    assert.deepEqual(warnings.map(formatProblem), [
      'dir/r.yaml:3:48: warning: defaults.headers.request.allow[1]: header "host" never crosses, whatever is said here: it belongs to one connection',
      'dir/r.yaml:3:86: warning: defaults.headers.request.deny[1]: header "te" never crosses, whatever is said here: it belongs to one connection',
      'dir/r.yaml:8:36: warning: upstreams.u.headers.response.allow[0]: header "content-type" never crosses, whatever is said here: it describes a body that is translated',
      'dir/r.yaml:9:63: warning: routes[0].headers.response.deny[0]: header "date" never crosses, whatever is said here: it is the gateway\'s to set',
    ]);
  });
});
