import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GatewayError, gatewayError } from "../../../src/core/errors.ts";
import { formatProblem, problemsError, problemsOf, type Problem } from "../../../src/core/problem.ts";

const problem: Problem = {
  file: "routes.yaml",
  line: 7,
  column: 5,
  message: `unknown key "gett"; did you mean "get"?`,
  severity: "error",
};

describe("formatProblem()", () => {
  it("begins with the place, as editors and terminals read it", () => {
    assert.equal(formatProblem(problem), `routes.yaml:7:5: unknown key "gett"; did you mean "get"?`);
  });

  it("names the file alone where there is no line", () => {
    assert.equal(
      formatProblem({ ...problem, line: 0, column: 0, message: "no such file" }),
      "routes.yaml: no such file",
    );
  });

  it("tells a warning from an error", () => {
    assert.equal(
      formatProblem({ ...problem, message: "never reached", severity: "warning" }),
      "routes.yaml:7:5: warning: never reached",
    );
  });
});

describe("problemsError()", () => {
  it("counts errors and keeps warnings in the list", () => {
    const problems: Problem[] = [problem, { ...problem, severity: "warning" }, { ...problem, line: 9 }];
    const error = problemsError("routes.yaml", problems);
    assert.ok(error instanceof GatewayError);
    assert.equal(error.code, "CONFIG_INVALID");
    assert.equal(error.message, "routes.yaml: 2 problems");
    assert.equal(problemsOf(error), problems);
  });
});

describe("problemsOf()", () => {
  it("is undefined for anything else", () => {
    const other = gatewayError("INTERNAL", {}, { cause: [problem] });
    for (const value of [
      undefined,
      null,
      "text",
      new Error("x"),
      other,
      gatewayError("CONFIG_INVALID", { file: "a", problems: 1 }),
    ])
      assert.equal(problemsOf(value), undefined);
  });
});
