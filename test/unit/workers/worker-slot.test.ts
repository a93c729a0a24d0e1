import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { FromWorker, ToWorker } from "../../../src/workers/messages.ts";
import { WorkerSlot, type WorkerListener } from "../../../src/workers/worker-slot.ts";
import { HandClock } from "../../support/hand-clock.ts";

/** A slot whose processes are played by the test. */
function startSlot() {
  const clock = new HandClock();
  const processes: { readonly listener: WorkerListener; readonly sent: ToWorker[]; killed: number }[] = [];
  const told: unknown[][] = [];
  const slot = new WorkerSlot({
    number: 1,
    clock,
    spawn(listener) {
      const process = { listener, sent: [] as ToWorker[], killed: 0 };
      processes.push(process);
      return { pid: processes.length, send: (message) => process.sent.push(message), kill: () => process.killed++ };
    },
    onHello: () => told.push(["hello"]),
    onLoaded: (_, { load }, isFirst) => told.push(["loaded", load, isFirst]),
    onRefused: (_, { reason }) => told.push(["refused", reason]),
    onRefresh: (key) => told.push(["refresh", key]),
    onExit: (_, { how, nextMs }) => told.push(["exit", how, nextMs]),
  });
  slot.start();
  const last = () => processes.at(-1) ?? assert.fail("no process was started");
  const hear = (message: FromWorker): void => last().listener.onMessage(message);
  const load = (number: number): void => hear({ type: "loaded", load: number, address: "", port: 1 });
  return { clock, slot, processes, told, last, hear, load };
}

describe("WorkerSlot", () => {
  it("starts the next process at once where one had lived, and for the first early death", () => {
    const { clock, processes, last, told } = startSlot();
    clock.advance(10_000);
    last().listener.onExit("SIGKILL");
    clock.advance(0);
    assert.equal(processes.length, 2);
    last().listener.onExit(1);
    clock.advance(0);
    assert.equal(processes.length, 3);
    assert.deepEqual(told, [
      ["exit", "SIGKILL", 0],
      ["exit", 1, 0],
    ]);
  });

  it("waits longer with every early death in a row, at most 30 s, and forgets them when one lives", () => {
    const { clock, last, told, processes } = startSlot();
    const delays: unknown[] = [];
    for (let i = 0; i < 11; i++) {
      last().listener.onExit(1);
      delays.push(told.at(-1)?.[2]);
      const before = processes.length;
      clock.advance(Number(delays.at(-1)) - 1);
      if (i > 0) assert.equal(processes.length, before, "not before its time");
      clock.advance(1);
    }
    assert.deepEqual(delays, [0, 250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
    clock.advance(10_000);
    last().listener.onExit(1);
    assert.equal(told.at(-1)?.[2], 0);
  });

  it("knows which load its process has in force, and of a new process none", () => {
    const { clock, slot, told, hear, load, last } = startSlot();
    hear({ type: "hello" });
    assert.equal(slot.loaded, 0);
    load(3);
    load(4);
    assert.equal(slot.loaded, 4);
    hear({ type: "refused", load: 5, code: "", reason: "r" });
    last().listener.onExit(0);
    assert.deepEqual([slot.loaded, slot.pid], [0, 0]);
    clock.advance(0);
    load(4);
    assert.deepEqual(told, [
      ["hello"],
      ["loaded", 3, true],
      ["loaded", 4, false],
      ["refused", "r"],
      ["exit", 0, 0],
      ["loaded", 4, true],
    ]);
  });

  it("sends nothing before its process listens", () => {
    const { slot, last, hear } = startSlot();
    const drain: ToWorker = { type: "drain", limitMs: 1 };
    slot.send(drain);
    assert.deepEqual(last().sent, []);
    hear({ type: "hello" });
    slot.send(drain);
    assert.deepEqual(last().sent, [drain]);
  });

  it("kills at its close a process that does not listen yet", async () => {
    const { slot, last } = startSlot();
    const closing = slot.close(3000, 5000);
    assert.deepEqual([last().sent, last().killed], [[], 1]);
    last().listener.onExit("SIGKILL");
    await closing;
  });

  it("answers null where the process does not serve yet, does not answer in time, or ends", async () => {
    const { clock, slot, load, hear, last } = startSlot();
    assert.equal(await slot.ask("metrics", 1000), null);
    assert.deepEqual(last().sent, []);
    hear({ type: "hello" });
    load(1);
    const good = slot.ask("metrics", 1000);
    const late = slot.ask("readiness", 1000);
    hear({ type: "answer", id: 1, answer: [] });
    clock.advance(1000);
    hear({ type: "answer", id: 2, answer: [] });
    assert.deepEqual([await good, await late], [[], null]);
    const cut = slot.ask("metrics", 1000);
    last().listener.onExit(1);
    assert.equal(await cut, null);
    slot.kill();
    await slot.close(0, 0);
    assert.equal(clock.pending, 0);
  });

  it("closes by draining its process, kills one that does not end in time, and starts no other", async () => {
    const { clock, slot, processes, last, told, hear } = startSlot();
    hear({ type: "hello" });
    told.length = 0;
    let isClosed = false;
    const closing = slot.close(3000, 5000).then(() => (isClosed = true));
    assert.deepEqual(last().sent, [{ type: "drain", limitMs: 3000 }]);
    clock.advance(4999);
    assert.equal(last().killed, 0);
    clock.advance(1);
    assert.deepEqual([last().killed, isClosed], [1, false]);
    last().listener.onExit("SIGKILL");
    await closing;
    clock.advance(60_000);
    assert.deepEqual([processes.length, told], [1, [["exit", "SIGKILL", null]]]);
  });

  it("closes at once while it waits for its next process", async () => {
    const { clock, slot, processes, last } = startSlot();
    last().listener.onExit(1);
    await slot.close(3000, 5000);
    clock.advance(60_000);
    assert.deepEqual([processes.length, clock.pending], [1, 0]);
  });
});
