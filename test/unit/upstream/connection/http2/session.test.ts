import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { HpackDecoder } from "../../../../../src/upstream/connection/http2/hpack/decoder.ts";
import type { AttemptEnd } from "../../../../../src/call/call.ts";
import { Recorder } from "../../../../support/grpc-calls.ts";
import { HandClock } from "../../../../support/hand-clock.ts";
import { freshSeed, seededRandom } from "../../../../support/seeded-random.ts";
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

const DATA = 0;
const HEADERS_FRAME = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const CONTINUATION = 9;
const END_STREAM = 1;
const END_HEADERS = 4;

function decode(...blocks: Buffer[]): Record<string, string> {
  const decoder = new HpackDecoder({ maxTableBytes: 4_096, maxListBytes: 1 << 20 });
  let list: readonly string[] = [];
  for (const bytes of blocks) list = decoder.decode(bytes, 0, bytes.length) ?? [];
  return Object.fromEntries(Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i], list[2 * i + 1]]));
}

describe("Session: the beginning", () => {
  it("sends preface, SETTINGS without push and a larger window, and is ready with the peer's SETTINGS", async () => {
    const peer = new Http2Peer(new HandClock());
    const [first, second] = await peer.frames();
    assert.deepEqual([first?.type, first?.id], [SETTINGS, 0]);
    assert.ok(first?.payload.includes(Buffer.from([0, 2, 0, 0, 0, 0])), "ENABLE_PUSH 0");
    assert.deepEqual([second?.type, second?.id], [WINDOW_UPDATE, 0]);
    assert.deepEqual(peer.events, []);
    peer.send(settings([3, 100]), 1);
    assert.deepEqual(peer.events, ["ready"]);
    assert.deepEqual(
      (await peer.frames()).map(({ type, flags }) => [type, flags]),
      [[SETTINGS, 1]],
    );
  });

  it("asks no peer for a sign of life of which only a quiet call waits for a reply", async () => {
    for (const isQuiet of [true, false]) {
      const clock = new HandClock();
      const peer = await openPeer(clock);
      const request = { path: "/s/M", metadata: [], message: Buffer.alloc(0), deadlineMs: Infinity, isQuiet };
      const call = peer.session.start(request, new Recorder<AttemptEnd>());
      clock.advance(2_000);
      assert.equal((await peer.frames()).filter(({ type }) => type === PING).length, isQuiet ? 0 : 1);
      call.cancel();
    }
  });

  it("answers pings without end where the socket takes each answer a little later, as TLS does", async () => {
    const clock = new HandClock();
    const peer = await openPeer(clock);
    const write = peer.write.bind(peer);
    peer.write = (bytes) => {
      write(bytes);
      peer.pendingBytes = bytes.length;
      setImmediate(() => peer.drain());
    };
    const pings = Buffer.concat(Array.from({ length: 100 }, () => frame(PING, 0, 0, Buffer.alloc(8))));
    for (let i = 0; i < 110; i++) {
      peer.send(pings);
      clock.advance(10_000);
      // Its answers go out in one turn, and are taken in the next.
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.equal(peer.closed, null);
    assert.equal((await peer.frames()).length, 11_000);
  });

  it("answers each PING and each SETTINGS, and ignores what it does not know", async () => {
    const peer = await openPeer(new HandClock());
    peer.send(frame(99, 255, 7, [1, 2, 3]));
    peer.send(settings([77, 1]));
    peer.send(frame(PING, 0, 0, [1, 2, 3, 4, 5, 6, 7, 8]));
    peer.send(frame(2, 0, 3, [0, 0, 0, 0, 0]));
    const frames = await peer.frames();
    assert.deepEqual(
      frames.map(({ type, flags, payload }) => [type, flags, [...payload]]),
      [
        [SETTINGS, 1, []],
        [PING, 1, [1, 2, 3, 4, 5, 6, 7, 8]],
      ],
    );
    assert.equal(peer.closed, null);
  });
});

describe("Session: a call", () => {
  it("is one HEADERS and one DATA frame, written in one turn with those of other calls", async () => {
    const peer = await openPeer(new HandClock());
    const calls = [
      peer.call("one", { metadata: ["x-a", "1"], deadlineMs: 4_999.9 }),
      peer.call("two", { path: "/test.Lab/Other" }),
    ];
    const frames = await peer.frames();
    assert.deepEqual(
      frames.map(({ type, flags, id }) => [type, flags, id]),
      [
        [HEADERS_FRAME, END_HEADERS, 1],
        [DATA, END_STREAM, 1],
        [HEADERS_FRAME, END_HEADERS, 3],
        [DATA, END_STREAM, 3],
      ],
    );
    assert.deepEqual(decode(frames[0]?.payload as Buffer), {
      ":method": "POST",
      ":scheme": "http",
      ":path": "/test.Lab/Echo",
      ":authority": "10.0.0.5:50051",
      te: "trailers",
      "content-type": "application/grpc",
      "user-agent": "sluice",
      "grpc-accept-encoding": "identity,gzip",
      "grpc-timeout": "5000m",
      "x-a": "1",
    });
    assert.deepEqual(frames[1]?.payload, message("one"));
    const last = decode(frames[0]?.payload as Buffer, frames[2]?.payload as Buffer);
    assert.deepEqual([last[":path"], last["grpc-timeout"], last["x-a"]], ["/test.Lab/Other", undefined, undefined]);
    peer.send(Buffer.concat([reply(3, "second"), reply(1, "first")]));
    for (const { recorder } of calls) assert.equal(recorder.end?.code, 0);
    assert.deepEqual(
      calls.map(({ recorder }) => recorder.messages),
      [["first"], ["second"]],
    );
  });

  for (const size of [1, 2, 3, 7, 10, 64]) {
    it(`reads a reply that comes in pieces of ${size}`, async () => {
      const peer = await openPeer(new HandClock());
      const { recorder } = peer.call();
      const messages = Array.from({ length: 20 }, (_, i) => `message ${"x".repeat(i)}`);
      // Messages across frames, padding, a block in three frames.
      const body = Buffer.concat(messages.map((content) => message(content)));
      const frames = [
        frame(HEADERS_FRAME, 0, 1, HEADERS.subarray(0, 1)),
        frame(CONTINUATION, 0, 1, []),
        frame(CONTINUATION, END_HEADERS, 1, HEADERS.subarray(1)),
        frame(DATA, 0, 1, body.subarray(0, 3)),
        frame(DATA, 8, 1, Buffer.concat([Buffer.from([4]), body.subarray(3, 100), Buffer.alloc(4)])),
        frame(DATA, 8, 1, [3, 0, 0, 0]),
        frame(DATA, 0, 1, []),
        frame(DATA, 0, 1, body.subarray(100)),
        frame(
          HEADERS_FRAME,
          END_HEADERS | END_STREAM | 8 | 32,
          1,
          Buffer.concat([Buffer.from([2, 0, 0, 0, 0, 0]), OK, Buffer.alloc(2)]),
        ),
      ];
      peer.send(Buffer.concat(frames), size);
      assert.deepEqual(recorder.messages, messages);
      assert.equal(recorder.end?.code, 0);
    });
  }

  it("passes over informational replies", async () => {
    const peer = await openPeer(new HandClock());
    const { recorder } = peer.call();
    peer.send(frame(HEADERS_FRAME, END_HEADERS, 1, block([":status", "103"], ["link", "</x>"])));
    peer.send(reply(1));
    assert.deepEqual([recorder.end?.code, recorder.headers], [0, []]);
  });

  it("reads gzip, and refuses a bomb", async () => {
    const peer = await openPeer(new HandClock(), { maxMessageBytes: 10_000 });
    const headers = block([":status", "200"], ["content-type", "application/grpc"], ["grpc-encoding", "gzip"]);
    const good = peer.call();
    peer.send(frame(HEADERS_FRAME, END_HEADERS, 1, headers));
    peer.send(frame(DATA, 0, 1, Buffer.concat([message(gzipSync("packed"), 1), message("plain")])));
    peer.send(frame(HEADERS_FRAME, END_HEADERS | END_STREAM, 1, OK));
    assert.deepEqual(good.recorder.messages, ["packed", "plain"]);
    assert.equal(good.recorder.end?.code, 0);
    const bomb = peer.call();
    peer.send(frame(HEADERS_FRAME, END_HEADERS, 3, headers));
    peer.send(frame(DATA, 0, 3, message(gzipSync(Buffer.alloc(10_001)), 1)));
    assert.equal(bomb.recorder.end?.error?.code, "UPSTREAM_MESSAGE_TOO_LARGE");
    assert.equal(peer.closed, null);
  });

  it("splits headers that are larger than a frame", async () => {
    const peer = await openPeer(new HandClock());
    const metadata = Array.from({ length: 40 }, (_, i) => [`x-${i}`, `${i}`.repeat(500)]).flat();
    peer.call("m", { metadata });
    const frames = await peer.frames();
    const blocks = frames.filter(({ type }) => type === HEADERS_FRAME || type === CONTINUATION);
    assert.ok(blocks.length >= 3);
    assert.ok(blocks.every(({ payload }) => payload.length <= 16_384));
    assert.deepEqual(
      blocks.map(({ flags }) => flags & END_HEADERS),
      blocks.map((_, i) => (i === blocks.length - 1 ? END_HEADERS : 0)),
    );
    const sent = decode(Buffer.concat(blocks.map(({ payload }) => payload)));
    for (let i = 0; i < metadata.length; i += 2) assert.equal(sent[metadata[i] ?? ""], metadata[i + 1]);
    assert.equal(frames.at(-1)?.type, DATA);
  });

  it("sends RST_STREAM when it is cancelled, and ignores what still comes", async () => {
    const peer = await openPeer(new HandClock());
    const { recorder, handle } = peer.call();
    await peer.frames();
    handle.cancel();
    handle.cancel();
    const frames = await peer.frames();
    assert.deepEqual(
      frames.map(({ type, id, payload }) => [type, id, payload.readUInt32BE()]),
      [[RST_STREAM, 1, 8]],
    );
    peer.send(reply(1));
    peer.send(frame(RST_STREAM, 0, 1, uint32(0)));
    assert.equal(recorder.ends + recorder.bytes, 0);
    assert.equal(peer.session.inFlight, 0);
    assert.equal(peer.closed, null);
  });

  it("may cancel, pause or start calls from within its messages", async () => {
    const peer = await openPeer(new HandClock());
    const first = peer.call();
    first.recorder.onEach = () => first.handle.cancel();
    const second = peer.call();
    second.recorder.onEach = () => second.handle.pause();
    const body = Buffer.concat([message("a"), message("b"), message("c")]);
    for (const id of [1, 3]) peer.send(Buffer.concat([frame(1, END_HEADERS, id, HEADERS), frame(0, 0, id, body)]));
    peer.send(frame(HEADERS_FRAME, END_HEADERS | END_STREAM, 3, OK));
    assert.deepEqual([first.recorder.messages, first.recorder.ends], [["a"], 0]);
    assert.deepEqual([second.recorder.messages, second.recorder.ends], [["a"], 0]);
    second.handle.resume();
    assert.deepEqual([second.recorder.messages, second.recorder.ends], [["a", "b"], 0]);
    second.handle.resume();
    assert.deepEqual([second.recorder.messages, second.recorder.ends], [["a", "b", "c"], 0]);
    second.handle.resume();
    assert.deepEqual([second.recorder.ends, second.recorder.end?.code], [1, 0]);
  });

  it("ends its half where the peer ends the call before the request", async () => {
    const peer = await openPeer(new HandClock());
    const { recorder, handle } = peer.call(null);
    handle.send(Buffer.from("one"));
    peer.send(reply(1));
    assert.equal(recorder.end?.code, 0);
    const last = (await peer.frames()).at(-1);
    assert.deepEqual([last?.type, last?.payload.readUInt32BE()], [RST_STREAM, 0]);
    handle.send(Buffer.from("two"));
    handle.halfClose();
    assert.deepEqual(await peer.frames(), []);
  });
});

describe("Session: MAX_CONCURRENT_STREAMS", () => {
  it("keeps calls waiting, in order, until others end or are cancelled", async () => {
    const peer = await openPeer(new HandClock());
    peer.send(settings([3, 2]));
    const calls = Array.from({ length: 6 }, (_, i) => peer.call(`m${i}`));
    const opened = async () =>
      (await peer.frames()).flatMap(({ type, payload }) => (type === DATA ? [payload.toString("latin1", 5)] : []));
    assert.deepEqual(await opened(), ["m0", "m1"]);
    assert.equal(peer.session.inFlight, 6);
    calls[2]?.handle.cancel();
    peer.send(reply(1));
    assert.deepEqual(await opened(), ["m3"]);
    calls[1]?.handle.cancel();
    assert.deepEqual(await opened(), ["m4"]);
    peer.send(settings([3, 100]));
    assert.deepEqual(await opened(), ["m5"]);
    assert.equal(peer.session.inFlight, 3);
  });

  it("ends those that wait as not processed when the connection ends", async () => {
    const peer = await openPeer(new HandClock());
    peer.send(settings([3, 0]));
    const lost = peer.call();
    peer.cut("read ECONNRESET");
    assert.equal(lost.recorder.end?.outcome, "not_processed");
    assert.deepEqual(peer.events, ["ready", "gone: the connection broke: read ECONNRESET", "closed"]);
  });
});

describe("Session: GOAWAY", () => {
  const goaway = (lastId: number, code = 0) => frame(GOAWAY, 0, 0, Buffer.concat([uint32(lastId), uint32(code)]));

  it("ends calls above the last id as not processed at once, lets the others end, then closes", async () => {
    const peer = await openPeer(new HandClock());
    const [first, second, third] = [peer.call(), peer.call(), peer.call()];
    peer.send(goaway(2 ** 31 - 1));
    assert.deepEqual(peer.events, ["ready", "gone: the instance ends the connection (GOAWAY)"]);
    peer.send(goaway(3));
    assert.deepEqual(
      [first, second, third].map(({ recorder }) => recorder.end?.outcome),
      [undefined, undefined, "not_processed"],
    );
    peer.send(Buffer.concat([reply(1), reply(3)]));
    assert.deepEqual(
      [first, second].map(({ recorder }) => recorder.end?.code),
      [0, 0],
    );
    assert.equal(peer.closed, "in order");
    assert.equal((await peer.frames()).at(-1)?.type, GOAWAY);
    assert.equal(peer.events.length, 2);
  });

  it("tells that it is gone before it ends a call, or that would be tried again here", async () => {
    const peer = await openPeer(new HandClock());
    const { recorder } = peer.call();
    let seen: readonly string[] = [];
    recorder.onEnd = () => void (seen = [...peer.events]);
    peer.send(goaway(0));
    assert.deepEqual(seen, ["ready", "gone: the instance ends the connection (GOAWAY)"]);
  });

  it("moves on when the stream ids are used up", async () => {
    const peer = await openPeer(new HandClock(), {}, { lastStreamId: 5 });
    const calls = [peer.call(), peer.call(), peer.call()];
    assert.deepEqual(peer.events, ["ready", "gone: its stream ids are used up"]);
    peer.send(Buffer.concat([reply(1), reply(3), reply(5)]));
    assert.deepEqual(
      calls.map(({ recorder }) => recorder.end?.code),
      [0, 0, 0],
    );
    assert.equal(peer.closed, "in order");
  });
});

describe("Session: silence", () => {
  const hung = async () => {
    const clock = new HandClock();
    const peer = await openPeer(clock);
    const { recorder } = peer.call();
    await peer.frames();
    return { clock, peer, recorder };
  };
  const pings = async (peer: Http2Peer) => (await peer.frames()).filter(({ type }) => type === PING).length;

  it("pings once when calls wait and nothing comes, and gives up when that has no answer", async () => {
    const { clock, peer, recorder } = await hung();
    clock.advance(499);
    assert.equal(await pings(peer), 0);
    clock.advance(1);
    assert.equal(await pings(peer), 1);
    clock.advance(249);
    assert.deepEqual([peer.events, recorder.stalls], [["ready"], 0]);
    clock.advance(1);
    assert.deepEqual([peer.events, recorder.stalls], [["ready", "suspect"], 1]);
    clock.advance(9_749);
    assert.equal(recorder.ends, 0);
    clock.advance(1);
    assert.equal(recorder.end?.outcome, "unknown");
    assert.equal(recorder.end?.error?.code, "UPSTREAM_CONNECTION_LOST");
    assert.equal(await pings(peer), 0);
    assert.deepEqual(peer.events.slice(2), ["gone: the connection broke: no answer to a ping within 10000 ms"]);
    assert.equal(recorder.stalls, 1);
    assert.equal(peer.closed, "at once");
    assert.equal(clock.pending, 0);
  });

  it("is no longer suspect once anything comes, and its calls go on", async () => {
    const { clock, peer, recorder } = await hung();
    clock.advance(5_000);
    peer.send(frame(PING, 1, 0, Buffer.alloc(8)));
    assert.deepEqual(peer.events, ["ready", "suspect", "not suspect"]);
    clock.advance(60_000);
    peer.send(reply(1));
    assert.equal(recorder.end?.code, 0);
    assert.deepEqual(peer.events, ["ready", "suspect", "not suspect"]);
  });

  it("is not suspect where the answer comes in time, however long a call takes", async () => {
    const { clock, peer, recorder } = await hung();
    clock.advance(700);
    peer.send(frame(PING, 1, 0, Buffer.alloc(8)));
    clock.advance(600_000);
    assert.deepEqual([peer.events, recorder.ends, recorder.stalls], [["ready"], 0, 0]);
  });

  it("holds against nobody that this process itself stood still", async () => {
    const { clock, peer } = await hung();
    clock.advance(600);
    assert.equal(await pings(peer), 1);
    clock.standStill(20_000);
    assert.deepEqual(peer.events, ["ready"]);
    // What came meanwhile is read now.
    peer.send(frame(PING, 1, 0, Buffer.alloc(8)));
    clock.advance(60_000);
    assert.deepEqual([peer.events, peer.closed], [["ready"], null]);
  });

  it("does not ping again until headers or data came, or grpc-go would count it as a strike", async () => {
    const { clock, peer } = await hung();
    clock.advance(500);
    peer.send(frame(PING, 1, 0, Buffer.alloc(8)));
    assert.equal(await pings(peer), 1);
    for (let i = 0; i < 100; i++) {
      clock.advance(600);
      peer.send(frame(WINDOW_UPDATE, 0, 0, uint32(1)));
    }
    assert.equal(await pings(peer), 0);
    peer.send(frame(HEADERS_FRAME, END_HEADERS, 1, HEADERS));
    clock.advance(600);
    assert.equal(await pings(peer), 1);
    assert.equal(peer.closed, null);
  });

  it("never has two strikes with a server that counts as grpc-go does, whatever crosses on the way", async () => {
    const seed = freshSeed();
    const random = seededRandom(seed);
    const clock = new HandClock();
    const latencyMs = 80;
    let strikes = 0;
    let mostStrikes = 0;
    let seen = 0;
    let hasReplied = false;
    let lastPingMs = -Infinity;
    // handlePing of grpc-go 1.70, internal/transport/http2_server.go; a reply sets resetPingStrikes.
    const onPing = () => {
      seen++;
      if (hasReplied) strikes = 0;
      else if (clock.now() < lastPingMs + 300_000) strikes++;
      hasReplied = false;
      lastPingMs = clock.now();
      mostStrikes = Math.max(mostStrikes, strikes);
      clock.after(latencyMs, () => peer.send(frame(PING, 1, 0, Buffer.alloc(8))));
    };
    const peer = await openPeer(clock);
    let id = -1;
    const call = () => {
      id += 2;
      const stream = id;
      peer.call("x");
      // Most replies come while a ping is on its way, or right before or after.
      clock.after(500 + Math.floor(random() * 300) - 150, () => {
        hasReplied = true;
        clock.after(latencyMs, () => peer.send(reply(stream)));
      });
    };
    for (let i = 0; i < 3_000; i++) {
      if (random() < 0.02) call();
      for (const { type, flags } of await peer.frames()) {
        if (type === PING && flags === 0) clock.after(latencyMs, onPing);
      }
      clock.advance(20);
    }
    assert.ok(seen > 10, `${seen} pings, seed ${seed}`);
    assert.ok(mostStrikes < 2, `${mostStrikes} strikes, seed ${seed}`);
    assert.ok(!peer.events.includes("suspect"));
  });

  it("never pings without calls", async () => {
    const clock = new HandClock();
    const peer = await openPeer(clock);
    peer.call();
    peer.send(reply(1));
    await peer.frames();
    clock.advance(1_000_000);
    assert.equal(await pings(peer), 0);
    assert.equal(clock.pending, 0);
  });

  it("pings on and on where keepalive is asked for", async () => {
    const clock = new HandClock();
    const keepalive = { afterMs: 60_000, suspectMs: Infinity, timeoutMs: 20_000, withoutCalls: true, again: true };
    const peer = await openPeer(clock, {}, { keepalive });
    for (let i = 0; i < 3; i++) {
      clock.advance(60_000);
      assert.equal(await pings(peer), 1);
      peer.send(frame(PING, 1, 0, Buffer.alloc(8)));
    }
    clock.advance(80_000);
    assert.deepEqual(peer.events.at(-1), "gone: the connection broke: no answer to a ping within 20000 ms");
    assert.equal(clock.pending, 0);
  });
});
