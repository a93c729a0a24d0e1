import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ConnectionState } from "../../../../src/upstream/connection/connection.ts";
import { RemadeConnection, type SessionListener } from "../../../../src/upstream/connection/remade-connection.ts";
import { Session } from "../../../../src/upstream/connection/http2/session.ts";
import type { Transport, TransportListener } from "../../../../src/upstream/connection/http2/transport.ts";
import { HandClock } from "../../../support/hand-clock.ts";
import { Recorder } from "../../../support/grpc-calls.ts";
import { frame, reply, settings, uint32 } from "../../../support/http2-peer.ts";

/** A connection whose sockets are moved by hand. */
function open(connectTimeoutMs = 3_000) {
  const clock = new HandClock();
  const sockets: { listener: TransportListener; isDestroyed: boolean }[] = [];
  const states: [ConnectionState, string | undefined][] = [];
  const suspicions: boolean[] = [];
  const options = { upstream: "lab", connectTimeoutMs, maxMessageBytes: 1_000, clock };
  const dial = (_: string, listener: TransportListener): Transport => {
    const socket = { listener, isDestroyed: false };
    sockets.push(socket);
    const close = () => void (socket.isDestroyed = true);
    return { pendingBytes: 0, write() {}, end: close, destroy: close };
  };
  const session = {
    dial,
    scheme: "http",
    authority: null,
    userAgent: "x",
    keepalive: null,
    lastStreamId: 2 ** 31 - 1,
  } as const;
  const connection = new RemadeConnection(
    options,
    { onState: (state, reason) => states.push([state, reason]), onSuspect: (isSuspect) => suspicions.push(isSuspect) },
    (listener: SessionListener) => new Session("h:1", options, session, listener),
  );
  const send = (bytes: Uint8Array) => sockets.at(-1)?.listener.onBytes(bytes, bytes.length);
  const ready = () => {
    sockets.at(-1)?.listener.onOpen();
    send(settings());
  };
  const start = () => {
    const recorder = new Recorder();
    connection.start({ path: "/a/B", metadata: [], message: Buffer.from("x"), deadlineMs: Infinity }, recorder);
    return recorder;
  };
  return { clock, sockets, states, suspicions, connection, send, ready, start };
}

describe("RemadeConnection", () => {
  it("doubles its backoff from 100 ms to 2 s, with jitter that only shortens it", () => {
    const { clock, connection, sockets } = open();
    connection.connect();
    for (const fullMs of [100, 200, 400, 800, 1_600, 1_900, 1_900]) {
      sockets.at(-1)?.listener.onClosed("connect ECONNREFUSED");
      assert.equal(connection.state, "backoff");
      clock.advance(fullMs / 2 - 1);
      assert.equal(connection.state, "backoff");
      clock.advance(fullMs / 2 + 1);
      assert.equal(connection.state, "connecting");
    }
  });

  it("gives a peer that stays mute up after the connect timeout, and its socket with it", () => {
    const { clock, connection, sockets, states } = open(500);
    connection.connect();
    sockets[0]?.listener.onOpen();
    clock.advance(500);
    assert.deepEqual(states.at(-1), ["backoff", "no connection within 500 ms"]);
    assert.equal(sockets[0]?.isDestroyed, true);
  });

  it("connects again at once where the connection had proved itself, and not where it had not", () => {
    const { clock, connection, sockets, states, ready } = open();
    connection.connect();
    ready();
    clock.advance(999);
    sockets[0]?.listener.onClosed("");
    assert.deepEqual(states.at(-1), ["backoff", "the connection broke"]);
    connection.connect();
    ready();
    clock.advance(1_000);
    sockets[1]?.listener.onClosed("read ECONNRESET");
    assert.deepEqual(states.at(-1), ["connecting", "the connection broke: read ECONNRESET"]);
  });

  it("lets calls end on the old session after GOAWAY, and destroys them when asked to", () => {
    const { clock, connection, sockets, send, ready, start } = open();
    connection.connect();
    ready();
    clock.advance(1_000);
    const [first, second] = [start(), start()];
    send(frame(7, 0, 0, Buffer.concat([uint32(3), uint32(0)])));
    assert.equal(connection.state, "connecting");
    ready();
    const third = start();
    const bytes = reply(1);
    sockets[0]?.listener.onBytes(bytes, bytes.length);
    assert.equal(first.end?.code, 0);
    connection.destroy();
    assert.equal(second.end?.error?.code, "UPSTREAM_CONNECTION_LOST");
    assert.equal(third.end?.error?.code, "UPSTREAM_CONNECTION_LOST");
    assert.deepEqual([connection.state, clock.pending], ["closed", 0]);
    assert.ok(sockets.every(({ isDestroyed }) => isDestroyed));
  });

  it("gives up on a peer that stops in the middle of a frame", () => {
    const { clock, connection, send, ready, start, states } = open();
    connection.connect();
    ready();
    const recorder = start();
    send(reply(1).subarray(0, 20));
    clock.advance(12_000);
    assert.equal(recorder.end?.error?.code, "UPSTREAM_CONNECTION_LOST");
    assert.deepEqual(states.at(-1), ["connecting", "the connection broke: no answer to a ping within 10000 ms"]);
  });

  it("suspects a far peer later, and tells of the session in force alone", () => {
    const { clock, connection, sockets, send, ready, start, suspicions } = open();
    connection.connect();
    clock.advance(300);
    ready();
    clock.advance(1_000);
    start();
    clock.advance(500 + 250 + 299);
    assert.deepEqual(suspicions, []);
    clock.advance(1);
    assert.deepEqual(suspicions, [true]);
    // GOAWAY; it is not asked any more, so nobody wants to know.
    send(frame(7, 0, 0, Buffer.concat([uint32(1), uint32(0)])));
    assert.deepEqual(suspicions, [true, false]);
    clock.advance(2_000);
    const bytes = frame(6, 1, 0, Buffer.alloc(8));
    sockets[0]?.listener.onBytes(bytes, bytes.length);
    assert.deepEqual(suspicions, [true, false]);
    connection.destroy();
  });

  it("suspects nobody later than half a second more for being far", () => {
    const { clock, connection, ready, start, suspicions } = open();
    connection.connect();
    clock.advance(2_000);
    ready();
    start();
    clock.advance(500 + 250 + 500);
    assert.deepEqual(suspicions, [true]);
    connection.destroy();
  });

  it("stays closed", () => {
    const { connection, sockets, states } = open();
    connection.connect();
    connection.close();
    connection.connect();
    sockets[0]?.listener.onClosed("");
    connection.destroy();
    assert.deepEqual(
      states.map(([state]) => state),
      ["connecting", "closed"],
    );
  });
});
