import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { findOldNode } from "../support/old-node.ts";
import { until } from "../support/until.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const LAUNCHER = ["node", "bin/sluice.js", "demo"];
const NPM = ["npm", "start", "--"];
const OLD_NODE = [...findOldNode(), "bin/sluice.js", "demo"];

/** A demo that a user started; it has a process group of its own, as a terminal gives it. */
interface Demo {
  readonly process: ChildProcessWithoutNullStreams;
  /** What it printed, up to and with the line that says how to stop it. */
  readonly banner: readonly string[];
  /** Of everything it started. */
  readonly pids: ReadonlySet<number>;
  /** The next line that matches. */
  line(pattern: RegExp): Promise<string>;
  /** Its exit code, or the signal that ended it, and how long after this call. */
  end(): Promise<{ code: unknown; ms: number }>;
}

// Where the demo puts what it needs; it is to be empty again.
const temporary = mkdtempSync(path.join(tmpdir(), "sluice-demo-"));
const started: ChildProcessWithoutNullStreams[] = [];

function spawnDemo(command: readonly string[], args: readonly string[]): ChildProcessWithoutNullStreams {
  const child = spawn(command[0] ?? "", [...command.slice(1), ...args], {
    cwd: ROOT,
    detached: true,
    env: { ...process.env, npm_config_update_notifier: "false", TMPDIR: temporary },
  });
  started.push(child);
  return child;
}

async function startDemo(command: readonly string[], args: readonly string[]): Promise<Demo> {
  const child = spawnDemo(command, args);
  let errors = "";
  child.stderr.on("data", (chunk) => (errors += chunk));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exited = once(child, "exit");
  const banner: string[] = [];
  const line = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const { value, done } = await lines.next();
      assert.ok(!done, `the demo ended: ${errors}`);
      banner.push(value);
      if (pattern.test(value)) return value;
    }
  };
  await line(/Ctrl-C/);
  return {
    process: child,
    banner: [...banner],
    pids: pidsBelow(child.pid ?? 0),
    line,
    async end() {
      const startMs = performance.now();
      const [code, signal] = await exited;
      return { code: code ?? signal, ms: performance.now() - startMs };
    },
  };
}

interface Process {
  readonly pid: number;
  readonly parent: number;
}

/** All processes that run; a zombie waits for its parent alone. */
function listProcesses(): Process[] {
  if (process.platform !== "linux") {
    const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid=,stat="], { encoding: "utf8" }).trim().split("\n");
    return lines
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , state]) => state?.startsWith("Z") === false)
      .map(([pid, parent]) => ({ pid: Number(pid), parent: Number(parent) }));
  }
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      // proc(5): pid (comm) state ppid …; the name may hold anything.
      const [state, parent] = readFileSync(`/proc/${entry}/stat`, "utf8")
        .replace(/^.*\) /s, "")
        .split(" ");
      return state === "Z" ? [] : [{ pid: Number(entry), parent: Number(parent) }];
    } catch {
      return []; // it ended while we looked
    }
  });
}

/** Of a process and its descendants, whichever group they are in. */
function pidsBelow(pid: number): Set<number> {
  const found = new Set([pid]);
  const all = listProcesses();
  // A child may stand before its parent in the list: passes are made until nothing is new.
  for (let before = 0; before < found.size;) {
    before = found.size;
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid);
  }
  return found;
}

function leftOf(pids: ReadonlySet<number>): number[] {
  return listProcesses()
    .map(({ pid }) => pid)
    .filter((pid) => pids.has(pid));
}

