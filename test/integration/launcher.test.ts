import assert from "node:assert/strict";
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { after, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { findOldNode } from "../support/old-node.ts";

const BIN = fileURLToPath(new URL("../../bin", import.meta.url));

// Stands where src/main.ts stands, tells what it sees, and ends when told.
const MAIN = `
  import { createInterface } from "node:readline";
  const say = (what: object): void => void process.stdout.write(JSON.stringify(what) + "\\n");
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => say({ signal }));
  say({ file: import.meta.filename, major: parseInt(process.versions.node), pid: process.pid, args: process.argv.slice(2) });
  // The stream ends with the launcher, and this must not end for that.
  setInterval(() => {}, 60_000);
  for await (const line of createInterface({ input: process.stdin })) {
    if (line.startsWith("exit ")) process.exit(Number(line.slice(5)));
    if (line.startsWith("die ")) process.kill(process.pid, line.slice(4));
    say({ line });
  }
`;

interface Options {
  /** Below the temporary folder; the package's own folder. */
  readonly at?: string;
  /** Keyed by path in the package. */
  readonly files?: Readonly<Record<string, string>>;
  /** What `node_modules/node/bin/node` is: a working Node, nothing (npm ci --ignore-scripts), or a broken file. */
  readonly bundled?: "working" | "missing" | "broken";
}

const trash = mkdtempSync(path.join(tmpdir(), "sluice-launcher-"));
let count = 0;
after(() => rmSync(trash, { recursive: true, force: true }));

/** A package with our bin/ and little else. */
function makePackage({ at = "", files = { "src/main.ts": MAIN }, bundled = "working" }: Options = {}): string {
  const root = path.join(trash, String(count++), at);
  cpSync(BIN, path.join(root, "bin"), { recursive: true });
  for (const [name, content] of Object.entries({
    "package.json": `{ "type": "module", "scripts": { "start": "exec node bin/sluice.js demo" } }`,
    "package-lock.json": "{}",
    "node_modules/node/package.json": `{ "name": "node", "version": "26.0.0" }`,
    ...files,
  })) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), content);
  }
  const binary = path.join(root, "node_modules/node/bin/node");
  mkdirSync(path.dirname(binary));
  if (bundled === "working") symlinkSync(process.execPath, binary);
  if (bundled === "broken") writeFileSync(binary, "not a program", { mode: 0o755 });
  return root;
}

const RIGHT_NODE: readonly string[] = [process.execPath];
const OLD_NODE = findOldNode();

interface Launched {
  readonly process: ChildProcessWithoutNullStreams;
  /** The next thing that MAIN said. */
  next(): Promise<Record<string, unknown>>;
  /** All that was said after it, up to the end of the last process that holds the stream. */
  rest(): Promise<unknown[]>;
  readonly end: Promise<unknown[]>;
}

function launch(node: readonly string[], file: string, args: readonly string[] = []): Launched {
  const child = spawn(node[0] ?? "", [...node.slice(1), file, ...args], { cwd: "/", env: cleanEnv() });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    process: child,
    end: once(child, "exit"),
    async next() {
      const { value, done } = await lines.next();
      assert.ok(!done, "the output ended early");
      return JSON.parse(value);
    },
    async rest() {
      const found = [];
      for (let line = await lines.next(); !line.done; line = await lines.next()) found.push(JSON.parse(line.value));
      return found;
    },
  };
}

async function runToEnd(
  node: readonly string[],
  file: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
) {
  const child = spawn(node[0] ?? "", [...node.slice(1), file, ...args], { cwd: "/", env: { ...cleanEnv(), ...env } });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { stdout, stderr, code };
}

/** Without the mark by which node --test knows that it runs within itself, and then runs nothing; and with defaults. */
function cleanEnv(): NodeJS.ProcessEnv {
  const { NODE_TEST_CONTEXT: _, SLUICE_TEST_TRANSPORT: __, ...env } = process.env;
  return env;
}

