import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AttemptEnd, AttemptListener, AttemptRequest, Pick } from "../../../src/call/call.ts";
import { Code } from "../../../src/core/code.ts";
import { StreamQueue } from "../../../src/upstream/stream-queue.ts";
import { Recorder } from "../../support/grpc-calls.ts";
import { HandClock } from "../../support/hand-clock.ts";

const request: AttemptRequest = { path: "/s/M", metadata: [], message: null, deadlineMs: Infinity };

class Host {
  readonly endpoint = "a:1";
  readonly upstream = "u";
  readonly queue = 3;
  readonly clock = new HandClock();
  count = 0;
  room = 0;
  readonly waits: number[] = [];
  readonly log: string[] = [];
  readonly started: AttemptListener[] = [];

  get isQueueFull(): boolean {
    return this.count >= this.queue;
  }
  onQueue(change: 1 | -1): void {
    this.count += change;
  }
  onQueued(waitMs: number): void {
    this.waits.push(waitMs);
  }
  roomy(): Pick | null {
    if (this.room === 0) return null;
    this.room--;
    return {
      endpoint: this.endpoint,
      start: (_, listener) => {
        this.started.push(listener);
        return {
          send: (message) => this.log.push(`send ${Buffer.from(message)}`) > 0,
          halfClose: () => void this.log.push("halfClose"),
          pause: () => void this.log.push("pause"),
          resume: () => void this.log.push("resume"),
          cancel: (because) => void this.log.push(`cancel ${because}`),
        };
      },
    };
  }
}

function make() {
  const host = new Host();
  const queue = new StreamQueue(host);
  const start = () => {
    const recorder = new Recorder<AttemptEnd>();
    return { recorder, handle: queue.start(request, recorder) };
  };
  return { host, queue, start };
}

describe("StreamQueue", () => {
  it("starts those that wait in their order, as there is room, and tells how long they waited", () => {
    const { host, queue, start } = make();
    const calls = [start(), start(), start()];
    host.clock.advance(20);
    host.room = 2;
    queue.serve();
    assert.deepEqual(host.started, [calls[0]?.recorder, calls[1]?.recorder]);
    assert.deepEqual([host.waits, host.count], [[20, 20], 1]);
    host.clock.advance(10);
    host.room = 5;
    queue.serve();
    queue.serve();
    assert.deepEqual([host.started.length, host.waits, host.count, queue.isEmpty], [3, [20, 20, 30], 0, true]);
  });

  it("passes over those that were cancelled, which are told nothing", () => {
    const { host, queue, start } = make();
    const [first, second] = [start(), start()];
    first.handle.cancel("timeout");
    first.handle.cancel();
    assert.equal(host.count, 1);
    host.room = 5;
    queue.serve();
    assert.deepEqual([host.started, first.recorder.ends, host.log], [[second.recorder], 0, []]);
    second.handle.cancel();
    assert.deepEqual(host.log, ["cancel undefined"]);
  });

  it("does what the owner did meanwhile when it begins", async () => {
    const { host, queue, start } = make();
    const { handle, recorder } = start();
    handle.pause();
    assert.equal(handle.send(Buffer.from("1")), false);
    assert.equal(handle.send(Buffer.from("2")), false);
    handle.halfClose();
    host.room = 1;
    queue.serve();
    assert.deepEqual(host.log, ["pause", "send 1", "send 2", "halfClose"]);
    await Promise.resolve();
    assert.equal(recorder.writable, 1);
    handle.resume();
    assert.equal(host.log.at(-1), "resume");
  });

  it("has room for so many, and turns others away as not processed", async () => {
    const { host, start } = make();
    for (let i = 0; i < 3; i++) start();
    const { recorder } = start();
    const end = await recorder.ended;
    assert.deepEqual([end.error?.code, end.outcome, host.count], ["UPSTREAM_QUEUE_FULL", "not_processed", 3]);
  });

  it("sends all elsewhere where the connections are gone", () => {
    const { host, queue, start } = make();
    const calls = [start(), start()];
    calls[0]?.handle.cancel();
    queue.dissolve();
    assert.deepEqual([calls[0]?.recorder.ends, calls[1]?.recorder.end?.outcome], [0, "not_processed"]);
    assert.equal(calls[1]?.recorder.end?.code, Code.Unavailable);
    assert.deepEqual([host.count, queue.isEmpty], [0, true]);
  });

  it("keeps its order over thousands that come, begin and leave", () => {
    const { host, queue, start } = make();
    const expected: AttemptListener[] = [];
    for (let i = 0; i < 3_000; i++) {
      const { recorder, handle } = start();
      if (i % 7 === 0) handle.cancel();
      else expected.push(recorder);
      if (i % 2 === 1) continue;
      host.room = 2;
      queue.serve();
    }
    host.room = 5;
    queue.serve();
    assert.deepEqual(host.started, expected);
  });
});
