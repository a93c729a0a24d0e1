import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { describe, it } from "node:test";
import { systemClock } from "../../src/core/clock.ts";
import { systemRandom } from "../../src/core/random.ts";
import { startGateway } from "../../src/gateway.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { startTestGateway, type TestGateway } from "../support/gateway.ts";
import { kindsYaml, startKinds, startKindsGateway } from "../support/kinds.ts";
import { ask, RawClient, type AskOptions, type RawReply } from "../support/raw-http.ts";
import { until } from "../support/until.ts";

/** As `ask`, of the admin port. */
function askAdmin({ adminPort }: TestGateway, path: string, options: AskOptions = {}): Promise<RawReply> {
  return ask({ port: adminPort }, path, {
    ...options,
    headers: { host: `localhost:${adminPort}`, ...options.headers },
  });
}

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Samples of the Prometheus text format; throws at a line that is none of it. */
function parseMetrics(text: string): Sample[] {
  const samples: Sample[] = [];
  const typed = new Set<string>();
  assert.ok(text.endsWith("\n"));
  for (const line of text.trimEnd().split("\n")) {
    if (line === "") continue;
    if (line.startsWith("#")) {
      const comment = /^# (HELP|TYPE) ([a-zA-Z_:][\w:]*) (.+)$/.exec(line);
      assert.ok(comment, line);
      if (comment[1] === "TYPE") {
        assert.match(comment[3] ?? "", /^(counter|gauge|histogram|summary)$/);
        assert.ok(!typed.has(comment[2] ?? ""), `two types: ${line}`);
        typed.add(comment[2] ?? "");
      }
      continue;
    }
    const sample = /^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (\S+)$/.exec(line);
    assert.ok(sample, line);
    const labels: Record<string, string> = {};
    for (const [, name = "", value = ""] of (sample[2] ?? "").matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g))
      labels[name] = value;
    const value = Number(sample[3]?.replace("+Inf", "Infinity"));
    // prom-client writes "Nan", which Prometheus takes in any case.
    assert.ok(!Number.isNaN(value) || sample[3]?.toLowerCase() === "nan", line);
    const family = (sample[1] ?? "").replace(/_(bucket|sum|count)$/, "");
    assert.ok(typed.has(family) || typed.has(sample[1] ?? ""), `no type: ${line}`);
    samples.push({ name: sample[1] ?? "", labels, value });
  }
  return samples;
}

describe("/livez and /readyz", () => {
  it("say that the gateway lives, and what each upstream has", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const live = await askAdmin(gateway, "/livez");
    assert.deepEqual([live.status, live.text()], [200, "ok\n"]);
    await ask(gateway, "/v1/act/x");
    const ready = await askAdmin(gateway, "/readyz");
    assert.deepEqual(
      [ready.status, ready.json()],
      [
        200,
        {
          ready: true,
          draining: false,
          upstreams: [{ name: "kinds", ready: true, endpoints: 1, readyEndpoints: 1, missing: "" }],
        },
      ],
    );
    assert.equal((await askAdmin(gateway, "/readyz", { method: "HEAD" })).status, 200);
  });

  it("answer what is not theirs with the gateway's own failures", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const json = { "content-type": "application/json" };
    for (const [path, options, status, allow, code, message, reason] of [
      ["/nothing?a=b", {}, 404, undefined, 5, "no route for GET /nothing", "ROUTE_NOT_FOUND"],
      [
        "/livez",
        { method: "POST", body: "{", headers: json },
        405,
        "GET, HEAD",
        12,
        "/livez does not answer to POST; allowed: GET, HEAD",
        "METHOD_NOT_ALLOWED",
      ],
      ["/%zz", {}, 400, undefined, 3, "path: '/%zz' is not a valid url component", "PATH_MALFORMED"],
    ] as const) {
      const reply = await askAdmin(gateway, path, options);
      const details = [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "sluice" }];
      assert.deepEqual(
        [reply.status, reply.headers["allow"], reply.json()],
        [status, allow, { code, message, details }],
        path,
      );
    }
  });

  it("is not ready where an upstream is missing, with 503 and what is missing, and becomes so without a restart", async (t) => {
    const first = await startKinds(t);
    const { port } = first;
    first.destroy();
    const gateway = await startTestGateway(t, kindsYaml(`127.0.0.1:${port}`));
    const missing = await askAdmin(gateway, "/readyz");
    assert.equal(missing.status, 503);
    assert.deepEqual((missing.json() as { upstreams: unknown[] }).upstreams, [
      { name: "kinds", ready: false, endpoints: 1, readyEndpoints: 0, missing: "no instance accepts calls" },
    ]);
    assert.equal((await askAdmin(gateway, "/livez")).status, 200);
    await startKinds(t, {}, port);
    // A request waits for the instance, so that nothing has to be polled here.
    assert.equal((await ask(gateway, "/v1/act/x")).status, 200);
    assert.equal((await askAdmin(gateway, "/readyz")).status, 200);
  });
});

