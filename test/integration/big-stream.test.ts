import assert from "node:assert/strict";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { readFileSync } from "node:fs";
import type { Readable } from "node:stream";
import { describe, it, type TestContext } from "node:test";
import { startGatewayProcess } from "../support/gateway-process.ts";
import { connectH2, openH2, tlsServer } from "../support/h2-client.ts";
import { kindsYaml, resultOf, startKinds, type StreamCall } from "../support/kinds.ts";
import { until } from "../support/until.ts";

const MESSAGE_BYTES = 256 << 10;
const MESSAGES = 3_072; // 805 MB, as base64 a little more than 1 GiB

/** Writes them all, as fast as they are taken. */
function writeAll(call: StreamCall, onWritten: () => void): void {
  const message = resultOf("x", MESSAGE_BYTES);
  let written = 0;
  const write = (): void => {
    while (written < MESSAGES) {
      written++;
      onWritten();
      if (!call.write(message)) return void call.once("drain", write);
    }
    call.end();
  };
  write();
}

function rssOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, "utf8").split(" ")[1]) * 4096;
}

interface Opened {
  readonly gateway: { readonly port: number; readonly url: string };
  readonly t: TestContext;
}

const clients = {
  async "HTTP/1.1"({ gateway }: Opened): Promise<Readable> {
    const [response] = (await once(get(`${gateway.url}/v1/watch/x`), "response")) as [IncomingMessage];
    return response;
  },
  async "HTTP/2"({ t, gateway }: Opened): Promise<Readable> {
    const stream = openH2(await connectH2(t, gateway), "/v1/watch/x", {}, true);
    await once(stream, "response");
    return stream;
  },
};

// What a process holds is asked of Linux.
describe("a stream of 1 GB", { skip: process.platform !== "linux" }, () => {
  for (const [protocol, open] of Object.entries(clients)) {
    it(`passes over ${protocol}, to a client that stands still for a while, in 64 MB`, async (t) => {
      let written = 0;
      const { address } = await startKinds(t, { watch: (call) => writeAll(call, () => written++) });
      const server = protocol === "HTTP/2" ? tlsServer() : "{}";
      const gateway = await startGatewayProcess(kindsYaml(address, { server }));
      t.after(() => gateway.stop());
      await gateway.ready(1);
      const startRss = rssOf(gateway.pid);
      const stream = await open({ t, gateway: { url: gateway.url, port: Number(new URL(gateway.url).port) } });
      // It reads nothing yet: the upstream is held back after what windows and sockets take.
      let since = performance.now();
      let before = 0;
      await until("the upstream to be held back", () => {
        if (written !== before) since = performance.now();
        before = written;
        return written > 0 && performance.now() - since > 300;
      });
      assert.ok(written * MESSAGE_BYTES < 48 << 20, `${written} messages written for a client that reads nothing`);
      let received = 0;
      let maxRss = 0;
      const sampling = setInterval(() => (maxRss = Math.max(maxRss, rssOf(gateway.pid))), 50);
      stream.on("data", (data: Buffer) => (received += data.length));
      await once(stream, "end");
      clearInterval(sampling);
      assert.ok(received > 2 ** 30, `${received} bytes`);
      const grown = maxRss - startRss;
      assert.ok(grown < 64 << 20, `the gateway grew by ${grown >> 20} MiB`);
    });
  }
});
