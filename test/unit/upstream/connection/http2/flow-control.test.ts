import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  CONNECTION_WINDOW_BYTES,
  STREAM_WINDOW_BYTES,
} from "../../../../../src/upstream/connection/http2/flow-control.ts";
import { HandClock } from "../../../../support/hand-clock.ts";
import {
  type Frame,
  frame,
  HEADERS,
  type Http2Peer,
  message,
  OK,
  openPeer,
  settings,
  uint32,
} from "../../../../support/http2-peer.ts";
import { freshSeed, seededRandom } from "../../../../support/seeded-random.ts";

const DATA = 0;
const WINDOW_UPDATE = 8;

const windowUpdate = (id: number, bytes: number) => frame(WINDOW_UPDATE, 0, id, uint32(bytes));
const dataOf = (frames: readonly Frame[]) => frames.filter(({ type }) => type === DATA);
const sizes = (frames: readonly Frame[]) => dataOf(frames).map(({ id, payload }) => [id, payload.length]);

/** What was given back on a stream, 0 for the connection. */
function credit(frames: readonly Frame[], id: number): number {
  return frames
    .filter((found) => found.type === WINDOW_UPDATE && found.id === id)
    .reduce((sum, { payload }) => sum + payload.readUInt32BE(), 0);
}

describe("sending", () => {
  it("stops at the stream's window and goes on in its time", async () => {
    const peer = await openPeer(new HandClock());
    peer.send(settings([4, 10]));
    peer.call(Buffer.alloc(20));
    assert.deepEqual(sizes(await peer.frames()), [[1, 10]]);
    peer.send(windowUpdate(0, 1_000));
    assert.deepEqual(sizes(await peer.frames()), []);
    peer.send(windowUpdate(1, 14));
    assert.deepEqual(sizes(await peer.frames()), [[1, 14]]);
    peer.send(windowUpdate(1, 100));
    const [last] = dataOf(await peer.frames());
    assert.deepEqual([last?.payload.length, last?.flags], [1, 1]);
  });

  it("stops at the connection's window, and then lets all streams have their turn", async () => {
    const peer = await openPeer(new HandClock());
    peer.send(settings([4, 1_000_000]));
    for (let i = 0; i < 3; i++) peer.call(Buffer.alloc(65_530));
    assert.deepEqual(
      sizes(await peer.frames()).reduce((sum, [, size]) => sum + (size ?? 0), 0),
      65_535,
    );
    peer.send(windowUpdate(0, 16_384 * 4));
    assert.deepEqual(sizes(await peer.frames()), [
      [3, 16_384],
      [5, 16_384],
      [3, 16_384],
      [5, 16_384],
    ]);
  });

  it("bears windows that SETTINGS make negative", async () => {
    const peer = await openPeer(new HandClock());
    peer.call(Buffer.alloc(100_000));
    assert.equal(dataOf(await peer.frames()).length, 4);
    peer.send(settings([4, 0]));
    peer.send(windowUpdate(0, 1_000_000));
    peer.send(windowUpdate(1, 65_535));
    assert.deepEqual(sizes(await peer.frames()), []);
    peer.send(windowUpdate(1, 5));
    assert.deepEqual(sizes(await peer.frames()), [[1, 5]]);
    peer.send(settings([4, 100_000]));
    assert.equal(dataOf(await peer.frames()).at(-1)?.flags, 1);
  });

  it("sends an empty message and a bare half-close without any window", async () => {
    const peer = await openPeer(new HandClock());
    peer.send(settings([4, 0]));
    const { handle } = peer.call(null);
    handle.halfClose();
    const [end] = dataOf(await peer.frames());
    assert.deepEqual([end?.payload.length, end?.flags], [0, 1]);
  });

  it("tells once that it is writable, after it said that it is not", async () => {
    const peer = await openPeer(new HandClock());
    const { recorder, handle } = peer.call(null);
    let sends = 0;
    while (handle.send(Buffer.alloc(10_000))) sends++;
    assert.equal(sends, 13); // 65,535 bytes are out, and as many wait
    peer.send(Buffer.concat([windowUpdate(0, 10_000), windowUpdate(1, 10_000)]));
    assert.equal(recorder.writable, 0);
    peer.send(Buffer.concat([windowUpdate(0, 80_000), windowUpdate(1, 80_000)]));
    assert.equal(recorder.writable, 1);
    assert.equal(handle.send(Buffer.alloc(10)), true);
    handle.halfClose();
    assert.equal(dataOf(await peer.frames()).at(-1)?.flags, 1);
  });

  it("waits for a socket that takes no more", async () => {
    const peer = await openPeer(new HandClock());
    peer.send(Buffer.concat([settings([4, 2 ** 31 - 1]), windowUpdate(0, 2 ** 31 - 1 - 65_535)]));
    peer.pendingBytes = 1 << 20;
    const { recorder } = peer.call(Buffer.alloc(1 << 20));
    assert.deepEqual(sizes(await peer.frames()), []);
    peer.drain();
    assert.equal(dataOf(await peer.frames()).at(-1)?.flags, 1);
    assert.equal(recorder.ends, 0);
  });

  it("never exceeds a window and delivers all, whatever the peer does with them", async () => {
    const seed = freshSeed();
    const random = seededRandom(seed);
    const below = (n: number) => Math.floor(random() * n);
    for (let round = 0; round < 40; round++) {
      const peer = await openPeer(new HandClock());
      let connection = 65_535;
      let initial = 65_535;
      const streams = Array.from({ length: 4 }, (_, i) => ({
        id: 2 * i + 1,
        window: initial,
        sent: [] as Buffer[],
        received: [] as Buffer[],
        handle: peer.call(null).handle,
        isEnd: false,
      }));
      const take = async () => {
        for (const { id, payload, flags } of dataOf(await peer.frames())) {
          const stream = streams.find((found) => found.id === id);
          assert.ok(stream && payload.length <= 16_384 && !stream.isEnd, `seed ${seed}`);
          connection -= payload.length;
          stream.window -= payload.length;
          assert.ok(connection >= 0 && (stream.window >= 0 || payload.length === 0), `seed ${seed}`);
          stream.received.push(payload);
          stream.isEnd = (flags & 1) === 1;
        }
      };
      for (let step = 0; step < 40; step++) {
        const stream = streams[below(4)];
        assert.ok(stream);
        switch (below(5)) {
          case 0: {
            const content = Buffer.alloc(below(2) === 0 ? below(100) : below(60_000), below(256));
            stream.sent.push(message(content));
            stream.handle.send(content);
            break;
          }
          case 1: {
            const more = 1 + below(30_000);
            stream.window += more;
            peer.send(windowUpdate(stream.id, more));
            break;
          }
          case 2: {
            const more = 1 + below(50_000);
            connection += more;
            peer.send(windowUpdate(0, more));
            break;
          }
          case 3: {
            await take();
            const next = below(100_000);
            for (const each of streams) each.window += next - initial;
            initial = next;
            peer.send(settings([4, next]));
            break;
          }
          default:
            await take();
        }
      }
      await take();
      for (const { handle } of streams) handle.halfClose();
      peer.send(windowUpdate(0, 2 ** 30));
      connection += 2 ** 30;
      for (const stream of streams) {
        stream.window += 2 ** 30;
        peer.send(windowUpdate(stream.id, 2 ** 30));
      }
      await take();
      for (const { sent, received, isEnd } of streams) {
        assert.ok(isEnd && Buffer.concat(sent).equals(Buffer.concat(received)), `seed ${seed}`);
      }
    }
  });
});