describe("the admin port on a loopback address", () => {
  it("answers to names of this machine only, since a stranger's page can make its own name point here", async (t) => {
    const { gateway } = await startKindsGateway(t);
    for (const [host, status] of [
      ["localhost", 200],
      [`127.0.0.1:${gateway.adminPort}`, 200],
      ["[::1]:9901", 200],
      ["evil.test", 421],
      ["127.0.0.1.evil.test", 421],
      ["localhost.evil.test:9901", 421],
    ] as const) {
      for (const path of ["/livez", "/readyz", "/metrics"]) {
        const reply = await askAdmin(gateway, path, { headers: { host } });
        assert.equal(reply.status, status, host);
        if (status === 421) assert.match(reply.text(), /^{"code":3,"message":"host .*"reason":"HOST_NOT_SERVED"/);
      }
    }
  });
});

describe("startGateway()", () => {
  it("says which port is taken and how to choose another, and leaves nothing open", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const folder = await mkdtemp(path.join(os.tmpdir(), "sluice-test-"));
    t.after(() => rm(folder, { recursive: true }));
    await writeFile(path.join(folder, "routes.yaml"), await readFile(gateway.configFile));
    const start = (overrides: { port: number; adminPort: number }) =>
      startGateway({
        configFile: path.join(folder, "routes.yaml"),
        load: { env: {}, overrides },
        log: createLog({ level: "silent" }),
        clock: systemClock,
        random: systemRandom,
      });
    const listeners = () => process.getActiveResourcesInfo().filter((kind) => kind === "TCPServerWrap").length;
    const before = listeners();
    const { port, adminPort } = gateway;
    await assert.rejects(start({ port, adminPort: 0 }), {
      code: "ADDRESS_IN_USE",
      message: `127.0.0.1:${port} is in use; stop what listens there or choose another with --port`,
    });
    await assert.rejects(start({ port: 0, adminPort }), {
      code: "ADDRESS_IN_USE",
      message: `127.0.0.1:${adminPort} is in use; stop what listens there or choose another with --admin-port`,
    });
    // libuv closes them in its next round.
    await until("no listener more than before", () => listeners() <= before);
  });
});

describe("/metrics", () => {
  it("is Prometheus text with a histogram of requests by method, route, status and rpc", async (t) => {
    const { gateway } = await startKindsGateway(t);
    await ask(gateway, "/v1/act/a");
    await ask(gateway, "/v1/act/b");
    await ask(gateway, '/v1/"quoted\\path"');
    await ask(gateway, "/v1/echo", { body: "{" });
    await ask(gateway, "/v1/act/x", { method: "PROPFIND" });
    const client = new RawClient(gateway.port).send("no HTTP\r\n\r\n");
    await client.reply();
    client.close();
    const reply = await askAdmin(gateway, "/metrics");
    assert.match(reply.headers["content-type"] ?? "", /^text\/plain; version=0\.0\.4/);
    const samples = parseMetrics(reply.text());
    const find = (name: string, labels: Record<string, string>): number | undefined =>
      samples.find(
        (one) => one.name === name && Object.entries(labels).every(([key, value]) => one.labels[key] === value),
      )?.value;
    const ok = {
      http_request_method: "GET",
      http_route: "/v1/act/{name}",
      http_response_status_code: "200",
      rpc_method: "kinds.v1.Kinds/Act",
      rpc_response_status_code: "OK",
    };
    assert.equal(find("http_server_request_duration_seconds_count", ok), 2);
    assert.equal(find("http_server_request_duration_seconds_bucket", { ...ok, le: "+Inf" }), 2);
    assert.ok((find("http_server_request_duration_seconds_sum", ok) ?? 0) > 0);
    const count = "http_server_request_duration_seconds_count";
    // No path of a client's choice becomes a label.
    assert.equal(find(count, { http_route: "", http_response_status_code: "404", rpc_method: "" }), 1);
    assert.equal(
      find(count, {
        http_route: "/v1/echo",
        http_response_status_code: "400",
        rpc_response_status_code: "INVALID_ARGUMENT",
      }),
      1,
    );
    assert.equal(find(count, { http_request_method: "_OTHER", http_response_status_code: "405" }), 1);
    assert.equal(find("sluice_http_client_errors_total", { code: "HTTP_MALFORMED" }), 1);
    assert.equal(find("http_server_active_requests", {}), 0);
    assert.equal(find("sluice_upstream_endpoints", { upstream: "kinds" }), 1);
    assert.equal(find("sluice_upstream_ready_endpoints", { upstream: "kinds" }), 1);
    assert.equal(find("sluice_upstream_waiting_calls", { upstream: "kinds" }), 0);
    assert.equal(find("sluice_config_last_reload_successful", {}), 1);
    assert.ok((find("process_resident_memory_bytes", {}) ?? 0) > 0);
  });
});

describe("the access line", () => {
  it("is one per request, with what is needed to find it again and nothing that is secret", async (t) => {
    const { gateway } = await startKindsGateway(t);
    const before = gateway.lines.length;
    await ask(gateway, "/v1/echo/secret%22%C3%BC?f_int32=7", {
      method: "PUT",
      body: '{"fBool":true}',
      headers: { authorization: "Bearer hidden", "x-request-id": "r-1", cookie: "hidden=1" },
    });
    const [line, ...others] = gateway.lines.slice(before);
    assert.deepEqual(others, []);
    const { time, duration_ms, upstream_ms, ...rest } = line ?? {};
    assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 60_000);
    assert.ok(Number(duration_ms) > 0 && Number(upstream_ms) > 0 && Number(upstream_ms) <= Number(duration_ms));
    assert.deepEqual(rest, {
      level: "info",
      msg: "request",
      method: "PUT",
      path: "/v1/echo/secret%22%C3%BC",
      route: "/v1/echo/{f_string}",
      status: 200,
      grpc_status: "OK",
      rpc: "kinds.v1.Kinds/Echo",
      upstream: "kinds",
      bytes_in: 14,
      bytes_out: 61,
      client: "127.0.0.1",
      request_id: "r-1",
    });
  });

  it("is not written below its level, and requests are counted all the same", async (t) => {
    const upstream = await startKinds(t);
    const gateway = await startTestGateway(t, kindsYaml(upstream.address), { level: "warn" });
    await ask(gateway, "/v1/act/x");
    assert.deepEqual(gateway.lines, []);
    const samples = parseMetrics((await askAdmin(gateway, "/metrics")).text());
    const counts = samples.filter(({ name }) => name === "http_server_request_duration_seconds_count");
    assert.deepEqual(
      counts.map(({ labels, value }) => [labels["http_route"], value]),
      [["/v1/act/{name}", 1]],
    );
  });
});
