import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { formatTimeout } from "../../../../../src/upstream/connection/metadata-rules.ts";
import { HpackDecoder } from "../../../../../src/upstream/connection/http2/hpack/decoder.ts";
import { HandClock } from "../../../../support/hand-clock.ts";
import { openPeer } from "../../../../support/http2-peer.ts";

describe("formatTimeout()", () => {
  for (const [ms, expected] of [
    [Infinity, null],
    [5_000, "5000m"],
    [4_999.1, "5000m"], // the instance should not be the first to give up
    [0.2, "1m"],
    [0, "1m"],
    [-7, "1m"],
    [99_999_999, "99999999m"],
    [100_000_001, "100001S"],
    [1e15, "99999999S"],
  ] as const) {
    it(`${ms} -> ${expected}`, () => assert.equal(formatTimeout(ms), expected));
  }
});

describe("request headers", () => {
  /** The metadata that goes out, without what each request has. */
  async function sent(...lists: string[][]): Promise<string[][]> {
    const peer = await openPeer(new HandClock());
    const decoder = new HpackDecoder({ maxTableBytes: 4_096, maxListBytes: 1 << 20 });
    for (const metadata of lists) peer.call("m", { metadata });
    const blocks = (await peer.frames()).filter(({ type }) => type === 1);
    return blocks.map(({ payload }) => {
      const list = decoder.decode(payload, 0, payload.length) ?? [];
      assert.equal(list[list.indexOf("grpc-accept-encoding") + 1], "identity,gzip");
      return list.slice(16);
    });
  }

  it("leave out what may not be sent, and keep the rest in order", async () => {
    const names = [
      "te",
      "host",
      "connection",
      "content-type",
      "user-agent",
      "grpc-timeout",
      "X-Upper",
      "a b",
      ":path",
      "",
    ];
    const bad = names.flatMap((name) => [name, "v"]);
    const [first, second] = await sent(
      ["x-b", "2", ...bad, "x-a", " 1 ", "x-c", "a\tb", "x-d", "é", "x-e", "a\r\nb", "x-f", ""],
      ["x-a", "3"],
    );
    assert.deepEqual(first, ["x-b", "2", "x-a", "1", "x-f", ""]);
    assert.deepEqual(second, ["x-a", "3"]);
  });

  it("join what HTTP joins, and keep other names apart", async () => {
    const [first, second] = await sent(
      ["accept", "x-m", "accept-language", "accept", "x-m", "1", "accept", "b", "x-m", "2", "accept", "c"],
      ["accept", "d"],
    );
    assert.deepEqual(first, ["accept", "x-m, b, c", "accept-language", "accept", "x-m", "1", "x-m", "2"]);
    assert.deepEqual(second, ["accept", "d"]);
  });

  it("join cookies with the separator of their own", async () => {
    const [headers] = await sent(["cookie", "a=1", "x-m", "1", "cookie", "b=2; c=3"]);
    assert.deepEqual(headers, ["cookie", "a=1; b=2; c=3", "x-m", "1"]);
  });

  it("stand for more routes than are remembered", async () => {
    const peer = await openPeer(new HandClock());
    const decoder = new HpackDecoder({ maxTableBytes: 4_096, maxListBytes: 1 << 20 });
    for (let i = 0; i < 2_100; i++) peer.call("m", { path: `/test.Lab/Method${i % 1_050}` });
    const blocks = (await peer.frames()).filter(({ type }) => type === 1);
    const paths = blocks.map(({ payload }) => {
      const list = decoder.decode(payload, 0, payload.length) ?? [];
      return list[list.indexOf(":path") + 1];
    });
    assert.deepEqual(
      paths,
      Array.from({ length: 2_100 }, (_, i) => `/test.Lab/Method${i % 1_050}`),
    );
  });
});
