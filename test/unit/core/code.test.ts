import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { Code, codeName, httpStatusOf, toCode } from "../../../src/core/code.ts";

// google/rpc/code.proto itself: the value of each code, and the HTTP status that its comment gives.
const PROTO = readFileSync(new URL("../../../protos/google/rpc/code.proto", import.meta.url), "utf8");
const published = [...PROTO.matchAll(/HTTP Mapping: (\d+)[^\n]*\n\s+([A-Z_]+) = (\d+);/g)].map(
  ([, http, name, value]) => ({ name: name ?? "", value: Number(value), http: Number(http) }),
);

describe("Code", () => {
  it("has the values, names and HTTP statuses of google/rpc/code.proto", () => {
    assert.deepEqual(
      Object.values(Code).map((value) => ({ name: codeName(value), value, http: httpStatusOf(value) })),
      published.sort((left, right) => left.value - right.value),
    );
  });
});

describe("codeName()", () => {
  it("shows a number that is no code", () => {
    assert.equal(codeName(17), "CODE_17");
    assert.equal(codeName(-1), "CODE_-1");
  });
});

describe("httpStatusOf()", () => {
  it("is 500 for a number that is no code", () => {
    assert.equal(httpStatusOf(17), 500);
    assert.equal(httpStatusOf(-1), 500);
  });
});

describe("toCode()", () => {
  it("keeps what gRPC defines", () => {
    for (const { value } of published) assert.equal(toCode(value), value);
  });

  for (const value of [-1, 17, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    it(`takes ${value} for UNKNOWN`, () => assert.equal(toCode(value), Code.Unknown));
  }
});
