// npm run bench [-- --secs 5 --rounds 3 --only W1,W3 --rate 1000]: the four workloads through a gateway of its own
// process, one row each. The gateway gets the first CPU, upstream and load share the second (Linux, taskset).
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { parseArgs } from "node:util";
import type { LoadResult } from "./load.ts";
import { workloads } from "./workloads.ts";

const HERE = import.meta.dirname;
const { values: flags } = parseArgs({
  options: {
    secs: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: "W1,W2,W3,W4" },
    rate: { type: "string", default: "1000" },
  },
});
const CAN_PIN = os.cpus().length > 1 && spawnSync("taskset", ["-V"]).status === 0;
const TICKS_PER_SECOND = Number(spawnSync("getconf", ["CLK_TCK"], { encoding: "utf8" }).stdout || 100);

function start(
  cpu: number,
  args: readonly string[],
  stdout: "pipe" | "ignore",
  env: NodeJS.ProcessEnv = {},
): ChildProcess {
  const command = [...(CAN_PIN ? ["taskset", "-c", String(cpu)] : []), process.execPath, ...args];
  return spawn(command[0] ?? "", command.slice(1), {
    env: { ...process.env, ...env, NODE_ENV: "production" },
    stdio: ["ignore", stdout, "inherit", "ipc"],
  });
}

async function firstLine(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  if (child.stdout === null) throw new Error("no stdout");
  for await (const line of createInterface(child.stdout)) {
    const found = pattern.exec(line);
    if (found !== null) return found;
  }
  throw new Error("a process ended before it was ready");
}

async function load(port: number, name: string, secs: number, rate?: number): Promise<LoadResult> {
  const args = [
    path.join(HERE, "load.ts"),
    String(port),
    name,
    String(secs),
    ...(rate === undefined ? [] : [String(rate)]),
  ];
  const child = start(1, args, "pipe");
  const [line] = await Promise.all([firstLine(child, /^\{.*\}$/), once(child, "exit")]);
  return JSON.parse(line[0]) as LoadResult;
}

/** User and system time of a process with all its threads, microseconds. */
function cpuUs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1e6;
}

function rssMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] ?? NaN) / 1024;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN;
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  return port;
}

/** Asks until the gateway answers 200; how long that took since it was started. */
async function firstReply(port: number, startedAt: number): Promise<number> {
  while (performance.now() - startedAt < 20_000) {
    const status = await fetch(`http://127.0.0.1:${port}/v1/items/42`).then(
      (reply) => reply.status,
      () => 0,
    );
    if (status === 200) return performance.now() - startedAt;
    await setTimeout(5);
  }
  throw new Error("the gateway did not answer within 20 s");
}

const upstream = start(1, [path.join(HERE, "upstream.ts")], "pipe");
const upstreamPort = (await firstLine(upstream, /^(\d+)$/))[1] ?? "";
const port = await freePort();
const startedAt = performance.now();
const serve = [path.join(HERE, "../bin/sluice.js"), "serve", "--config", path.join(HERE, "routes.yaml")];
// Its access lines go nowhere: written, as everywhere in production, but read by nobody on these two cores.
const gateway = start(0, [...serve, "--port", String(port), "--admin-port", "0"], "ignore", {
  BENCH_UPSTREAM: `127.0.0.1:${upstreamPort}`,
});
const pid = gateway.pid ?? 0;
const onGatewayEnd = (code: number | null): void => {
  console.error(`the gateway ended (${code}); its own words: node bin/sluice.js serve --config bench/routes.yaml`);
  process.exit(1);
};
gateway.once("exit", onGatewayEnd);
const startMs = await firstReply(port, startedAt);

console.log(
  `Node ${process.version}, ${os.cpus()[0]?.model ?? "?"}, ${CAN_PIN ? "pinned" : "not pinned"}; first reply after ${startMs.toFixed(0)} ms\n`,
);
console.log(`| | CPU us/request | req/s | p50 ms | p99 ms | failed | ${flags.rate}/s: CPU us, p50, p99 ms | RSS MB |`);
console.log("|---|---|---|---|---|---|---|---|");
const secs = Number(flags.secs);
for (const { name, what } of (await workloads()).filter((workload) => flags.only.split(",").includes(workload.name))) {
  await load(port, name, Math.min(3, secs));
  const rows: { cpu: number; result: LoadResult }[] = [];
  for (let round = 0; round < Number(flags.rounds); round++) {
    const before = cpuUs(pid);
    const result = await load(port, name, secs);
    rows.push({ cpu: (cpuUs(pid) - before) / result.requests, result });
  }
  let fixed = "";
  if (name === "W1") {
    const before = cpuUs(pid);
    const result = await load(port, name, secs, Number(flags.rate));
    fixed = `${((cpuUs(pid) - before) / result.requests).toFixed(1)}, ${result.p50Ms.toFixed(2)}, ${result.p99Ms.toFixed(2)}`;
  }
  const of = (pick: (row: (typeof rows)[number]) => number): number => median(rows.map(pick));
  console.log(
    `| ${name} ${what} | ${of((row) => row.cpu).toFixed(1)} | ${of((row) => row.result.requests / row.result.seconds).toFixed(0)} ` +
      `| ${of((row) => row.result.p50Ms).toFixed(2)} | ${of((row) => row.result.p99Ms).toFixed(2)} ` +
      `| ${rows.reduce((sum, row) => sum + row.result.failed, 0)} | ${fixed} | ${rssMb(pid).toFixed(0)} |`,
  );
}
gateway.off("exit", onGatewayEnd);
gateway.kill("SIGTERM");
await once(gateway, "exit");
upstream.disconnect();
