import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Negotiator, wantsProblem } from "../../../src/exchange/accept.ts";

const streams = new Negotiator([
  { type: "application/x-ndjson", value: "ndjson" },
  { type: "application/json", value: "json" },
  { type: "text/event-stream", value: "sse" },
]);
const unary = new Negotiator([
  { type: "application/json", value: "json" },
  { type: "application/json", parameter: "indent=2", value: "pretty" },
]);

describe("choose()", () => {
  const cases: readonly (readonly [accept: string | undefined, expected: string | null])[] = [
    [undefined, "ndjson"],
    ["", "ndjson"],
    [" , ,", "ndjson"],
    ["*/*", "ndjson"],
    ["*", "ndjson"], // old Java clients: `text/html, image/gif, *; q=.2, */*; q=.2`
    ["text/html, image/gif, *; q=.2, */*; q=.2", "ndjson"],
    ["application/json", "json"],
    ["Application/JSON", "json"],
    ["application/json; charset=utf-8", "json"],
    ["text/event-stream", "sse"],
    ["application/x-ndjson", "ndjson"],
    ["application/*", "ndjson"],
    ["text/*", "sse"],
    ["application/json, text/plain, */*", "json"], // axios: what is named wins over what is not
    ["application/json, text/event-stream", "json"], // the client's order
    ["text/event-stream, application/json", "sse"],
    ["application/json;q=0.5, text/event-stream", "sse"],
    ["application/json;q=0.5, */*;q=0.1", "json"],
    ["application/*;q=0.9, application/x-ndjson;q=0.1, application/json;q=0.5", "json"], // exact over range
    ["application/*, application/x-ndjson;q=0", "json"],
    ["*/*, application/x-ndjson;q=0, application/json;q=0", "sse"],
    ["application/x-ndjson;q=0", null],
    ["*/*;q=0", null],
    ["text/html", null],
    ["application/xml, text/html;q=0.9", null],
    ["application/jsonx", null],
    ["application", "ndjson"], // no media range at all: nothing was said
    ["a/b/c", "ndjson"],
    ["text/html, application", null],
    ["application/json;q=2, text/event-stream", "sse"],
    ["application/json;q=, text/event-stream", "sse"],
    ["application/json;q=1., text/event-stream;q=0.", "json"],
    ["application/json;q=x, text/event-stream", "sse"],
    ['text/html;a="x, application/json", text/event-stream', "sse"], // a comma between quotes
    ['text/html;a="\\", application/json", text/event-stream', "sse"],
    ["application/json ; Q=0.2 , text/event-stream ; q=0.1", "json"],
  ];
  for (const [accept, expected] of cases) {
    it(`${accept ?? "nothing"} -> ${expected}`, () => {
      assert.equal(streams.choose(accept), expected);
      assert.equal(streams.choose(accept), expected, "remembered");
    });
  }

  it("gives an offer with a parameter to those who name it", () => {
    assert.equal(unary.choose("*/*"), "json");
    assert.equal(unary.choose("application/json"), "json");
    assert.equal(unary.choose("application/json; indent=2"), "pretty");
    assert.equal(unary.choose('application/json; charset=utf-8; indent="2"'), "pretty");
    assert.equal(unary.choose("application/json; indent=4"), "json");
  });

  it("reads 64 KiB of separators in a moment", () => {
    for (const text of [",".repeat(65536), ";".repeat(65536), '"'.repeat(65535), "a/b,".repeat(16384)]) {
      const startMs = performance.now();
      streams.choose(text);
      assert.ok(performance.now() - startMs < 3000);
    }
  });
});

describe("wantsProblem()", () => {
  const cases: readonly (readonly [accept: string | undefined, expected: boolean])[] = [
    [undefined, false],
    ["*/*", false],
    ["application/json", false],
    ["application/*", false], // not named
    ["application/problem+json", true],
    ["application/json, application/problem+json", true], // only a failure can be a problem
    ["application/problem+json;q=0.5, application/json", false],
    ["application/problem+json;q=0", false],
    ["text/html, Application/Problem+JSON;q=0.1", true],
  ];
  for (const [accept, expected] of cases) {
    it(`${accept ?? "nothing"} -> ${expected}`, () => assert.equal(wantsProblem(accept), expected));
  }
});