for (const [name, node] of [
  ["the right Node", RIGHT_NODE],
  ["an old Node", OLD_NODE],
] as const) {
  describe(`bin/sluice.js under ${name}`, { timeout: 20_000 }, () => {
    it("runs src/main.ts of a checkout, with arguments, stdin, stdout and exit code", async () => {
      const root = makePackage();
      const launched = launch(node, path.join(root, "bin/sluice.js"), ["serve", "--port", "0", "a b"]);
      const { pid, ...said } = await launched.next();
      assert.deepEqual(said, {
        file: path.join(root, "src/main.ts"),
        major: Number.parseInt(process.versions.node),
        args: ["serve", "--port", "0", "a b"],
      });
      assert.equal(pid === launched.process.pid, node === RIGHT_NODE, "re-runs itself only where it must");
      launched.process.stdin.write("hello\nexit 7\n");
      assert.deepEqual(await launched.next(), { line: "hello" });
      assert.deepEqual(await launched.end, [7, null]);
    });

    it("runs dist/main.js of an installed package", async () => {
      const root = makePackage({
        at: "node_modules/sluice",
        files: { "src/main.ts": "throw new Error()", "dist/main.js": "console.log('built')" },
      });
      assert.deepEqual(await runToEnd(node, path.join(root, "bin/sluice.js")), {
        stdout: "built\n",
        stderr: "",
        code: 0,
      });
    });

    it("hands each signal on once", async () => {
      const launched = launch(node, path.join(makePackage(), "bin/sluice.js"));
      await launched.next();
      for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
        launched.process.kill(signal);
        assert.deepEqual(await launched.next(), { signal });
      }
      launched.process.stdin.write("exit 0\n");
      assert.deepEqual(await launched.rest(), []);
      assert.deepEqual(await launched.end, [0, null]);
    });

    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      it(`ends well on a ${signal} that comes while a server is loaded, and dies of it where it is none`, async () => {
        const loading = `
          console.log(JSON.stringify({ pid: process.pid }));
          await new Promise((resolve) => setTimeout(resolve, 60_000));
        `;
        const file = path.join(makePackage({ files: { "src/main.ts": loading } }), "bin/sluice.js");
        for (const [command, end] of [
          ["serve", [0, null]],
          ["demo", [0, null]],
          ["check", [null, signal]],
        ] as const) {
          const launched = launch(node, file, [command]);
          await launched.next();
          launched.process.kill(signal);
          assert.deepEqual(await launched.end, end, command);
          assert.deepEqual(await launched.rest(), []); // nobody holds the stream any more
        }
      });
    }

    it("dies of what its child died of", async () => {
      const launched = launch(node, path.join(makePackage(), "bin/sluice.js"));
      await launched.next();
      launched.process.stdin.write("die SIGKILL\n");
      assert.deepEqual(await launched.end, [null, "SIGKILL"]);
    });
  });
}

describe("bin/sluice.js under an old Node", { timeout: 20_000 }, () => {
  it("ends well where its child had not even begun when the signal came", async () => {
    const root = makePackage();
    // Told what it is to run, but not yet running it: a Node that dies of the signal as any program does.
    const binary = path.join(root, "node_modules/node/bin/node");
    rmSync(binary);
    writeFileSync(binary, "#!/bin/sh\n[ $1 = --version ] && echo v26.0.0 && exit\necho {}\nexec sleep 60\n", {
      mode: 0o755,
    });
    for (const [command, end] of [
      ["demo", [0, null]],
      ["check", [null, "SIGTERM"]],
    ] as const) {
      const launched = launch(OLD_NODE, path.join(root, "bin/sluice.js"), [command]);
      await launched.next();
      launched.process.kill("SIGTERM");
      assert.deepEqual(await launched.end, end, command);
    }
  });

  it("takes its child along when it is killed", async () => {
    const launched = launch(OLD_NODE, path.join(makePackage(), "bin/sluice.js"));
    const { pid } = await launched.next();
    launched.process.kill("SIGKILL");
    await launched.end;
    assert.deepEqual(await launched.next(), { signal: "SIGTERM" });
    // This child listens to SIGTERM, so it is for the test to end it.
    process.kill(pid as number, "SIGKILL");
    await launched.rest();
  });

  it("ends with one line where npm ci ran without scripts", async () => {
    const { stdout, stderr, code } = await runToEnd(
      OLD_NODE,
      path.join(makePackage({ bundled: "missing" }), "bin/sluice.js"),
    );
    assert.match(
      stderr,
      /^sluice needs Node 24 or newer and this is v\d+\.\d+\.\d+; run "npm ci" without --ignore-scripts .*, or install Node 24 or newer\n$/,
    );
    assert.deepEqual([stdout, code], ["", 1]);
  });

  it("ends with one line where the bundled Node does not run here", async () => {
    const { stderr, code } = await runToEnd(OLD_NODE, path.join(makePackage({ bundled: "broken" }), "bin/sluice.js"));
    assert.match(stderr, /^sluice needs Node 24 or newer[^\n]+\n$/);
    assert.equal(code, 1);
  });

  it("does not speak of npm ci in an installed package", async () => {
    const root = makePackage({ at: "node_modules/sluice", bundled: "missing", files: { "dist/main.js": "" } });
    rmSync(path.join(root, "package-lock.json"));
    const { stderr, code } = await runToEnd(OLD_NODE, path.join(root, "bin/sluice.js"));
    assert.match(stderr, /^sluice needs Node 24 or newer and this is v[\d.]+; install Node 24 or newer\n$/);
    assert.equal(code, 1);
  });
});

describe("bin/run.js", { timeout: 20_000 }, () => {
  it("runs a TypeScript file as the main program", async () => {
    const root = makePackage({ files: { "x.ts": "console.log(import.meta.main, process.argv[2] satisfies unknown)" } });
    const result = await runToEnd(OLD_NODE, path.join(root, "bin/run.js"), [path.join(root, "x.ts"), "--y"]);
    assert.deepEqual(result, { stdout: "true --y\n", stderr: "", code: 0 });
  });
});

