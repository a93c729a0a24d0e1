import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRedial } from "../../../../src/discovery/etcd/redial.ts";

describe("createRedial()", () => {
  it("waits longer with each failure, up to 1.5 s, and the shortest again after success", () => {
    const redial = createRedial(["a:1"], () => 0);
    const waits = Array.from({ length: 9 }, () => Math.round(redial.failed()));
    assert.deepEqual(waits, [100, 160, 256, 410, 655, 1049, 1500, 1500, 1500]);
    redial.succeeded();
    assert.equal(redial.failed(), 100);
  });

  it("tries every member once before it waits", () => {
    const redial = createRedial(["a:1", "b:1", "c:1"], () => 0);
    const tried = [];
    for (let i = 0; i < 6; i++) tried.push([redial.address, redial.failed()]);
    assert.deepEqual(tried, [
      ["a:1", 0],
      ["b:1", 0],
      ["c:1", 100],
      ["a:1", 0],
      ["b:1", 0],
      ["c:1", 160],
    ]);
  });

  it("begins at a random member, and shortens waits by up to 40 %", () => {
    const redial = createRedial(["a:1", "b:1"], () => 0.999);
    assert.equal(redial.address, "b:1");
    redial.failed();
    assert.equal(Math.round(redial.failed()), 60);
  });
});
