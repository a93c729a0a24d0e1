import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { createProgram, runProgram, type Commands } from "../../../src/cli/program.ts";
import { versionText } from "../../../src/cli/version.ts";

/** Runs a command line: what was called with what, what was written, and the exit status of a refusal. */
async function run(...args: string[]) {
  const calls: unknown[][] = [];
  let output = "";
  const record =
    (name: string) =>
    (...flags: unknown[]): Promise<void> => {
      calls.push([name, ...flags]);
      return Promise.resolve();
    };
  const commands: Commands = {
    serve: record("serve"),
    worker: record("worker"),
    check: record("check"),
    routes: record("routes"),
    demo: record("demo"),
    register: record("register"),
    version: record("version"),
  };
  const program = createProgram(commands);
  const write = (text: string): void => void (output += text);
  for (const command of [program, ...program.commands]) command.configureOutput({ writeOut: write, writeErr: write });
  return { status: await runProgram(program, args), calls, output };
}

describe("the command line", () => {
  for (const [line, ...call] of [
    ["serve", "serve", { config: "routes.yaml" }],
    [
      "serve --config x.yaml --host :: --port 0 --admin-host h --admin-port 65535",
      "serve",
      { config: "x.yaml", host: "::", port: 0, adminHost: "h", adminPort: 65535 },
    ],
    ["serve --workers 4", "serve", { config: "routes.yaml", workers: 4 }],
    ["serve --workers auto", "serve", { config: "routes.yaml", workers: "auto" }],
    ["check -c x.yaml", "check", { config: "x.yaml" }],
    ["routes", "routes", { config: "routes.yaml", json: false }],
    ["routes --json", "routes", { config: "routes.yaml", json: true }],
    ["demo", "demo", { etcd: false, port: 8080 }],
    ["demo --etcd --port 8081", "demo", { etcd: true, port: 8081 }],
    [
      "register --service a --service b --port 1 --address h:2 --etcd h1:1,h2:2 --ttl 5s --metadata k=v=w --drain 500ms -- x -y",
      "register",
      {
        services: ["a", "b"],
        addresses: ["h:2", ":1"],
        interface: undefined,
        etcd: ["h1:1", "h2:2"],
        etcdUser: undefined,
        etcdPasswordFile: undefined,
        etcdTls: { ca: undefined, cert: undefined, key: undefined },
        format: "endpoints",
        prefix: undefined,
        ttlSeconds: 5,
        metadata: { k: "v=w" },
        health: "listening",
        healthService: "",
        healthAddress: undefined,
        drainMs: 500,
        command: ["x", "-y"],
      },
    ],
    ["version", "version"],
  ] as const) {
    it(`runs: ${line}`, async () => {
      assert.deepEqual(await run(...line.split(" ")), { status: undefined, calls: [call], output: "" });
    });
  }

  for (const [line, message] of [
    ["serv", /unknown command 'serv'\n\(Did you mean serve\?\)/],
    ["serve --prot 1", /unknown option '--prot'\n\(Did you mean --port\?\)/],
    ["serve --port 65536", /argument '65536' is invalid\. Expected a whole number from 0 to 65535\./],
    ["serve --port 1e3", /argument '1e3' is invalid/],
    ["serve --admin-port -1", /argument '-1' is invalid|argument missing/],
    ["register --port 1", /required option '--service <name>' not specified/],
    ["register --service a --port 1 --ttl 1500ms", /Expected whole seconds, such as 10s\./],
    ["register --service a --port 1 --metadata x", /Expected key=value\./],
    ["register --service a --port 1 -x", /unknown option '-x'/],
    ["check x.yaml", /too many arguments/],
  ] as const) {
    it(`refuses: ${line}`, async () => {
      const { status, calls, output } = await run(...line.split(" "));
      assert.deepEqual({ status, calls }, { status: 1, calls: [] });
      assert.match(output, message);
    });
  }

  it("helps with examples, for every command that takes flags", async () => {
    for (const args of [
      ["--help"],
      ["serve", "--help"],
      ["check", "--help"],
      ["routes", "--help"],
      ["demo", "--help"],
      ["register", "--help"],
    ]) {
      const { status, output } = await run(...args);
      assert.equal(status, 0);
      assert.match(output, /Examples:\n {2}\$ sluice /, args.join(" "));
    }
  });

  it("says where the values of serve come from", async () => {
    const { output } = await run("serve", "--help");
    for (const name of ["SLUICE_HOST", "SLUICE_PORT", "SLUICE_ADMIN_HOST", "SLUICE_ADMIN_PORT"])
      assert.ok(output.includes(name));
  });

  it("passes on what a command throws", async () => {
    const broken = new Error("port taken");
    const program = createProgram({ serve: () => Promise.reject(broken) } as unknown as Commands);
    await assert.rejects(runProgram(program, ["serve"]), broken);
  });

  it("knows its version", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    assert.equal(versionText(), `sluice ${version} (Node ${process.version})`);
    assert.equal((await run("--version")).output, `${versionText()}\n`);
  });
});
