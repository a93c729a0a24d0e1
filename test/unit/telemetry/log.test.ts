import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createLog } from "../../../src/telemetry/log.ts";
import { HandClock } from "../../support/hand-clock.ts";

function start(level: Parameters<typeof createLog>[0]["level"]) {
  const lines: Record<string, unknown>[] = [];
  const out = { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) };
  return { log: createLog({ level, out }), lines };
}

describe("createLog()", () => {
  it("writes JSON with the level as a word, the time, and no process id", () => {
    const { log, lines } = start("info");
    log.logger.info({ upstream: "u" }, "endpoint ejected");
    log.logger.debug({}, "not this");
    const [{ time, ...rest } = {}] = lines;
    assert.ok(!Number.isNaN(Date.parse(String(time))));
    assert.deepEqual([lines.length, rest], [1, { level: "info", upstream: "u", msg: "endpoint ejected" }]);
  });

  it("never shows secrets, one level deep either", () => {
    const { log, lines } = start("info");
    log.logger.info(
      { password: "x", auth: { token: "x", user: "u" }, headers: { authorization: "x", cookie: "x" } },
      "m",
    );
    const [line] = lines;
    assert.equal(line?.["password"], "[redacted]");
    assert.deepEqual(line?.["auth"], { token: "[redacted]", user: "u" });
    assert.deepEqual(line?.["headers"], { authorization: "[redacted]", cookie: "[redacted]" });
  });

  it("says whether a level is written, so that nobody builds a line in vain", () => {
    assert.deepEqual([start("info").log.info, start("info").log.error], [true, true]);
    assert.deepEqual([start("warn").log.info, start("warn").log.error], [false, true]);
    assert.deepEqual([start("silent").log.info, start("silent").log.error], [false, false]);
  });

  it("writes lines built by hand in batches: 100 ms later at the latest, or with the next line that is not", () => {
    const clock = new HandClock();
    const written: string[] = [];
    const log = createLog({ level: "info", clock, out: { write: (text) => written.push(text) } });
    log.writeLine("{}");
    log.writeLine("[]");
    clock.advance(99);
    assert.deepEqual(written, []);
    clock.advance(1);
    assert.deepEqual(written, ["{}\n[]\n"]);
    log.writeLine("1");
    log.logger.warn({}, "m");
    assert.equal(written.length, 2);
    assert.match(written[1] ?? "", /^1\n\{.*"m"\}\n$/);
    log.writeLine(`"${"x".repeat(20_000)}"`);
    assert.equal(written.length, 3);
    log.flush();
    clock.advance(1000);
    assert.equal(written.length, 3);
  });

  it("names the worker in every line of one, and never splits what another may write between", () => {
    const clock = new HandClock();
    const written: string[] = [];
    const log = createLog({ level: "info", clock, worker: 2, out: { write: (text) => written.push(text) } });
    log.logger.info({}, "m");
    assert.equal((JSON.parse(written.shift() ?? "") as Record<string, unknown>)["worker"], 2);
    assert.equal(log.tail, ',"worker":2');
    const line = JSON.stringify("x".repeat(500));
    for (let i = 0; i < 20; i++) log.writeLine(line);
    log.logger.info({}, "m");
    assert.ok(written.length > 1);
    for (const text of written) assert.ok(text.length <= 4096 && text.endsWith("\n"), `${text.length}`);
    assert.equal(written.join("").split("\n").length, 22);
  });
});
