import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";

/** Whether processes can be tied to CPUs: Linux with two of them or more. */
export const CAN_PIN = os.cpus().length > 1 && spawnSync("taskset", ["-V"]).status === 0;
const TICKS_PER_SECOND = Number(spawnSync("getconf", ["CLK_TCK"], { encoding: "utf8" }).stdout || 100);
const SLUICE = path.join(import.meta.dirname, "../bin/sluice.js");

/** Starts a command on one CPU. */
export function start(
  cpu: number,
  command: readonly string[],
  stdout: "pipe" | "ignore",
  env: NodeJS.ProcessEnv = {},
): ChildProcess {
  const [file = "", ...args] = [...(CAN_PIN ? ["taskset", "-c", String(cpu)] : []), ...command];
  return spawn(file, args, {
    env: { ...process.env, ...env, NODE_ENV: "production" },
    stdio: ["ignore", stdout, "inherit", "ipc"],
  });
}

/** The first line that a process prints and that looks like this. */
export async function firstLine(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  if (child.stdout === null) throw new Error("no stdout");
  for await (const line of createInterface(child.stdout)) {
    const found = pattern.exec(line);
    if (found !== null) return found;
  }
  throw new Error("a process ended before it was ready");
}

/** A gateway that serves, in a process of its own on the first CPU. */
export class Gateway {
  readonly name: string;
  readonly port: number;
  /** Until the first reply, ms. */
  startMs = NaN;
  private readonly child: ChildProcess;
  private readonly startedAt = performance.now();

  constructor(name: string, port: number, command: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.name = name;
    this.port = port;
    // What it logs goes nowhere: written, as everywhere in production, but read by nobody on these two cores.
    this.child = start(0, command, "ignore", env);
    this.child.once("exit", this.onUnexpectedEnd);
  }

  private readonly onUnexpectedEnd = (code: number | null): void => {
    console.error(`${this.name} ended (${code})`);
    process.exit(1);
  };

  async ready(): Promise<void> {
    while (performance.now() - this.startedAt < 20_000) {
      const status = await fetch(`http://127.0.0.1:${this.port}/v1/items/42`).then(
        (reply) => reply.status,
        () => 0,
      );
      if (status === 200) {
        this.startMs = performance.now() - this.startedAt;
        return;
      }
      await setTimeout(5);
    }
    throw new Error(`${this.name} did not answer within 20 s`);
  }

  /** User and system time of the process with all its threads, microseconds. */
  cpuUs(): number {
    const stat = readFileSync(`/proc/${this.child.pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return ((Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND) * 1e6;
  }

  rssMb(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, "latin1");
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? NaN) / 1024;
  }

  async stop(): Promise<void> {
    this.child.off("exit", this.onUnexpectedEnd);
    this.child.kill("SIGTERM");
    await once(this.child, "exit");
  }
}

/** Sluice in front of `upstream`, `host:port`, on bench/routes.yaml; `nodeArgs` are for Node. */
export async function startSluice(upstream: string, nodeArgs: readonly string[] = []): Promise<Gateway> {
  const port = await freePort();
  const config = path.join(import.meta.dirname, "routes.yaml");
  const serve = ["serve", "--config", config, "--port", String(port), "--admin-port", "0"];
  return new Gateway("Sluice", port, [process.execPath, ...nodeArgs, SLUICE, ...serve], { BENCH_UPSTREAM: upstream });
}

export async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  return port;
}
