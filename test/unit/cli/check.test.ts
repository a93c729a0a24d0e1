import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runCheck, runRoutes, type CheckDeps } from "../../../src/cli/check.ts";
import type { RouteRow } from "../../../src/cli/routes-table.ts";
import { problemsError, type Problem } from "../../../src/core/problem.ts";

const row: RouteRow = { method: "GET", path: "/x", rpc: "a.B/C", upstream: "u", source: "r.yaml:1:1", served: "unary" };
const problem = (severity: Problem["severity"]): Problem => ({
  file: "r.yaml",
  line: 2,
  column: 3,
  message: "odd",
  severity,
});
const loads = (rows: readonly RouteRow[], problems: readonly Problem[] = []): CheckDeps => ({
  load: (file) => {
    assert.equal(file, "r.yaml");
    return Promise.resolve({ rows, upstreamCount: 2, problems });
  },
});
const refuses: CheckDeps = {
  load: () => Promise.reject(problemsError("r.yaml", [problem("error"), problem("warning")])),
};

describe("runCheck()", () => {
  it("counts what is there", async () => {
    assert.deepEqual(await runCheck("r.yaml", loads([row])), { exitCode: 0, lines: ["ok: 1 route, 2 upstreams"] });
  });

  it("shows warnings, and passes", async () => {
    const lines = ["r.yaml:2:3: warning: odd", "ok: 0 routes, 2 upstreams"];
    assert.deepEqual(await runCheck("r.yaml", loads([], [problem("warning")])), { exitCode: 0, lines });
  });

  it("shows every problem, one a line, and fails", async () => {
    const lines = ["r.yaml:2:3: odd", "r.yaml:2:3: warning: odd"];
    assert.deepEqual(await runCheck("r.yaml", refuses), { exitCode: 1, lines });
    assert.deepEqual(await runCheck("r.yaml", loads([], [problem("error")])), {
      exitCode: 1,
      lines: lines.slice(0, 1),
    });
  });

  it("passes on what is no problem of the file", async () => {
    const broken = new TypeError("a defect of ours");
    await assert.rejects(runCheck("r.yaml", { load: () => Promise.reject(broken) }), broken);
  });
});

describe("runRoutes()", () => {
  it("shows the table", async () => {
    const { exitCode, lines } = await runRoutes("r.yaml", loads([row]), { json: false });
    assert.equal(exitCode, 0);
    assert.match(lines.join("\n"), /^METHOD .*\nGET +\/x +a\.B\/C +u +r\.yaml:1:1 +unary$/);
  });

  it("gives the rows as JSON", async () => {
    const { lines } = await runRoutes("r.yaml", loads([row]), { json: true });
    assert.deepEqual(JSON.parse(lines.join("\n")), [row]);
  });

  it("shows problems instead where there are errors", async () => {
    const { exitCode, lines } = await runRoutes("r.yaml", refuses, { json: true });
    assert.deepEqual([exitCode, lines[0]], [1, "r.yaml:2:3: odd"]);
  });
});
