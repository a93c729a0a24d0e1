import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const DEMO = fileURLToPath(new URL("../../demo/instance.ts", import.meta.url));
const ODD = fileURLToPath(new URL("odd-instance.ts", import.meta.url));

/** An instance of the bookshop in a process of its own, which ends with this one at the latest. */
export interface InstanceProcess {
  /** As in `x-instance`. */
  readonly name: string;
  readonly port: number;
  /** `127.0.0.1:port` */
  readonly address: string;
  readonly pid: number;
  /** Sends a signal to the pid; where it ends the process, waits for that. SIGTERM ends it in good order. */
  signal(signal: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): Promise<void>;
  /** Has an odd one answer UNAVAILABLE, or no longer. */
  setUnavailable(unavailable: boolean): void;
}

export interface InstanceProcessOptions {
  /** A free one by default. */
  readonly port?: number;
  /** Where it registers as `bookshop`; without it, it does not. */
  readonly etcdUrl?: string;
  /** Flags of odd-instance.ts, which is run then instead of the demo's. */
  readonly odd?: readonly string[];
}

/** Resolves when the instance serves (and is registered). */
export async function startInstanceProcess(
  name: string,
  { port = 0, etcdUrl, odd }: InstanceProcessOptions = {},
): Promise<InstanceProcess> {
  const args = ["--name", name, "--port", String(port)];
  if (etcdUrl !== undefined) args.push("--etcd", etcdUrl);
  const child = spawn(process.execPath, odd === undefined ? [DEMO, ...args] : [ODD, ...args, ...odd], {
    // By the channel's end the child learns of ours.
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  // A stopped process does not notice.
  const killAtExit = (): void => void child.kill("SIGKILL");
  process.on("exit", killAtExit);
  const exited = once(child, "exit");
  void exited.then(() => process.off("exit", killAtExit));
  const line = await Promise.race([
    once(createInterface({ input: child.stdout! }), "line"), // a pipe, as stdio says above
    exited.then(([code, signal]) => Promise.reject(new Error(`${name} did not start: ${code ?? signal}`))),
  ]);
  const bound = (JSON.parse(String(line[0])) as { port: number }).port;
  return {
    name,
    port: bound,
    address: `127.0.0.1:${bound}`,
    pid: child.pid ?? 0,
    async signal(signal) {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      if (signal === "SIGKILL" || signal === "SIGTERM") await exited;
    },
    setUnavailable(unavailable) {
      child.send({ unavailable });
    },
  };
}