describe("bin/test.js", { timeout: 20_000 }, () => {
  const one = `import { it } from "node:test"; import assert from "node:assert";`;
  const passing = `${one} it("looks up etcd first", () => assert.equal(process.env.ETCD_BIN, "/an/etcd"));`;
  const etcd = { "demo/etcd.ts": `export const findEtcd = async (): Promise<string> => "/an/etcd";` };
  const files = { ...etcd, "test/unit/a.test.ts": passing, "test/support/helper.ts": "throw new Error()" };

  async function runTests(node: readonly string[], content: Readonly<Record<string, string>>, ...args: string[]) {
    return runToEnd(node, path.join(makePackage({ files: content }), "bin/test.js"), args);
  }

  it("runs the tests under an old Node, where node --test would run none and end well", async () => {
    const { stdout, stderr, code } = await runTests(OLD_NODE, files);
    assert.match(stdout, /ℹ tests 1\n.*ℹ pass 1\n/s);
    assert.deepEqual([stderr, code], ["", 0]);
  });

  it("fails where the glob matches nothing", async () => {
    const { stdout, stderr, code } = await runTests(RIGHT_NODE, etcd);
    assert.match(stdout, /ℹ tests 0\n/);
    assert.deepEqual([stderr, code], ["no test ran\n", 1]);
  });

  for (const [what, content] of [
    ["no file holds a test", "export {};"],
    ["every test is skipped", `${one} it.skip("a", () => {});`],
  ] as const) {
    it(`fails where ${what}`, async () => {
      const { stderr, code } = await runTests(RIGHT_NODE, { ...etcd, "test/a.test.ts": content });
      assert.deepEqual([stderr, code], ["no test ran\n", 1]);
    });
  }

  it("fails where no test has the name asked for", async () => {
    const { stderr, code } = await runTests(RIGHT_NODE, files, "--test-name-pattern=nothing");
    assert.deepEqual([stderr, code], ["no test ran\n", 1]);
  });

  it("fails where a test fails", async () => {
    const { stderr, code } = await runTests(RIGHT_NODE, {
      ...files,
      "test/b.test.ts": `${one} it("b", () => assert.fail());`,
    });
    assert.deepEqual([stderr, code], ["", 1]);
  });

  describe("with tests that start a gateway", () => {
    const started = (failsOver?: string): Readonly<Record<string, string>> => ({
      ...files,
      "test/integration/a.test.ts": `${one}
        const startTestGateway = () => process.env.SLUICE_TEST_TRANSPORT ?? "the default";
        it("over " + startTestGateway(), () => assert.notEqual(startTestGateway(), "${failsOver}"));`,
      "test/integration/b.test.ts": `${one} it("over none", () => {});`,
    });
    const BOTH = ["the default", "none", "grpc-js"];
    const ran = (stdout: string) => [...stdout.matchAll(/^[✔✖] over ([\w -]+) \(/gm)].map(([, name]) => name);

    for (const [name, node] of [
      ["the right Node", RIGHT_NODE],
      ["an old Node", OLD_NODE],
    ] as const) {
      it(`runs these again over grpc-js under ${name}`, async () => {
        const { stdout, stderr, code } = await runTests(node, started());
        assert.deepEqual([ran(stdout), stderr, code], [BOTH, "", 0]);
      });
    }

    it("fails where one of the two runs fails, and has them both", async () => {
      for (const failing of ["the default", "grpc-js"]) {
        const { stdout, code } = await runTests(RIGHT_NODE, started(failing), "test/integration");
        assert.deepEqual([new Set(ran(stdout)), code], [new Set(BOTH), 1], failing);
      }
    });

    it("takes a name that is in no such test", async () => {
      const { stdout, stderr, code } = await runTests(RIGHT_NODE, started(), "--test-name-pattern=etcd");
      assert.deepEqual([ran(stdout), stderr, code], [[], "", 0]);
    });

    it("runs them once over the one that SLUICE_TEST_TRANSPORT names", async () => {
      const root = makePackage({ files: started() });
      const { stdout, code } = await runToEnd(RIGHT_NODE, path.join(root, "bin/test.js"), [], {
        SLUICE_TEST_TRANSPORT: "grpc-js",
      });
      assert.deepEqual([ran(stdout), code], [["grpc-js", "none"], 0]);
    });
  });

  it("runs one folder or one file where it is named", async () => {
    const content = { ...files, "test/etcd/b.test.ts": `${one} it("b", () => assert.fail());` };
    for (const named of ["test/unit", "test/unit/a.test.ts"]) {
      const { stdout, code } = await runTests(RIGHT_NODE, content, named);
      assert.match(stdout, /ℹ tests 1\n/);
      assert.equal(code, 0);
    }
  });
});
