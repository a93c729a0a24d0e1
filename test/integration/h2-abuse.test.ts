import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, it, type TestContext } from "node:test";
import { connect, type TLSSocket } from "node:tls";
import { askH2, connectH2, tlsServer } from "../support/h2-client.ts";
import { block, frame, settings, uint32 } from "../support/http2-peer.ts";
import { startKindsGateway } from "../support/kinds.ts";
import { pem } from "../support/tls.ts";
import { until } from "../support/until.ts";

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const [DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION] = [0, 1, 3, 4, 6, 8, 9] as const;
const [END_STREAM, END_HEADERS] = [1, 4] as const;

function request(method: string): Buffer {
  const more = [":authority", "a.test"] as const;
  return block([":method", method], [":scheme", "https"], [":path", "/v1/act/x"], more);
}
const GET = request("GET");
const POST = request("POST");

/** `count` times what `make` gives, for stream 1, 3, 5, … */
function repeat(count: number, make: (id: number) => readonly Buffer[]): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => Buffer.concat(make(2 * i + 1))));
}

/** A client by hand, its handshake and preface done. */
async function attack(t: TestContext, { port }: { port: number }): Promise<TLSSocket> {
  const socket = connect({ host: "localhost", port, ca: pem("ca"), ALPNProtocols: ["h2"] });
  socket.on("error", () => {}); // shows in "close"
  t.after(() => socket.destroy());
  await once(socket, "secureConnect");
  socket.write(PREFACE);
  socket.write(settings());
  return socket;
}

describe("a client that abuses HTTP/2", () => {
  for (const [what, bytes, reads] of [
    [
      "resets each request at once (CVE-2023-44487)",
      repeat(5000, (id) => [frame(HEADERS, END_STREAM | END_HEADERS, id, GET), frame(RST_STREAM, 0, id, uint32(8))]),
      true,
    ],
    [
      "has each request reset by the server (CVE-2025-8671)",
      repeat(5000, (id) => [frame(HEADERS, END_STREAM | END_HEADERS, id, GET), frame(WINDOW_UPDATE, 0, id, uint32(0))]),
      true,
    ],
    [
      "sends headers without end",
      Buffer.concat([
        frame(HEADERS, END_STREAM, 1, GET),
        ...Array.from({ length: 1000 }, () => frame(CONTINUATION, 0, 1, block(["x-a", "a".repeat(100)]))),
      ]),
      true,
    ],
    ["pings and reads no answer", repeat(20_000, () => [frame(PING, 0, 0, Buffer.alloc(8))]), false],
    ["sends SETTINGS and reads no answer", repeat(20_000, () => [frame(SETTINGS, 0, 0)]), false],
    [
      "sends empty DATA",
      Buffer.concat([frame(HEADERS, END_HEADERS, 1, POST), ...Array.from({ length: 5000 }, () => frame(DATA, 0, 1))]),
      true,
    ],
    ["speaks something else", Buffer.from("GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(10)), true],
  ] as const) {
    it(`and ${what} loses its connection; others notice nothing`, async (t) => {
      const { gateway } = await startKindsGateway(t, { server: tlsServer() }, { act() {} });
      const socket = await attack(t, gateway);
      const closed = once(socket, "close");
      if (reads) socket.resume();
      socket.write(bytes);
      // What it does not read keeps the end from it; that the gateway is rid of it shows there.
      await Promise.race([closed, until("its end", () => gateway.lines.some((line) => line["code"] !== undefined))]);
      const good = await connectH2(t, gateway);
      assert.equal((await askH2(good, "/nope")).status, 404);
    });
  }

  it("and opens more streams than it may has those refused, not the others", async (t) => {
    let calls = 0;
    const { gateway } = await startKindsGateway(
      t,
      { server: tlsServer("http2: { max_concurrent_streams: 3 }") },
      { act: () => void calls++ },
    );
    const socket = await attack(t, gateway);
    const refused = new Promise<Buffer>((resolve) => {
      let received = Buffer.alloc(0);
      socket.on("data", (data: Buffer) => {
        received = Buffer.concat([received, data]);
        if (received.includes(frame(RST_STREAM, 0, 7, uint32(7)))) resolve(received);
      });
    });
    socket.write(repeat(4, (id) => [frame(HEADERS, END_STREAM | END_HEADERS, id, GET)]));
    await refused;
    await until("the others", () => calls === 3);
    socket.destroy();
  });
});