async function runCurl(line: string): Promise<{ stdout: string; code: number; ms: number }> {
  const startMs = performance.now();
  const child = spawn("sh", ["-c", line]);
  const [stdout, , [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return { stdout, code, ms: performance.now() - startMs };
}

async function assertCurlsWork({ banner }: Demo): Promise<void> {
  const curls = banner.filter((line) => line.startsWith("curl "));
  assert.equal(curls.length, 3);
  const [get, post, stream] = await Promise.all(curls.map(runCurl));
  for (const result of [get, post, stream]) {
    assert.equal(result?.code, 0);
    assert.ok(result.ms < 5000, `it took ${result.ms} ms`);
  }
  const [head, body] = get?.stdout.split("\r\n\r\n") ?? [];
  assert.match(head ?? "", /^HTTP\/1.1 200 OK\r\n/);
  assert.match(head ?? "", /^x-instance: bookshop-[123]\r?$/m);
  const dune = JSON.parse(body ?? "");
  assert.deepEqual([dune.title, dune.isbn, dune.publishTime], ["Dune", "9780441172719", "1965-08-01T00:00:00Z"]);
  const [, created = ""] = post?.stdout.split("\r\n\r\n") ?? [];
  assert.match(JSON.parse(created).name, /^shelves\/fiction\/books\/solaris/);
  const events = stream?.stdout.trimEnd().split("\n") ?? [];
  assert.deepEqual(
    events.map((event) => JSON.parse(event).result.sequence),
    ["1", "2", "3", "4", "5"],
  );
}

async function assertEndsWell(demo: Demo): Promise<void> {
  assert.ok(demo.pids.size >= 4, "the gateway and three instances, at least");
  const { code, ms } = await demo.end();
  assert.equal(code, 0);
  assert.ok(ms < 10_000, `it took ${ms} ms`);
  assert.deepEqual(leftOf(demo.pids), []);
  assert.deepEqual(
    readdirSync(temporary).filter((entry) => entry.startsWith("sluice")),
    [],
  );
}

/** For a demo that was killed: nothing tells of the end of another's children. */
async function assertGone(demo: Demo): Promise<void> {
  await until(`the end of ${[...demo.pids].join(", ")}`, () => leftOf(demo.pids).length === 0);
}

after(() => {
  rmSync(temporary, { recursive: true, force: true });
  // What a failed test left behind.
  for (const { pid } of started) {
    try {
      if (pid !== undefined) process.kill(-pid, "SIGKILL");
    } catch {} // it is gone, as it should be
  }
});

for (const [name, switches] of [
  ["npm start", []],
  ["npm start -- --etcd", ["--etcd"]],
] as const) {
  describe(name, { timeout: 60_000 }, () => {
    let demo: Demo;
    before(async () => {
      demo = await startDemo(NPM, ["--port", "0", ...switches]);
    });

    it("prints address, routes, and what to try, one per line", () => {
      const has = (pattern: RegExp): void =>
        assert.ok(
          demo.banner.some((line) => pattern.test(line)),
          `${pattern}`,
        );
      has(/http:\/\/127\.0\.0\.1:\d+$/);
      has(/GET +\/v1\/\{name=shelves\/\*\/books\/\*\} +bookshop\.v1\.Bookshop\/GetBook +bookshop +.*routes\.yaml/);
      has(/GET +\/v1\/shelves +bookshop\.v1\.Bookshop\/ListShelves +bookshop +.*bookshop\.proto/);
      has(/POST +\/v1\/orders +bookshop\.v1\.Orders\/PlaceOrder .*client_stream/);
    });

    it("prints curl lines that work as printed", () => assertCurlsWork(demo));

    it("says it where an instance died, and goes on", async () => {
      const [, pid = ""] = /bookshop-2 \([^)]*pid (\d+)\)/.exec(demo.banner.join("\n")) ?? [];
      process.kill(Number(pid), "SIGKILL");
      await demo.line(/^bookshop-2 ended \(SIGKILL\)/);
      const [get = ""] = demo.banner.filter((line) => line.startsWith("curl "));
      for (let count = 0; count < 6; count++) assert.match((await runCurl(get)).stdout, /^HTTP\/1.1 200 OK\r\n/);
    });

    it("ends everything within 10 s of a SIGTERM to npm, with code 0", async () => {
      demo.process.kill("SIGTERM");
      await assertEndsWell(demo);
    });
  });

  describe(`${name}, Ctrl-C`, { timeout: 60_000 }, () => {
    it("ends everything within 10 s, with code 0", async () => {
      const demo = await startDemo(NPM, ["--port", "0", ...switches]);
      process.kill(-(demo.process.pid ?? 0), "SIGINT");
      await assertEndsWell(demo);
    });
  });
}

describe("bin/sluice.js demo under an old Node", { timeout: 60_000 }, () => {
  for (const [name, end] of [
    ["SIGTERM to the launcher", (pid: number) => process.kill(pid, "SIGTERM")],
    ["Ctrl-C", (pid: number) => process.kill(-pid, "SIGINT")],
  ] as const) {
    it(`ends everything on ${name}`, async () => {
      const demo = await startDemo(OLD_NODE, ["--port", "0"]);
      assert.equal(demo.pids.size, 5, "the launcher, the gateway, three instances");
      end(demo.process.pid ?? 0);
      await assertEndsWell(demo);
    });
  }

  it("takes everything with it when the launcher is killed", async () => {
    const demo = await startDemo(OLD_NODE, ["--port", "0"]);
    demo.process.kill("SIGKILL");
    await assertGone(demo);
  });
});

describe("bin/sluice.js demo", { timeout: 60_000 }, () => {
  it("says in one line what to do about a busy port, and leaves nothing behind", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const child = spawnDemo(LAUNCHER, ["--port", String(port)]);
    const [lines, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    assert.match(errors, new RegExp(`^[^\n]*127\\.0\\.0\\.1:${port} is in use[^\n]*--port[^\n]*\n$`));
    assert.doesNotMatch(lines, /goes on with the others/); // the instances are told to end, and no gateway goes on
    assert.equal(code, 1);
    server.close();
  });

  it("ends within 10 s although somebody watches without end", async () => {
    const demo = await startDemo(LAUNCHER, ["--port", "0"]);
    const [address] = /http:\/\/[\d.:]+/.exec(demo.banner.join("\n")) ?? [];
    const watch = await fetch(`${address}/v1/shelves/fiction/books:watch`);
    assert.equal(watch.status, 200);
    const watching = watch.text().catch(() => "cut off");
    demo.process.kill("SIGTERM");
    await assertEndsWell(demo);
    await watching;
  });

  it("takes everything with it when it is killed", async () => {
    const demo = await startDemo(LAUNCHER, ["--port", "0", "--etcd"]);
    assert.equal(demo.pids.size, 5, "the gateway, three instances, etcd");
    demo.process.kill("SIGKILL");
    await assertGone(demo);
  });
});
