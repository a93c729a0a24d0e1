import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import https from "node:https";
import { connect as connectTcp } from "node:net";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import type { TestGateway } from "../support/gateway.ts";
import { askH2, connectH2, openH2, replyOf, tlsServer } from "../support/h2-client.ts";
import { kindsYaml, startKindsGateway, type ErrorJson, type KindsServer, type UnaryCall } from "../support/kinds.ts";
import { CLIENT, pem } from "../support/tls.ts";
import { until } from "../support/until.ts";

/** A GET over HTTP/1.1 and TLS. */
async function get(
  { port }: TestGateway,
  options: https.RequestOptions & { ALPNProtocols?: string[] } = {},
): Promise<{ status: number; json: unknown; headers: NodeJS.Dict<string | string[]> }> {
  const request = https.get({ host: "localhost", port, path: "/v1/act/x", ca: pem("ca"), agent: false, ...options });
  const [response] = (await once(request, "response")) as [import("node:http").IncomingMessage];
  const text = (await response.setEncoding("utf8").toArray()).join("");
  return { status: response.statusCode ?? 0, json: JSON.parse(text), headers: response.headers };
}

/** A handshake; rejects where it fails. */
async function shakeHands(t: TestContext, { port }: TestGateway, options: object): Promise<TLSSocket> {
  const socket = connect({ host: "localhost", port, ca: pem("ca"), ...options });
  t.after(() => socket.destroy());
  await once(socket, "secureConnect");
  return socket;
}

function refusals(gateway: TestGateway): unknown[] {
  return gateway.lines.filter((line) => line["msg"] === "request refused").map((line) => line["code"]);
}

describe("TLS for clients", () => {
  it("speaks HTTP/1.1 to clients that choose it, or nothing, by ALPN, and tells the upstream of https", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: tlsServer() });
    for (const options of [{ ALPNProtocols: ["http/1.1"] }, {}]) {
      const { status, json, headers } = await get(gateway, options);
      assert.deepEqual([status, headers["connection"]], [200, "close"]);
      const { metadata } = json as { metadata: Record<string, string> };
      assert.equal(metadata["x-forwarded-proto"], "https");
    }
    const missing = await get(gateway, { path: "/nope" });
    assert.equal(missing.status, 404);
  });

  it("offers no HTTP/2 where that is switched off", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: tlsServer("http2: { enabled: false }") });
    const socket = await shakeHands(t, gateway, { ALPNProtocols: ["h2", "http/1.1"] });
    assert.equal(socket.alpnProtocol, "http/1.1");
    assert.equal((await get(gateway)).status, 200);
  });

  it("logs and counts clients that speak no TLS, or none that is known here, and goes on", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: tlsServer() });
    const plain = connectTcp(gateway.port, "127.0.0.1");
    plain.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    let received = 0;
    plain.on("data", (data: Buffer) => (received += data.length)).on("error", () => {});
    await once(plain, "close");
    assert.equal(received, 0);
    // The gateway's key is an elliptic one.
    const rsa = { maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-GCM-SHA256" };
    await assert.rejects(shakeHands(t, gateway, rsa));
    await until("the refusals", () => refusals(gateway).length === 2);
    assert.deepEqual(new Set(refusals(gateway)), new Set(["TLS_HANDSHAKE_FAILED"]));
    const metrics = await (await fetch(`${gateway.adminAddress}/metrics`)).text();
    assert.match(metrics, /TLS_HANDSHAKE_FAILED"\} 2/);
    assert.equal((await get(gateway)).status, 200);
  });

  it("ends handshakes that take too long, without a word", async (t) => {
    const { gateway } = await startKindsGateway(t, { server: tlsServer("timeouts: { header: 100ms }") });
    const mute = connectTcp(gateway.port, "127.0.0.1").on("error", () => {});
    const halfway = await shakeHands(t, gateway, { ALPNProtocols: ["h2"] });
    await Promise.all([once(mute, "close"), once(halfway.resume(), "close")]);
    assert.deepEqual(refusals(gateway), []);
  });

  it("takes only clients with a certificate of client_ca where one is set", async (t) => {
    const server = tlsServer().replace("tls: {", 'tls: { client_ca: "$REPO/test/fixtures/tls/ca.pem",');
    const { gateway } = await startKindsGateway(t, { server });
    assert.equal((await get(gateway, CLIENT)).status, 200);
    const session = await connectH2(t, gateway, CLIENT);
    assert.equal((await askH2(session, "/v1/act/x")).status, 200);
    await assert.rejects(get(gateway));
    await until("the refusal", () => refusals(gateway).length === 1);
  });
});

