import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HandClock } from "../../../../support/hand-clock.ts";
import {
  block,
  frame,
  HEADERS,
  Http2Peer,
  message,
  OK,
  openPeer,
  reply,
  settings,
  uint32,
} from "../../../../support/http2-peer.ts";
import { freshSeed, seededRandom } from "../../../../support/seeded-random.ts";

const GOAWAY = 7;
const RST_STREAM = 3;

const head = (id: number, flags = 4, bytes: Uint8Array = HEADERS) => frame(1, flags, id, bytes);
const data = (id: number, bytes: Uint8Array | number[], flags = 0) => frame(0, flags, id, bytes);

describe("a server that breaks the connection", () => {
  // All calls fail by its fault, it is told why, and nothing else happens.
  for (const [what, bytes, code] of [
    ["a frame larger than allowed", Buffer.from([0, 64, 1, 0, 0, 0, 0, 0, 1]), 6],
    ["DATA on stream 0", data(0, [1]), 1],
    ["HEADERS on stream 0", head(0), 1],
    ["HEADERS on a stream of its own", head(2), 1],
    ["HEADERS on a stream that was never opened", head(9), 1],
    ["DATA on a stream that was never opened", data(9, [1]), 1],
    ["WINDOW_UPDATE on a stream that was never opened", frame(8, 0, 9, uint32(1)), 1],
    ["RST_STREAM on a stream that was never opened", frame(3, 0, 9, uint32(8)), 1],
    ["RST_STREAM on stream 0", frame(3, 0, 0, uint32(8)), 1],
    ["RST_STREAM of a wrong length", frame(3, 0, 1, [0]), 6],
    ["SETTINGS on a stream", frame(4, 0, 1, []), 1],
    ["SETTINGS of a wrong length", frame(4, 0, 0, [0, 1, 2]), 6],
    ["an acknowledgement of SETTINGS with content", frame(4, 1, 0, [0, 0, 0, 0, 0, 0]), 6],
    ["SETTINGS_ENABLE_PUSH", settings([2, 1]), 1],
    ["SETTINGS_INITIAL_WINDOW_SIZE beyond 2^31-1", settings([4, 2 ** 31]), 3],
    ["SETTINGS_MAX_FRAME_SIZE below the least", settings([5, 16_383]), 1],
    ["SETTINGS_MAX_FRAME_SIZE beyond the most", settings([5, 2 ** 24]), 1],
    ["PUSH_PROMISE", frame(5, 4, 1, [0, 0, 0, 2]), 1],
    ["PING of a wrong length", frame(6, 0, 0, [1]), 6],
    ["PING on a stream", frame(6, 0, 1, Buffer.alloc(8)), 1],
    ["GOAWAY of a wrong length", frame(7, 0, 0, [1]), 6],
    ["GOAWAY on a stream", frame(7, 0, 1, Buffer.alloc(8)), 1],
    ["WINDOW_UPDATE of a wrong length", frame(8, 0, 0, [1]), 6],
    ["WINDOW_UPDATE of 0", frame(8, 0, 0, uint32(0)), 1],
    ["a window beyond 2^31-1", frame(8, 0, 0, uint32(2 ** 31 - 1)), 3],
    ["CONTINUATION without HEADERS", frame(9, 4, 1, []), 1],
    ["a header block that another frame interrupts", Buffer.concat([head(1, 0), data(1, [1])]), 1],
    ["a header block that goes on on another stream", Buffer.concat([head(1, 0), frame(9, 4, 3, [])]), 1],
    ["padding without a length", data(1, [], 8), 6],
    ["padding longer than its frame", data(1, [5, 0, 0], 8), 1],
    ["HEADERS with a priority that is cut", head(1, 4 | 32, Buffer.from([0, 0])), 6],
    ["an index that no table has", head(1, 4, Buffer.from([0xff, 0xff, 0x03])), 9],
    ["a header block that is cut", head(1, 4, Buffer.from([0x40, 0x05, 0x61])), 9],
    ["a table larger than was allowed", head(1, 4, Buffer.from([0x3f, 0xe2, 0xff, 0x03])), 9],
  ] as readonly (readonly [string, Buffer, number])[]) {
    it(what, async () => {
      const peer = await openPeer(new HandClock());
      const calls = [peer.call(), peer.call()];
      await peer.frames();
      peer.send(bytes);
      for (const { recorder } of calls) {
        assert.equal(recorder.end?.error?.code, "UPSTREAM_PROTOCOL");
        assert.equal(recorder.end?.error?.http, 502);
        assert.equal(recorder.end?.outcome, "unknown");
      }
      const last = (await peer.frames()).at(-1);
      assert.deepEqual([last?.type, last?.payload.readUInt32BE(4)], [GOAWAY, code]);
      assert.match(peer.events.at(-1) ?? "", /^gone: the instance broke HTTP\/2: ./);
      assert.equal(peer.closed, "in order");
      // Nothing that follows matters.
      peer.send(reply(1));
      peer.cut();
      assert.equal(peer.events.length, 3);
    });
  }

  for (const [what, bytes, reason] of [
    ["PING", frame(6, 0, 0, Buffer.alloc(8)), "no SETTINGS at the beginning"],
    ["an acknowledgement of SETTINGS", frame(4, 1, 0), "no SETTINGS at the beginning"],
    ["HTTP/1", Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n"), "it answers in HTTP/1"],
    ["bytes of any kind", Buffer.alloc(100, 0xff), "a frame of 16777215 bytes"],
  ] as const) {
    it(`that begins with ${what}`, () => {
      const peer = new Http2Peer(new HandClock());
      peer.send(bytes);
      assert.deepEqual(peer.events, [`gone: the instance broke HTTP/2: ${reason}`]);
    });
  }
});

describe("a server that breaks one stream", () => {
  // That call fails, the other one does not.
  const status = (value: string) => block([":status", value], ["content-type", "application/grpc"]);
  for (const [what, bytes, reason] of [
    ["DATA before HEADERS", data(1, message("x")), "data before headers"],
    ["DATA as all there is", data(1, message("x"), 1), "data before headers"],
    ["headers without a status", head(1, 4, block(["x", "y"])), "a reply without an HTTP status"],
    ["a status that is none", head(1, 4, status("2000")), "a reply without an HTTP status"],
    ["an informational status as the end", head(1, 5, status("100")), "a reply without an HTTP status"],
    ["headers in the middle", Buffer.concat([head(1), head(1)]), "headers in the middle of a reply"],
    [
      "trailers without a status",
      Buffer.concat([head(1), head(1, 5, block(["x", "y"]))]),
      "the reply has no grpc-status",
    ],
    ["an end without trailers", Buffer.concat([head(1), data(1, message("x"), 1)]), "the reply has no grpc-status"],
    [
      "a message that is cut",
      Buffer.concat([head(1), data(1, [0, 0, 0, 0, 9, 1]), head(1, 5, OK)]),
      "the last message is incomplete",
    ],
    ["half a prefix", Buffer.concat([head(1), data(1, [0, 0]), head(1, 5, OK)]), "the last message is incomplete"],
    [
      "a compression flag that is none",
      Buffer.concat([head(1), data(1, message("x", 2))]),
      "a message that cannot be read",
    ],
    [
      "compression without an encoding",
      Buffer.concat([head(1), data(1, message("x", 1))]),
      "a compressed message, but no encoding is named",
    ],
    ["WINDOW_UPDATE of 0", frame(8, 0, 1, uint32(0)), "a WINDOW_UPDATE of 0"],
    ["a window beyond 2^31-1", frame(8, 0, 1, uint32(2 ** 31 - 1)), "a window larger than 2^31-1"],
    [
      "a header list of 100 KB",
      Buffer.concat(
        blocks(1, Buffer.concat(Array.from({ length: 100 }, (_, i) => block([`x-${i}`, "y".repeat(1_000)])))),
      ),
      "headers larger than what was announced as the limit",
    ],
  ] as readonly (readonly [string, Buffer, string])[]) {
    it(what, async () => {
      const peer = await openPeer(new HandClock());
      const [broken, other] = [peer.call(), peer.call()];
      await peer.frames();
      peer.send(bytes);
      assert.equal(broken.recorder.end?.error?.message, `upstream lab broke the gRPC protocol: ${reason}`);
      assert.equal(broken.recorder.end?.outcome, "unknown");
      const resets = (await peer.frames()).filter(({ type }) => type === RST_STREAM);
      assert.ok(resets.length <= 1 && resets.every(({ id }) => id === 1));
      // More of the same is passed over.
      peer.send(Buffer.concat([data(1, message("late")), reply(1), reply(3)]));
      assert.equal(other.recorder.end?.code, 0);
      assert.equal(peer.closed, null);
      assert.equal(peer.session.inFlight, 0);
    });
  }

  it("a length prefix of 4 GB costs no memory", async () => {
    const peer = await openPeer(new HandClock());
    const { recorder } = peer.call();
    peer.send(Buffer.concat([head(1), data(1, [0, 255, 255, 255, 255])]));
    assert.equal(recorder.end?.error?.code, "UPSTREAM_MESSAGE_TOO_LARGE");
  });

  it("header names and values that no metadata may have do not come through", async () => {
    const peer = await openPeer(new HandClock());
    const { recorder } = peer.call();
    peer.send(
      head(
        1,
        4,
        block([":status", "200"], ["X-Upper", "a"], ["x\r\ny", "a"], ["x-a", "b\r\nc: d"], ["x-b", "é"], ["x-c", "ok"]),
      ),
    );
    peer.send(head(1, 5, block(["grpc-status", "5"], ["grpc-message", "50%25 %e2%82%ac%zz%2"], [":x", "y"])));
    assert.deepEqual(recorder.headers, ["x-c", "ok"]);
    assert.deepEqual([recorder.end?.code, recorder.end?.message, recorder.end?.trailers], [5, "50% €%zz%2", []]);
  });
});

describe("a server that floods", () => {
  for (const [what, bytes] of [
    ["SETTINGS", settings()],
    ["PING", frame(6, 0, 0, Buffer.alloc(8))],
    ["answers to pings that nobody sent", frame(6, 1, 0, Buffer.alloc(8))],
    ["PRIORITY", frame(2, 0, 1, Buffer.alloc(5))],
    ["frames of unknown types", frame(200, 0, 0, [])],
    ["empty DATA", data(1, [])],
    ["DATA on a stream that has ended", data(3, [1])],
    ["RST_STREAM on a stream that has ended", frame(3, 0, 3, uint32(0))],
    ["HEADERS on a stream that has ended", head(3, 4, Buffer.from([0x88]))],
    ["informational HEADERS", head(1, 4, block([":status", "100"]))],
  ] as const) {
    it(`is cut off: ${what}`, async () => {
      const peer = await openPeer(new HandClock());
      const [first, second] = [peer.call(), peer.call()];
      if (what === "empty DATA") peer.send(head(1));
      peer.send(reply(3));
      assert.equal(second.recorder.end?.code, 0);
      const many = Buffer.concat(Array.from({ length: 1_000 }, () => bytes));
      let sent = 0;
      while (peer.closed === null && sent < 50) {
        peer.send(many);
        sent++;
      }
      assert.equal(peer.closed, "in order");
      assert.equal(first.recorder.end?.error?.code, "UPSTREAM_PROTOCOL");
      const last = (await peer.frames()).at(-1);
      assert.deepEqual([last?.type, last?.payload.readUInt32BE(4)], [GOAWAY, 11]);
    });
  }

  it("is borne where it takes its time", async () => {
    const clock = new HandClock();
    const peer = await openPeer(clock);
    const many = Buffer.concat(Array.from({ length: 1_000 }, () => frame(6, 0, 0, Buffer.alloc(8))));
    for (let i = 0; i < 50; i++) {
      peer.send(many);
      clock.advance(100);
      await peer.frames();
    }
    assert.equal(peer.closed, null);
  });

  it("is cut off once it takes none of the answers that it asks for", async () => {
    const clock = new HandClock();
    const peer = await openPeer(clock);
    peer.pendingBytes = 1;
    for (let i = 0; i < 10_001 && peer.closed === null; i++) {
      peer.send(frame(6, 0, 0, Buffer.alloc(8)));
      clock.advance(1);
    }
    assert.equal(peer.closed, "at once");
  });

  for (const [what, pieces] of [
    ["bytes", Array.from({ length: 64 }, () => Buffer.alloc(16_384, 0x88))],
    ["pieces", Array.from({ length: 100 }, () => Buffer.alloc(0))],
  ] as const) {
    it(`is cut off: CONTINUATION, too many ${what}`, async () => {
      const peer = await openPeer(new HandClock());
      peer.call();
      peer.send(head(1, 0));
      for (const piece of pieces) peer.send(frame(9, 0, 1, piece));
      const last = (await peer.frames()).at(-1);
      assert.deepEqual([last?.type, last?.payload.readUInt32BE(4)], [GOAWAY, 11]);
    });
  }

  it("with a header block that names one large header a thousand times fails that call alone", async () => {
    const peer = await openPeer(new HandClock());
    const [bomb, other] = [peer.call(), peer.call()];
    // One literal of 3 KB goes into the table, then an index of one byte stands for it.
    const literal = Buffer.concat([Buffer.from([0x40, 1, 0x78]), block(["", "y".repeat(3_000)]).subarray(2)]);
    peer.send(head(1, 4, Buffer.concat([Buffer.from([0x88]), literal, Buffer.alloc(10_000, 0xbe)])));
    assert.equal(bomb.recorder.end?.error?.code, "UPSTREAM_PROTOCOL");
    peer.send(reply(3));
    assert.equal(other.recorder.end?.code, 0);
  });
});

describe("a server that sends anything", () => {
  it("fails its own calls alone, whatever it sends, and each call ends once", async () => {
    const seed = freshSeed();
    const random = seededRandom(seed);
    const below = (n: number) => Math.floor(random() * n);
    const until = performance.now() + 1_500;
    let sessions = 0;
    let broken = 0;
    while (performance.now() < until) {
      const isWild = sessions++ % 2 === 0;
      const peer: Http2Peer = await openPeer(new HandClock());
      const calls = Array.from({ length: 5 }, () => peer.call(below(2) === 0 ? null : "ping"));
      const pick = [
        settings([
          isWild ? below(8) : ([1, 3, 4, 6, 99][below(5)] ?? 4),
          below(2) === 0 ? below(100_000) : 2 ** 31 - 1,
        ]),
        head(1),
        head(3, 5, OK),
        data(1, message("x")),
        reply(5),
      ];
      for (let i = 0; i < 40; i++) {
        const valid = pick[below(pick.length)] ?? reply(1);
        let bytes: Buffer;
        switch (isWild ? below(20) : 2) {
          case 0:
            bytes = frame(
              below(11),
              below(256),
              below(12),
              Array.from({ length: below(20) }, () => below(256)),
            );
            break;
          case 1:
            // A good frame with a byte changed, but not of its length, or nothing after it would be read.
            bytes = Buffer.from(valid);
            bytes[3 + below(bytes.length - 3)] = below(256);
            break;
          default:
            bytes = valid;
        }
        peer.send(bytes, 1 + below(30));
        const call = calls[below(calls.length)];
        if (below(5) === 0) call?.handle.pause();
        if (below(3) === 0) call?.handle.resume();
        if (below(9) === 0) call?.handle.send(Buffer.alloc(below(100_000)));
        if (below(20) === 0) call?.handle.cancel();
        if (below(9) === 0) await peer.frames();
      }
      if (peer.closed !== null) broken++;
      assert.ok(isWild || peer.closed === null, `seed ${seed}: ${peer.events.join()}`);
      peer.cut();
      for (const { handle } of calls) handle.resume();
      assert.equal(peer.session.inFlight, 0, `seed ${seed}`);
      assert.equal(peer.events.filter((event) => event.startsWith("gone")).length, 1, `seed ${seed}`);
    }
    assert.ok(sessions > 20 && broken > 0, `seed ${seed}: ${broken} of ${sessions}`);
  });
});

/** One header block in frames as large as may be. */
function blocks(id: number, bytes: Buffer): Buffer[] {
  const all = Buffer.concat([HEADERS, bytes]);
  const count = Math.ceil(all.length / 16_384);
  return Array.from({ length: count }, (_, i) =>
    frame(i === 0 ? 1 : 9, i === count - 1 ? 4 : 0, id, all.subarray(i * 16_384, (i + 1) * 16_384)),
  );
}
