import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, it, type TestContext } from "node:test";
import { createModuleResolver } from "../../../src/discovery/module/resolver.ts";
import type { Resolver } from "../../../src/upstream/resolver.ts";
import { Told } from "../../support/etcd.ts";
import { HandClock } from "../../support/hand-clock.ts";

const documented = readFileSync(new URL("../../../docs/extending.md", import.meta.url), "utf8");

/** The first block of a language in docs/extending.md. */
function block(language: string): string {
  return new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\``, "m").exec(documented)?.[1] ?? assert.fail(`no ${language}`);
}

async function folderOf(t: TestContext): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "sluice-module-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

async function follow(
  t: TestContext,
  text: string,
  options: Readonly<Record<string, unknown>> = {},
): Promise<{ told: Told; clock: HandClock; resolver: Resolver }> {
  const file = path.join(await folderOf(t), "x.mjs");
  await writeFile(file, text);
  const told = new Told();
  const clock = new HandClock();
  const target = { kind: "module", file, hash: "1", options } as const;
  const resolver = createModuleResolver({
    target,
    upstream: "library",
    clock,
    onEvent: (event) => told.onEvent(event),
  });
  t.after(() => {
    resolver.close();
    clock.advance(1000);
  });
  resolver.start(told);
  return { told, clock, resolver };
}

/** A module whose resolver is this. */
const module = (body: string): string => `export default ({ upstream, options }) => (${body});`;

describe("createModuleResolver()", () => {
  it("runs the example of docs/extending.md", async (t) => {
    const file = path.join(await folderOf(t), "instances.json");
    const write = async (text: string): Promise<void> => {
      await writeFile(`${file}.new`, text);
      await rename(`${file}.new`, file);
    };
    await write(block("json"));
    const { told, resolver } = await follow(t, block("js"), { file });
    await told.until(({ lists }) => lists.length === 1);
    assert.deepEqual(told.lists[0], [
      { address: "10.0.0.5:50051", weight: 1, zone: "", connections: 1 },
      { address: "10.0.0.6:50051", weight: 2, zone: "eu-1a", connections: 2 },
    ]);
    await write("[");
    await told.until(({ troubles }) => troubles.length === 1);
    assert.match(told.troubles[0] ?? "", /^library: .*JSON/);
    await write('["10.0.0.7:1"]');
    resolver.refresh?.();
    await told.untilAddresses("10.0.0.7:1");
    await told.until(({ recoveries }) => recoveries === 1);
  });

  it("leaves out what is no endpoint, and takes no list that is none", async (t) => {
    const list = `["10.0.0.1:1", "10.0.0.1", 7, null, { address: "a:1", weight: -1 }, { address: "b:1", zone: {} },
      { address: "c:1", connections: 1e9 }, { address: "e:1", weight: { toString: 1, valueOf: 1 } }, { address: "D:1", weight: 1e9 }]`;
    const { told } = await follow(t, module(`{ start(l) { l.onEndpoints({}); l.onEndpoints(${list}); } }`));
    await told.until(({ lists }) => lists.length === 1);
    assert.deepEqual(
      told.lists[0]?.map(({ address, weight }) => `${address}*${weight}`),
      ["10.0.0.1:1*1", "d:1*1000"],
    );
    const reasons = told.eventsOf("bad_value").map(({ reason }) => reason);
    assert.deepEqual(reasons, [
      "the list of endpoints is no array",
      '"10.0.0.1" is no address: the port is missing; expected host:port',
      'the address is "7"; expected host:port',
      'the address is "null"; expected host:port',
      'a:1: the weight is "-1"; expected a number from 0 up',
      "b:1: the zone is an object; expected at most 64 characters",
      'c:1: "1000000000" connections; expected a whole number from 1 to 1000',
      "e:1: the weight is an object; expected a number from 0 up",
    ]);
  });

  for (const [what, text, reason] of [
    ["no function", "export default 7;", /x\.mjs: Error: its default export is no function/],
    ["no resolver", module("{}"), /its function gives nothing that has start\(\)/],
    ["a slip", "export default (", /x\.mjs: SyntaxError: Unexpected/],
    ["a throw", module('{\nstart() { throw new RangeError("at once"); } }'), /RangeError: at once \(line 2\)/],
    [
      "a late throw",
      module('{ start() { setTimeout(() => { throw new Error("late"); }, 1); } }'),
      /Error: late \(line 1\)/,
    ],
    ["a rejection", module('{ async start() { await null; throw new Error("no"); } }'), /Error: no \(line 1\)/],
    ["an object that is thrown", module("{ start() { throw { toString: 1, valueOf: 1 }; } }"), /an object$/],
    ["an error that is told", module('{ start(l) { l.onTrouble(new RangeError("no")); } }'), /^RangeError: no$/],
    ["an object that is told", module("{ start(l) { l.onTrouble({ toString: 1, valueOf: 1 }); } }"), /^an object$/],
    ["an exit", module("{ start() { process.exit(1); } }"), /its thread ended/],
    ["what cannot be told", module("{ start(l) { l.onEndpoints([() => 1]); } }"), /could not be cloned/],
  ] as const) {
    it(`says what is wrong with ${what}, and tries again`, async (t) => {
      const { told, clock } = await follow(t, text);
      await told.until(({ troubles }) => troubles.length === 1);
      assert.match(told.troubles[0] ?? "", reason);
      assert.doesNotMatch(told.troubles[0] ?? "", /\n/);
      clock.advance(1000);
      assert.equal(told.lists.length, 0);
    });
  }

  it("keeps the last list of a thread that ended, and starts another one", async (t) => {
    const { told, clock, resolver } = await follow(
      t,
      module('{ start(l) { l.onEndpoints(["10.0.0.1:1"]); }, refresh() { throw new Error("out of luck"); } }'),
    );
    await told.untilAddresses("10.0.0.1:1");
    for (const n of [1, 2]) {
      resolver.refresh?.();
      await told.until(({ troubles }) => troubles.length === n);
      clock.advance(2000);
      await told.until(({ recoveries }) => recoveries === n);
    }
    assert.equal(told.lists.length, 1);
  });

  it("is not held up by a module that never returns", async (t) => {
    const { told, resolver, clock } = await follow(
      t,
      module('{ start(l) { l.onEndpoints(["10.0.0.1:1"]); for (;;); } }'),
    );
    await told.untilAddresses("10.0.0.1:1");
    resolver.close();
    clock.advance(1000);
  });
});
