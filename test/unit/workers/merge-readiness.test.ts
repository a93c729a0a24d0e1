import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mergeReadiness } from "../../../src/workers/merge-readiness.ts";

const upstream = (name: string, endpoints: number, readyEndpoints: number) => ({
  name,
  ready: readyEndpoints > 0,
  endpoints,
  readyEndpoints,
  missing: readyEndpoints > 0 ? "" : "x",
});

describe("mergeReadiness()", () => {
  it("is ready where any worker is, with each upstream as the worker that has most of it sees it", () => {
    const merged = mergeReadiness([
      { ready: false, upstreams: [upstream("a", 3, 0), upstream("b", 0, 0)] },
      { ready: true, upstreams: [upstream("a", 2, 1), upstream("b", 2, 0)] },
      { ready: false, upstreams: [] },
    ]);
    assert.deepEqual(merged, { ready: true, upstreams: [upstream("a", 2, 1), upstream("b", 2, 0)] });
  });

  it("is not ready without a worker", () => {
    assert.deepEqual(mergeReadiness([]), { ready: false, upstreams: [] });
  });
});
