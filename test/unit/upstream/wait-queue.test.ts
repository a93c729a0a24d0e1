import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WaitQueue } from "../../../src/upstream/wait-queue.ts";

describe("WaitQueue", () => {
  it("wakes in order, once, and not those that were taken back", () => {
    const queue = new WaitQueue();
    const woken: string[] = [];
    queue.add(() => woken.push("a"));
    const takeBack = queue.add(() => woken.push("b"));
    queue.add(() => woken.push("c"));
    takeBack();
    assert.equal(queue.size, 2);
    queue.wake();
    queue.wake();
    assert.deepEqual(woken, ["a", "c"]);
    assert.equal(queue.size, 0);
  });

  it("lets a woken one take back another and wait again itself", () => {
    const queue = new WaitQueue();
    const woken: string[] = [];
    queue.add(() => {
      woken.push("a");
      takeBack();
      queue.add(() => woken.push("a again"));
    });
    const takeBack = queue.add(() => woken.push("b"));
    queue.wake();
    assert.deepEqual(woken, ["a"]);
    assert.equal(queue.size, 1);
    queue.wake();
    assert.deepEqual(woken, ["a", "a again"]);
  });
});
