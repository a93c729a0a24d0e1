import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { expand } from "../../../src/config/expand.ts";

const files: Record<string, string> = { "/run/secret": "pa${HOST}ss\n", "/crlf": "a\r\n", "/two": "a\n\n" };
const sources = {
  env: { HOST: "db", EMPTY: "", DOLLAR: "$$ ${HOST}" },
  readFile(path: string): string {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error("no such file"), { code: "ENOENT" });
    return text;
  },
};

describe("expand()", () => {
  for (const [text, expected] of [
    ["plain", "plain"],
    ["${HOST}", "db"],
    ["a${HOST}b${HOST}", "adbbdb"],
    ["${HOST:-x}", "db"],
    ["${EMPTY}", ""],
    ["${EMPTY:-x}", "x"], // as in a shell: unset or empty
    ["${NOPE:-}", ""],
    ["${NOPE:-http://a:1/b-c}", "http://a:1/b-c"],
    ["${NOPE:-$HOST}", "$HOST"], // a default is taken as it is
    ["$$", "$"],
    ["$${HOST}", "${HOST}"],
    ["$$${HOST}", "$db"],
    ["$HOST 5$", "$HOST 5$"], // only braces make a reference
    ["${DOLLAR}", "$$ ${HOST}"], // a value is not expanded again
    ["${file:/run/secret}", "pa${HOST}ss"],
    ["${file:/crlf}", "a"],
    ["${file:/two}", "a\n"], // one line end only
  ] as const) {
    it(`makes ${JSON.stringify(expected)} of ${JSON.stringify(text)}`, () => {
      assert.deepEqual(expand(text, sources), { text: expected, reasons: [] });
    });
  }

  for (const [text, reason] of [
    ["${NOPE}", "environment variable NOPE is not set; a default is written ${NOPE:-value}"],
    ["${}", '"${}": expected ${NAME}, ${NAME:-default} or ${file:path}'],
    ["${a b}", '"${a b}": expected ${NAME}, ${NAME:-default} or ${file:path}'],
    ["${HOST:+x}", '"${HOST:+x}": expected ${NAME}, ${NAME:-default} or ${file:path}'],
    ["${HOST", '"${HOST" is not closed by "}"; a dollar is written $$'],
    ["${file:/nope}", 'file "/nope" cannot be read: ENOENT'],
    ["${toString}", "environment variable toString is not set; a default is written ${toString:-value}"],
  ] as const) {
    it(`says why ${text} has no value`, () => {
      const env = Object.assign(Object.create(null) as object, sources.env);
      assert.deepEqual(expand(text, { ...sources, env: env as Record<string, string> }).reasons, [reason]);
    });
  }

  it("tells every reference without a value", () => {
    assert.equal(expand("${A}${B}", { ...sources, env: {} }).reasons.length, 2);
  });
});
