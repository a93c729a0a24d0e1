import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AttemptEnd, AttemptListener, AttemptRequest } from "../../../../src/call/call.ts";
import { Code } from "../../../../src/core/code.ts";
import { HealthWatch } from "../../../../src/upstream/health/watch.ts";
import { HandClock } from "../../../support/hand-clock.ts";

const end = (code: Code, outcome: AttemptEnd["outcome"] = "answered"): AttemptEnd => ({
  code,
  message: "",
  trailers: [],
  error: null,
  outcome,
});

class FakeConnection {
  readonly state = "ready";
  readonly hasRoom = true;
  readonly requests: AttemptRequest[] = [];
  readonly streams: AttemptListener[] = [];
  cancelled = 0;

  start(request: AttemptRequest, listener: AttemptListener) {
    this.requests.push(request);
    this.streams.push(listener);
    return { send: () => true, halfClose() {}, pause() {}, resume() {}, cancel: () => void this.cancelled++ };
  }
  connect(): void {}
  close(): void {}
  destroy(): void {}

  get last(): AttemptListener {
    const stream = this.streams.at(-1);
    assert.ok(stream, "nothing was asked");
    return stream;
  }
  say(...bytes: number[]): void {
    this.last.onMessage(Uint8Array.from([9, ...bytes, 9]), 1, 1 + bytes.length);
  }
}

function make(service = "") {
  const clock = new HandClock();
  const told: string[] = [];
  const watch = new HealthWatch({
    service,
    firstWordMs: 3_000,
    clock,
    random: () => 1,
    onChange: () => told.push(watch.isServing ? "serving" : "not serving"),
  });
  const connection = new FakeConnection();
  return { clock, told, watch, connection };
}

describe("HealthWatch", () => {
  it("asks on the connection that it is given, and takes what is said", () => {
    const { told, watch, connection, clock } = make("shop.v1.Shop");
    watch.use(connection);
    watch.use(connection);
    assert.deepEqual(connection.requests, [
      {
        path: "/grpc.health.v1.Health/Watch",
        metadata: [],
        message: Buffer.from("\n\fshop.v1.Shop"),
        deadlineMs: Infinity,
        isQuiet: true,
      },
    ]);
    assert.equal(watch.isKnown, false);
    for (const status of [1, 1, 2, 1, 3, 1, 0]) connection.say(8, status);
    assert.deepEqual(told, ["serving", "not serving", "serving", "not serving", "serving", "not serving"]);
    assert.equal(clock.pending, 0);
  });

  it("writes a long name's length as a varint, and none for no name", () => {
    for (const [service, prefix] of [
      ["x".repeat(300), [0x0a, 0xac, 0x02]],
      ["", []],
    ] as const) {
      const { watch, connection } = make(service);
      watch.use(connection);
      const bytes = Buffer.from([...prefix, ...Buffer.from(service)]);
      assert.deepEqual(connection.requests[0]?.message, bytes);
    }
  });

  it("takes what is no word of serving for none", () => {
    const { watch, connection } = make();
    watch.use(connection);
    for (const bytes of [[], [8], [8, 129, 1], [16, 1], [8, 1, 16, 1]]) {
      connection.say(8, 1);
      connection.say(...bytes);
      assert.equal(watch.isServing, false, String(bytes));
    }
  });

  it("lets one serve that does not know the service Health, and asks no more", () => {
    const { told, watch, connection, clock } = make();
    watch.use(connection);
    connection.last.onEnd(end(Code.Unimplemented));
    assert.deepEqual([told, connection.streams.length, clock.pending], [["serving"], 1, 0]);
  });

  it("asks again at once where a stream ends that had said something, else after a growing while", () => {
    const { told, watch, connection, clock } = make();
    watch.use(connection);
    connection.say(8, 1);
    connection.last.onEnd(end(Code.Internal));
    assert.deepEqual([told, connection.streams.length], [["serving"], 2]);
    const waits = [1, 2, 4, 8, 16, 30, 30];
    for (const [index, seconds] of waits.entries()) {
      connection.last.onEnd(end(Code.Unavailable, "unknown"));
      clock.advance(seconds * 1000 - 1);
      assert.equal(connection.streams.length, 2 + index);
      clock.advance(1);
      assert.equal(connection.streams.length, 3 + index);
    }
    assert.deepEqual(told, ["serving", "not serving"]);
    connection.say(8, 1);
    connection.last.onEnd(end(Code.Ok));
    connection.last.onEnd(end(Code.Ok));
    clock.advance(1_000);
    assert.equal(connection.streams.length, 3 + waits.length + 1, "the first wait again");
  });

  it("says that it does not serve where it is long in saying anything", () => {
    const { told, watch, connection, clock } = make();
    watch.use(connection);
    clock.advance(2_999);
    assert.equal(watch.isKnown, false);
    clock.advance(1);
    assert.deepEqual([watch.isKnown, told], [true, ["not serving"]]);
    connection.say(8, 1);
    assert.equal(watch.isServing, true);
  });

  it("forgets with the connection, and hears nothing of an old one", () => {
    const { told, watch, connection, clock } = make();
    watch.use(connection);
    connection.say(8, 1);
    const old = connection.last;
    watch.use(null);
    assert.deepEqual([watch.isKnown, watch.isServing, connection.cancelled], [false, false, 1]);
    watch.use(connection);
    old.onEnd(end(Code.Unavailable));
    connection.last.onEnd(end(Code.Unavailable));
    watch.close();
    assert.deepEqual([told, clock.pending], [["serving", "not serving"], 0]);
  });
});
