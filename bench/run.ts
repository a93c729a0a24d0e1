// The workloads through a gateway of its own process, one row each; see bench/README.md.
//
//   npm run bench [-- --only W1,W3 --secs 5 --rounds 3 --rate 1000]
//   npm run bench -- --peers envoy,grpc-gateway      the same for these, and the ratio to the better one
//   npm run bench -- --only shapes --peers envoy     messages of one kind of field each
//   npm run bench -- --profile W1                    where the CPU time of one workload goes
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import { CAN_PIN, firstLine, freePort, Gateway, start, startSluice } from "./gateways.ts";
import type { LoadResult } from "./load.ts";
import { envoy } from "./peers/envoy.ts";
import { grpcGateway } from "./peers/grpc-gateway.ts";
import type { Peer } from "./peers/peer.ts";
import { summary } from "./profile.ts";
import { workloads, type Workload } from "./workloads.ts";

const HERE = import.meta.dirname;
const PEERS: Readonly<Record<string, Peer>> = { envoy, "grpc-gateway": grpcGateway };

const { values: flags } = parseArgs({
  options: {
    secs: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    only: { type: "string", default: "W1,W2,W3,W4" },
    rate: { type: "string", default: "1000" },
    peers: { type: "string", default: "" },
    profile: { type: "string" },
  },
});
const secs = Number(flags.secs);

async function load({ port }: Gateway, { name }: Workload, seconds: number, rate?: number): Promise<LoadResult> {
  const args = [String(port), name, String(seconds), ...(rate === undefined ? [] : [String(rate)])];
  const child = start(1, [process.execPath, path.join(HERE, "load.ts"), ...args], "pipe");
  const [line] = await Promise.all([firstLine(child, /^\{.*\}$/), once(child, "exit")]);
  return JSON.parse(line[0]) as LoadResult;
}

interface Measured extends LoadResult {
  readonly cpuUs: number;
}

async function measure(gateway: Gateway, workload: Workload, rate?: number): Promise<Measured> {
  const before = gateway.cpuUs();
  const result = await load(gateway, workload, secs, rate);
  return { ...result, cpuUs: (gateway.cpuUs() - before) / result.requests };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? NaN;
}

async function compare(gateways: readonly Gateway[], workload: Workload): Promise<void> {
  const rounds = new Map<Gateway, Measured[]>(gateways.map((gateway) => [gateway, []]));
  for (const gateway of gateways) await load(gateway, workload, Math.min(3, secs));
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [gateway, measured] of rounds) measured.push(await measure(gateway, workload));
  }
  const ours = [...rounds.values()][0] ?? []; // Sluice is the first
  const ratio = median(
    ours.map(({ cpuUs }, i) => cpuUs / Math.min(...[...rounds.values()].slice(1).map((m) => m[i]?.cpuUs ?? NaN))),
  );
  for (const [gateway, measured] of rounds) {
    const fixed = workload.name === "W1" ? await measure(gateway, workload, Number(flags.rate)) : undefined;
    const of = (pick: (one: Measured) => number): number => median(measured.map(pick));
    const isOurs = measured === ours;
    const cells = [
      `${workload.name} ${workload.what}`,
      gateway.name,
      of(({ cpuUs }) => cpuUs).toFixed(1),
      isOurs && gateways.length > 1 ? ratio.toFixed(2) : "",
      of(({ requests, seconds }) => requests / seconds).toFixed(0),
      of(({ p50Ms }) => p50Ms).toFixed(2),
      of(({ p99Ms }) => p99Ms).toFixed(2),
      measured.reduce((sum, { failed }) => sum + failed, 0),
      fixed === undefined ? "" : [fixed.cpuUs.toFixed(1), fixed.p50Ms.toFixed(2), fixed.p99Ms.toFixed(2)].join(", "),
      gateway.rssMb().toFixed(0),
    ];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

async function startPeers(upstream: string): Promise<Gateway[]> {
  const started: Gateway[] = [];
  for (const name of flags.peers.split(",").filter((name) => name !== "")) {
    const peer = PEERS[name];
    if (peer === undefined) throw new Error(`--peers ${name}: expected ${Object.keys(PEERS).join(", ")}`);
    try {
      await peer.setUp();
    } catch (error) {
      console.error(`${peer.name} is left out: ${(error as Error).message}`);
      continue;
    }
    const port = await freePort();
    const gateway = new Gateway(peer.name, port, peer.command(port, upstream));
    await gateway.ready();
    started.push(gateway);
  }
  return started;
}

function chosen(): readonly Workload[] {
  const names = (flags.profile ?? flags.only).split(",");
  const all = workloads();
  const found = all.filter(({ name }) => names.includes(name) || (names.includes("shapes") && /^[RS]/.test(name)));
  if (found.length === 0) throw new Error(`no such workload; expected ${all.map(({ name }) => name).join(", ")}`);
  return found;
}

const upstream = start(1, [process.execPath, path.join(HERE, "upstream.ts")], "pipe");
const address = `127.0.0.1:${(await firstLine(upstream, /^(\d+)$/))[1] ?? ""}`;
try {
  if (flags.profile === undefined) {
    // One after the other, so that each start has the CPU for itself.
    const peers = await startPeers(address);
    const sluice = await startSluice(address);
    await sluice.ready();
    const gateways = [sluice, ...peers];
    const starts = gateways.map(({ name, startMs }) => `${name} ${startMs.toFixed(0)}`).join(", ");
    const machine = `Node ${process.version}, ${os.cpus()[0]?.model ?? "?"}, ${CAN_PIN ? "pinned" : "not pinned"}`;
    console.log(`${machine}; ms to the first reply: ${starts}\n`);
    console.log(
      `| | | CPU us/request | ratio to the best peer | req/s | p50 ms | p99 ms | failed | ${flags.rate}/s: CPU us, p50, p99 ms | RSS MB |`,
    );
    console.log("|---|---|---|---|---|---|---|---|---|---|");
    for (const workload of chosen()) await compare(gateways, workload);
    for (const gateway of gateways) await gateway.stop();
  } else {
    const folder = mkdtempSync(path.join(os.tmpdir(), "sluice-profile-"));
    const gateway = await startSluice(address, ["--cpu-prof", `--cpu-prof-dir=${folder}`, "--cpu-prof-interval=250"]);
    await gateway.ready();
    for (const workload of chosen()) await load(gateway, workload, secs);
    await gateway.stop();
    console.log(summary(folder));
    rmSync(folder, { recursive: true });
  }
} finally {
  upstream.disconnect();
}
