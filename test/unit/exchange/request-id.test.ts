import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { requestId } from "../../../src/exchange/request-id.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe("requestId()", () => {
  for (const id of ["a", "4bf92f3577b34da6a3ce929d0e0e4736", "req_1.2-3", "x".repeat(128)]) {
    it(`keeps ${id.slice(0, 40)}`, () => assert.equal(requestId(id), id));
  }

  // Twice the header, log forging, markup, too long.
  for (const id of [undefined, "", "a, b", "a\nb", "a\n", "<b>", "é", "x".repeat(129)]) {
    it(`makes a new one for ${JSON.stringify(id)?.slice(0, 40)}`, () => assert.match(requestId(id), UUID));
  }

  it("makes a different one each time", () => {
    assert.equal(new Set(Array.from({ length: 1000 }, () => requestId(undefined))).size, 1000);
  });
});