describe("receiving", () => {
  const chunk = message(Buffer.alloc(16_379));
  const begin = (peer: Http2Peer, id: number) => peer.send(frame(1, 4, id, HEADERS));

  it("gives back what was read, on the stream and on the connection", async () => {
    const peer = await openPeer(new HandClock());
    const { recorder } = peer.call();
    begin(peer, 1);
    let [stream, connection] = [0, 0];
    // Twice the connection's window, and a message that comes in halves.
    const count = (2 * CONNECTION_WINDOW_BYTES) / chunk.length;
    for (let i = 0; i < count; i++) {
      peer.send(frame(DATA, 0, 1, chunk));
      const frames = await peer.frames();
      stream += credit(frames, 1);
      connection += credit(frames, 0);
      assert.ok((i + 1) * chunk.length - stream <= STREAM_WINDOW_BYTES / 2);
      assert.ok((i + 1) * chunk.length - connection <= CONNECTION_WINDOW_BYTES / 2);
    }
    assert.equal(recorder.bytes, count * 16_379);
  });

  it("counts padding, and data of calls that are over", async () => {
    const peer = await openPeer(new HandClock());
    const gone = peer.call();
    const { recorder } = peer.call();
    gone.handle.cancel();
    begin(peer, 3);
    const padded = frame(DATA, 8, 3, Buffer.concat([Buffer.from([255]), Buffer.alloc(255)]));
    for (let i = 0; i < 2_048; i++) peer.send(padded);
    assert.equal(credit(await peer.frames(), 3), STREAM_WINDOW_BYTES / 2);
    let given = 0;
    for (let i = 0; i < 512; i++) {
      peer.send(frame(DATA, 0, 1, chunk));
      given += credit(await peer.frames(), 0);
    }
    assert.ok(given >= CONNECTION_WINDOW_BYTES / 4);
    assert.equal(recorder.ends, 0);
  });

  it("lets a message arrive that is larger than the window", async () => {
    const peer = await openPeer(new HandClock());
    const { recorder } = peer.call();
    begin(peer, 1);
    const large = message(Buffer.alloc(3 << 20, "x"));
    let given = STREAM_WINDOW_BYTES;
    for (let at = 0; at < large.length; at += 16_384) {
      given += credit(await peer.frames(), 1);
      const piece = large.subarray(at, at + 16_384);
      given -= piece.length;
      assert.ok(given >= 0);
      peer.send(frame(DATA, 0, 1, piece));
    }
    peer.send(frame(1, 5, 1, OK));
    assert.deepEqual([recorder.bytes, recorder.end?.code], [3 << 20, 0]);
  });

  it("holds back the stream that is paused, and only that", async () => {
    const peer = await openPeer(new HandClock());
    const [paused, other] = [peer.call(), peer.call()];
    begin(peer, 1);
    begin(peer, 3);
    paused.handle.pause();
    const chunks = STREAM_WINDOW_BYTES / chunk.length;
    for (let i = 0; i < chunks; i++) {
      peer.send(frame(DATA, 0, 1, chunk));
      peer.send(frame(DATA, 0, 3, chunk));
    }
    const frames = await peer.frames();
    assert.equal(credit(frames, 1), 0);
    assert.equal(credit(frames, 3), STREAM_WINDOW_BYTES);
    assert.deepEqual([paused.recorder.bytes, other.recorder.bytes], [0, chunks * 16_379]);
    paused.handle.resume();
    assert.equal(paused.recorder.bytes, chunks * 16_379);
    assert.equal(credit(await peer.frames(), 1), STREAM_WINDOW_BYTES);
  });

  it("keeps the connection going while a few streams are paused, and waits for them when they are many", async () => {
    const peer = await openPeer(new HandClock());
    const paused = Array.from({ length: 24 }, () => peer.call());
    let sent = 0;
    let given = 0;
    const fill = async (id: number) => {
      begin(peer, id);
      for (let i = 0; i < STREAM_WINDOW_BYTES / chunk.length; i++) {
        // As a peer that keeps to the window.
        if (CONNECTION_WINDOW_BYTES + given - sent < chunk.length) return false;
        peer.send(frame(DATA, 0, id, chunk));
        sent += chunk.length;
      }
      given += credit(await peer.frames(), 0);
      return true;
    };
    for (const { handle } of paused) handle.pause();
    for (let i = 0; i < 8; i++) assert.ok(await fill(2 * i + 1));
    assert.ok(given >= 4 << 20, "eight streams are given back");
    let filled = 8;
    while (filled < 24 && (await fill(2 * filled + 1))) filled++;
    // 8 MiB were given back while no more were kept, and the window is 16 MiB.
    assert.ok(filled >= 20 && sent <= CONNECTION_WINDOW_BYTES + (12 << 20), `${filled}`);
    const before = given;
    // One that is cancelled, one that is read: both make room.
    paused[0]?.handle.cancel();
    for (const { handle } of paused.slice(1, 20)) handle.resume();
    given += credit(await peer.frames(), 0);
    assert.ok(given > before);
  });

  it("ends a stream, or the connection, that is sent more than its window", async () => {
    const peer = await openPeer(new HandClock());
    const calls = Array.from({ length: 40 }, () => peer.call());
    for (const { handle } of calls) handle.pause();
    let sent = 0;
    const fill = (id: number, more: number) => {
      begin(peer, id);
      for (let i = 0; i < STREAM_WINDOW_BYTES / chunk.length + more && peer.closed === null; i++) {
        peer.send(frame(DATA, 0, id, chunk));
        sent += chunk.length;
      }
    };
    fill(1, 1);
    const { error } = calls[0]?.recorder.end ?? {};
    assert.equal(error?.message, "upstream lab broke the gRPC protocol: more data than the window allows");
    assert.equal(peer.closed, null);
    for (let id = 3; id < 80; id += 2) fill(id, 0);
    assert.equal(peer.closed, "in order");
    assert.ok(sent > CONNECTION_WINDOW_BYTES && sent <= CONNECTION_WINDOW_BYTES + (12 << 20) + chunk.length, `${sent}`);
    assert.equal((await peer.frames()).at(-1)?.payload.readUInt32BE(4), 3);
    // What came before is the owner's to take, and then it learns of the end.
    const [, second, , last] = calls;
    second?.handle.resume();
    assert.equal(second?.recorder.end?.error?.code, "UPSTREAM_PROTOCOL");
    assert.ok(second.recorder.bytes > 0);
    last?.handle.cancel();
  });

  it("tells the end after the messages that were left, and frees what a cancelled call left", async () => {
    const peer = await openPeer(new HandClock());
    const { recorder, handle } = peer.call();
    begin(peer, 1);
    handle.pause();
    peer.send(frame(DATA, 0, 1, Buffer.concat([message("a"), message("b")])));
    peer.send(frame(1, 5, 1, OK));
    assert.deepEqual([recorder.messages, recorder.ends, peer.session.inFlight], [[], 0, 0]);
    // The connection may be lost meanwhile: the reply is complete.
    peer.cut();
    handle.resume();
    assert.deepEqual([recorder.messages, recorder.end?.code, recorder.ends], [["a", "b"], 0, 1]);
  });
});
