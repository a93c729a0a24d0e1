import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readYaml } from "../../../src/config/yaml.ts";
import { formatProblem } from "../../../src/core/problem.ts";

const read = (text: string) =>
  readYaml(text, "r.yaml", (value) => ({ text: value.replaceAll("$X", "x"), reasons: [] }));
const problemsOf = (text: string) => read(text).problems.map(formatProblem);
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

describe("readYaml()", () => {
  it("gives plain values and where each of them stands", () => {
    const { value, spots } = read('a:\n  - b: 1\n    "c d": [x, "y"]\n');
    assert.deepEqual(plain(value), { a: [{ b: 1, "c d": ["x", "y"] }] });
    assert.deepEqual(spots.get("a[0].b"), {
      key: { line: 2, column: 5 },
      value: { line: 2, column: 8 },
      shown: "1",
    });
    assert.deepEqual(spots.get('a[0]["c d"][1]'), {
      key: { line: 3, column: 16 },
      value: { line: 3, column: 16 },
      shown: '"y"',
    });
    assert.deepEqual(spots.get("a")?.value, { line: 1, column: 1 }, "of a list: its key");
  });

  it("expands values, never keys", () => {
    assert.deepEqual(plain(read("$X: $X").value), { $X: "x" });
  });

  it("expands no number, boolean or null", () => {
    assert.deepEqual(plain(read("[1, true, null, 1.5]").value), [1, true, null, 1.5]);
  });

  it("follows aliases", () => {
    assert.deepEqual(plain(read("a: &a { b: 1 }\nc: *a\n").value), { a: { b: 1 }, c: { b: 1 } });
  });

  it("merges maps behind <<: own keys first, then earlier maps, then what these merge", () => {
    const text = `a: &a { x: 1, y: 1 }
b: &b { <<: *a, y: 2, z: 2 }
c: { <<: *b, z: 3 }
d: { y: 4, <<: [*a, *b, { w: 4 }] }
e: { "<<": 5 }
`;
    const { value, spots, problems } = read(text);
    assert.deepEqual(problems, []);
    const a = { x: 1, y: 1 };
    assert.deepEqual(plain(value), {
      a,
      b: { x: 1, y: 2, z: 2 },
      c: { x: 1, y: 2, z: 3 },
      d: { x: 1, y: 4, z: 2, w: 4 },
      e: { "<<": 5 },
    });
    assert.deepEqual(spots.get("c.y")?.key, { line: 2, column: 17 }, "where it is written");
  });

  it("makes maps that inherit nothing", () => {
    const value = read("a: 1").value as object;
    assert.equal(Object.getPrototypeOf(value), null);
  });

  for (const [text, expected] of [
    [
      "a: 1\nb:\n  a: 2\n  a: 3\na: 4",
      [
        'r.yaml:4:3: duplicate key "a"; the first stands in line 3',
        'r.yaml:5:1: duplicate key "a"; the first stands in line 1',
      ],
    ],
    ["__proto__: 1", ['r.yaml:1:1: key "__proto__" is not allowed']],
    ["a: &a [*a]", ["r.yaml:1:8: alias *a contains itself"]],
    ["a: { <<: 1 }", ["r.yaml:1:6: << takes a map, or a list of maps, not 1"]],
    ["a: { <<: *b }", ["r.yaml:1:10: alias *b has no anchor &b before it"]],
    ["a: &a { b: 1, <<: *a }", ["r.yaml:1:19: alias *a contains itself"]],
    ["a: *b", ["r.yaml:1:4: alias *b has no anchor &b before it"]],
    ["a: !secret b", ["r.yaml:1:4: not valid YAML: unresolved tag: !secret"]],
    ["a: 1\n---\nb: 2", ["r.yaml:2:1: not valid YAML: source contains multiple documents"]],
    [
      "{ a: ${A}, b: 1 }",
      ["r.yaml:1:7: not valid YAML: unexpected flow-map-start at node end; within { } or [ ], quote what holds ${…}"],
    ],
    [
      "a: [1\nb: 2",
      ["r.yaml:2:1: not valid YAML: flow sequence in block collection must be sufficiently indented and end with a ]"],
    ],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => assert.deepEqual(problemsOf(text), expected));
  }

  it("refuses aliases that multiply, in no time", () => {
    const bomb = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let n = 1; n < 12; n++)
      bomb.push(
        `a${n}: &a${n} [${Array(10)
          .fill(`*a${n - 1}`)
          .join(", ")}]`,
      );
    const problems = problemsOf(bomb.join("\n"));
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? "", /aliases make more than 10000 values of this file$/);
  });

  it("refuses endless depth instead of overflowing the stack", () => {
    for (const depth of [100, 5000]) {
      const problems = problemsOf("[".repeat(depth) + "]".repeat(depth));
      assert.ok(problems.length > 0 && problems.length < 10, `${problems.length} problems`);
    }
  });
});
