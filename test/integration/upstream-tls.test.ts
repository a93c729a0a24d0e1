import assert from "node:assert/strict";
import { once } from "node:events";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import net, { type AddressInfo } from "node:net";
import { afterEach, describe, it } from "node:test";
import tls, { type TLSSocket } from "node:tls";
import type { ConnectionFactory } from "../../src/upstream/connection/connection.ts";
import { createGrpcJsConnection } from "../../src/upstream/connection/grpc-js.ts";
import { createHttp2Connection } from "../../src/upstream/connection/http2.ts";
import type { TlsOptions } from "../../src/tls/client.ts";
import { TestConnection } from "../support/grpc-calls.ts";
import { startGrpcServer } from "../support/grpc-server.ts";
import { labMethods } from "../support/grpc-server-lab.ts";
import { CLIENT, createH2Server, pem, SERVER, TRUSTING, type ServerIdentity } from "../support/tls.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const transports: readonly (readonly [string, (tls: TlsOptions) => ConnectionFactory])[] = [
  ["grpc-js", createGrpcJsConnection],
  ["http2", (options) => createHttp2Connection({ tls: options })],
];

async function startLab(identity: ServerIdentity): Promise<string> {
  const server = await startGrpcServer(labMethods("a"), { identity });
  cleanups.push(() => server.destroy());
  return server.address;
}

async function listen(server: net.Server): Promise<string> {
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => sockets.add(socket));
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function answer(stream: ServerHttp2Stream): void {
  stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "0" }, { endStream: true });
}

for (const [name, create] of transports)
  describe(`${name} over TLS`, () => {
    function open(address: string, options: Partial<TlsOptions> = {}, connectTimeoutMs = 5_000): TestConnection {
      const test = new TestConnection(create({ ...TRUSTING, ...options }), address, { connectTimeoutMs });
      cleanups.push(() => test.connection.destroy());
      test.connection.connect();
      return test;
    }

    /** Why no connection was made. */
    async function reasonOf(address: string, options: Partial<TlsOptions> = {}): Promise<string> {
      const test = open(address, options);
      await test.until("backoff");
      assert.ok(!test.states.includes("ready"));
      return test.reasons[0] ?? "";
    }

    it("checks the address's host, or the name that is asked for, against the certificate", async () => {
      const address = await startLab(SERVER);
      const port = address.split(":")[1];
      for (const [place, serverName] of [
        [address, null],
        [`localhost:${port}`, null],
        [address, "lab.test"],
        [address, "127.0.0.1"],
      ] as const) {
        const test = open(place, { serverName });
        await test.until("ready");
        assert.deepEqual((await test.run("Name")).messages, ["a"]);
      }
      assert.match(
        await reasonOf(address, { serverName: "wrong.test" }),
        /^TLS: the instance's certificate is for another name: .*wrong\.test/,
      );
      const other = await startLab({ ...SERVER, cert: pem("other-name") });
      assert.match(await reasonOf(other), /^TLS: the instance's certificate is for another name: /);
      const test = open(other, { serverName: "other.test" });
      await test.until("ready");
    });

    it("names what is wrong with an instance's certificate", async () => {
      const expired = await startLab({ ...SERVER, cert: pem("expired") });
      assert.equal(await reasonOf(expired), "TLS: the instance's certificate has expired");
      const unknown = "TLS: no authority that is trusted here (tls.ca) has signed the instance's certificate";
      const address = await startLab(SERVER);
      assert.equal(await reasonOf(address, { ca: pem("other-ca") }), unknown);
      assert.equal(await reasonOf(address, { ca: null }), unknown, "the system's authorities");
    });

    it("names a peer that speaks something else", async () => {
      const alpn = await listen(tls.createServer({ ...SERVER, ALPNProtocols: ["http/1.1"] }));
      assert.equal(await reasonOf(alpn), "TLS: the instance does not offer HTTP/2 (ALPN h2)");
      const none = await listen(tls.createServer({ ...SERVER }));
      assert.equal(await reasonOf(none), "TLS: the instance does not offer HTTP/2 (ALPN h2)");
      const old = await listen(
        tls.createServer({ ...SERVER, minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" }),
      );
      assert.equal(await reasonOf(old), "TLS: the instance speaks no TLS 1.2 or later");
      const plain = await startGrpcServer(labMethods("a"));
      cleanups.push(() => plain.destroy());
      assert.equal(await reasonOf(plain.address), "TLS: the instance does not speak TLS");
    });

    it("gives up on a peer that stays mute in the handshake after the connect timeout", async () => {
      const address = await listen(net.createServer((socket) => socket.resume()));
      const test = open(address, {}, 100);
      await test.until("backoff");
      assert.deepEqual(test.reasons, ["no connection within 100 ms"]);
    });

    for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
      it(`shows its certificate to an instance that asks for one, ${version}`, async () => {
        const subjects: unknown[] = [];
        const server = createH2Server({ ...SERVER, ca: pem("ca") });
        (server as unknown as tls.Server).setSecureContext({ ...SERVER, ca: pem("ca"), maxVersion: version });
        server.on("session", (session: ServerHttp2Session) => {
          subjects.push((session.socket as TLSSocket).getPeerCertificate().subject.CN);
        });
        server.on("stream", answer);
        const address = await listen(server as unknown as net.Server);
        const test = open(address, { identity: CLIENT });
        await test.until("ready");
        assert.equal((await test.run("Echo")).end.code, 0);
        assert.deepEqual(subjects, ["client"]);
        const refused = open(address);
        await refused.until("backoff");
        assert.ok(!refused.states.includes("ready"));
        if (name === "http2" && version === "TLSv1.3") {
          assert.equal(refused.reasons[0], "TLS: the instance asks for a client certificate (tls.cert)");
        }
      });

      it(`resumes the session of the connection before, ${version}`, async () => {
        const resumed: boolean[] = [];
        const server = createH2Server(SERVER);
        (server as unknown as tls.Server).setSecureContext({ ...SERVER, maxVersion: version });
        const sessions: ServerHttp2Session[] = [];
        server.on("session", (session: ServerHttp2Session) => {
          sessions.push(session);
          resumed.push((session.socket as TLSSocket).isSessionReused());
        });
        server.on("stream", answer);
        const test = open(await listen(server as unknown as net.Server));
        await test.until("ready");
        assert.equal((await test.run("Echo")).end.code, 0);
        sessions[0]?.destroy();
        await test.until("backoff");
        await test.until("ready");
        assert.deepEqual(resumed, [false, true]);
      });
    }

    it("names the host that it is asked for as :authority and in SNI", async () => {
      const seen: unknown[] = [];
      const server = createH2Server(SERVER);
      server.on("stream", (stream: ServerHttp2Stream, headers) => {
        seen.push(headers[":authority"], headers[":scheme"], (stream.session?.socket as TLSSocket).servername);
        answer(stream);
      });
      const address = await listen(server as unknown as net.Server);
      for (const serverName of ["lab.test", null]) {
        const test = open(address, { serverName });
        await test.until("ready");
        await test.run("Echo");
      }
      assert.deepEqual(seen, ["lab.test", "https", "lab.test", address, "https", false]);
    });
  });
