import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { startGatewayProcess } from "../support/gateway-process.ts";
import { encode, kindsYaml, startKinds, type UnaryReply, type UploadCall } from "../support/kinds.ts";
import { RawClient, requestBytes } from "../support/raw-http.ts";

const PIECE = Buffer.alloc(1 << 20, "0123456789abcde\n");
const HEAD = '--b\r\ncontent-disposition: form-data; name="file"; filename="a.bin"\r\n\r\n';
const TAIL = "\r\n--b--\r\n";

/** The most memory that a process ever had, MiB. */
async function peakOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "latin1");
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** Sends a body of `mebibytes` around which `head` and `tail` stand; gives how many bytes of messages the upstream got. */
async function upload(port: number, mebibytes: number, type: string, head: string, tail: string): Promise<number> {
  const client = new RawClient(port);
  const length = mebibytes * PIECE.length + head.length + tail.length;
  const headers = { "content-type": type, "content-length": String(length) };
  client.send(requestBytes("/v1/store/t", { method: type === "" ? "PUT" : "POST", headers })).send(head);
  await new Promise<void>((resolve) => {
    let sent = 0;
    const write = (): void => {
      while (sent < mebibytes) {
        sent++;
        if (!client.socket.write(PIECE)) return void client.socket.once("drain", write);
      }
      resolve();
    };
    write();
  });
  client.send(tail);
  const reply = await client.reply();
  client.close();
  assert.equal(reply.status, 200, reply.text());
  return (reply.json() as { index: number }).index;
}

function countBytes(call: UploadCall, reply: UnaryReply): void {
  let bytes = 0;
  call.on("data", (message: Buffer) => (bytes += message.length));
  call.on("end", () => reply(null, encode("Result", { index: bytes })));
}

describe("an upload of 500 MB", { skip: process.platform !== "linux" }, () => {
  for (const [what, type, head, tail] of [
    ["a file of a form", "multipart/form-data; boundary=b", HEAD, TAIL],
    ["a google.api.HttpBody", "", "", ""],
  ] as const) {
    it(`as ${what} takes next to no memory`, async (t) => {
      const upstream = await startKinds(t, { store: countBytes });
      const gateway = await startGatewayProcess(kindsYaml(upstream.address));
      t.after(() => gateway.stop());
      const port = Number(new URL(gateway.url).port);
      await upload(port, 50, type, head, tail);
      const before = await peakOf(gateway.pid);
      const bytes = await upload(port, 500, type, head, tail);
      assert.ok(bytes >= 500 * PIECE.length && bytes < 501 * PIECE.length, `${bytes} bytes of messages`);
      const grown = (await peakOf(gateway.pid)) - before;
      assert.ok(grown < 64, `memory grew by ${grown} MiB from ${before} MiB`);
    });
  }
});