describe("a renewed certificate", () => {
  it("is shown to new connections after a reload; open ones stay, and a broken one changes nothing", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t, { server: tlsServer() });
    const folder = path.dirname(gateway.configFile);
    const configure = async (cert: string, more = ""): Promise<boolean> => {
      await writeFile(path.join(folder, "cert.pem"), cert);
      await writeFile(path.join(folder, "key.pem"), pem("server-key"));
      const server = `{ tls: { cert: cert.pem, key: key.pem }${more} }`;
      await gateway.rewrite(kindsYaml(upstream.address, { server }));
      return gateway.reload();
    };
    const namesOf = async (): Promise<unknown> => {
      const socket = await shakeHands(t, gateway, { rejectUnauthorized: false });
      return socket.getPeerCertificate().subjectaltname;
    };
    const before = await connectH2(t, gateway);
    assert.match(String(await namesOf()), /lab\.test/);
    assert.equal(await configure(pem("other-name")), true);
    assert.equal(await namesOf(), "DNS:other.test");
    assert.equal((await askH2(before, "/v1/act/x")).status, 200);
    assert.ok(!gateway.lines.some((line) => line["key"] === "server"), "no restart is asked for");
    assert.equal(await configure("no certificate"), false);
    assert.equal(await namesOf(), "DNS:other.test");
    assert.equal(await configure(pem("server"), ", limits: { body: 1KiB }"), true);
    assert.match(String(await namesOf()), /lab\.test/);
    assert.ok(gateway.lines.some((line) => line["key"] === "server"));
  });
});

describe("close() with connections of HTTP/2", () => {
  /** Holds the calls of Act; gives ways to answer them. */
  function hold(upstream: KindsServer): (() => void)[] {
    const answers: (() => void)[] = [];
    const { act } = upstream.behaviour;
    upstream.behaviour.act = (call: UnaryCall, reply) => answers.push(() => act(call, reply));
    return answers;
  }

  it("lets requests in flight finish, and tells by GOAWAY which came too late to be processed", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t, { server: tlsServer() });
    const answers = hold(upstream);
    const busy = await connectH2(t, gateway);
    const idle = await connectH2(t, gateway);
    const inFlight = askH2(busy, "/v1/act/x");
    await until("the call", () => answers.length === 1);
    const goaway = once(busy, "goaway");
    const closed = Promise.all([once(busy, "close"), once(idle, "close")]);
    const closing = gateway.close();
    assert.deepEqual((await goaway).slice(0, 2), [0, 1]);
    assert.equal((await fetch(`${gateway.adminAddress}/readyz`)).status, 503);
    answers[0]?.();
    assert.equal((await inFlight).status, 200);
    await Promise.all([closed, closing]);
  });

  it("tells what is left at the limit that it ends: 503, an error line", async (t) => {
    const { gateway, upstream } = await startKindsGateway(t, {
      server: tlsServer("timeouts: { header: 100ms, drain: 100ms }"),
    });
    hold(upstream);
    upstream.behaviour.watch = (call) => call.write(Buffer.alloc(0));
    const session = await connectH2(t, gateway);
    const unary = askH2(session, "/v1/act/x");
    const stream = openH2(session, "/v1/watch/x", {}, true);
    const watch = replyOf(stream);
    await once(stream, "data");
    await Promise.all([gateway.close(), unary, watch]);
    assert.equal((await unary).status, 503);
    const lines = (await watch).text().trimEnd().split("\n");
    const { error } = JSON.parse(lines.at(-1) ?? "") as { error: ErrorJson };
    assert.deepEqual([lines.length, error.details.at(-1)?.["reason"]], [2, "SHUTTING_DOWN"]);
  });
});
