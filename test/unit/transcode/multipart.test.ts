import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError } from "../../../src/core/errors.ts";
import { MultipartParser } from "../../../src/transcode/multipart.ts";
import { freshSeed, seededRandom } from "../../support/seeded-random.ts";

const TYPE = "multipart/form-data; boundary=ab";

interface Part {
  readonly name: string;
  readonly filename?: string | undefined;
  readonly data: string;
}

/** Reads a body that is cut at these places; data is latin1. */
function read(body: Buffer, cuts: readonly number[]): Part[] {
  const parts: Part[] = [];
  let open: { name: string; filename: string | undefined; data: string } | null = null;
  const parser = new MultipartParser(TYPE, {
    onPart: ({ name, filename }) => (open = { name, filename, data: "" }),
    onPartData(bytes) {
      assert.ok(open !== null, "data ahead of its head");
      open.data += Buffer.from(bytes).toString("latin1");
    },
    onPartEnd() {
      assert.ok(open !== null, "an end ahead of its head");
      parts.push(open);
      open = null;
    },
  });
  let from = 0;
  for (const cut of [...cuts, body.length]) {
    parser.push(body.subarray(from, cut));
    from = cut;
  }
  parser.end();
  return parts;
}

const seed = freshSeed();
const random = seededRandom(seed);
const below = (end: number): number => Math.floor(random() * end);

// Much that looks like a boundary, or like the end of headers.
const BITS = [
  "\r\n",
  "--",
  "--ab",
  "\r\n--a",
  "\r\n--ab",
  "a",
  "\r",
  "\n",
  "-",
  "x".repeat(300),
  "\0",
  "\xff",
  ": ",
  "",
];

function randomData(): string {
  const text = Array.from({ length: below(8) }, () => BITS[below(BITS.length)]).join("");
  // What would be a delimiter cannot be content.
  return text.replaceAll("\r\n--ab", "\r\n--aB").replace(/^--ab/, "--aB");
}

function bodyOf(parts: readonly Part[]): Buffer {
  const text = parts.map(({ name, filename, data }) => {
    const file = filename === undefined ? "" : `; filename="${filename}"`;
    return `--ab\r\nContent-Disposition: form-data; name="${name}"${file}\r\n\r\n${data}\r\n`;
  });
  return Buffer.from(`preamble\r\n${text.join("")}--ab--\r\nepilogue`, "latin1");
}

describe("MultipartParser", () => {
  it("gives the same parts wherever the body is cut", () => {
    for (let round = 0; round < 300; round++) {
      const parts = Array.from({ length: below(5) }, (_, index) => ({
        name: `n${index}`,
        filename: random() < 0.5 ? undefined : `f${index}`,
        data: randomData(),
      }));
      const body = bodyOf(parts);
      const cuts = Array.from({ length: below(12) }, () => below(body.length)).sort((a, b) => a - b);
      assert.deepEqual(read(body, cuts), parts, `SEED=${seed}, round ${round}, cut at ${cuts.join()}`);
      if (round % 30 === 0) assert.deepEqual(read(body, [...body.keys()]), parts, `SEED=${seed}, byte by byte`);
    }
  });

  it("refuses or reads what is damaged, and says why", () => {
    const sound = bodyOf([
      { name: "a", data: "one" },
      { name: "b", filename: "c", data: "two" },
    ]);
    for (let round = 0; round < 3000; round++) {
      const body = Buffer.from(sound);
      for (let i = below(4); i >= 0; i--) body[below(body.length)] = [13, 10, 45, 34, 59, 58, 0, 255][below(8)] ?? 0;
      try {
        read(random() < 0.3 ? body.subarray(0, below(body.length)) : body, [below(body.length / 2)]);
      } catch (error) {
        assert.ok(error instanceof GatewayError, `SEED=${seed}, round ${round}: ${String(error)}`);
        assert.equal(error.http, 400);
      }
    }
  });
});
