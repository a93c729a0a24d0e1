import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { toGrpcMetadata } from "../../../../../src/upstream/connection/grpc-js/metadata.ts";

describe("toGrpcMetadata()", () => {
  it("joins what HTTP joins, cookies with the separator of their own, and keeps other names apart", () => {
    const flat = ["accept", "a", "cookie", "a=1", "x-m", "1", "accept", "b", "cookie", "b=2; c=3", "x-m", "2"];
    assert.deepEqual(toGrpcMetadata(flat, null).toJSON(), {
      accept: ["a, b"],
      cookie: ["a=1; b=2; c=3"],
      "x-m": ["1", "2"],
    });
  });
});
