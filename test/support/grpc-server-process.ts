import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

export interface GrpcServerProcess {
  readonly name: string;
  readonly port: number;
  /** `127.0.0.1:port` */
  readonly address: string;
  readonly pid: number;
  /** Sends a signal; where it ends the process, waits for that. SIGTERM ends it gracefully. */
  kill(signal: NodeJS.Signals): Promise<void>;
}

const MAIN = fileURLToPath(new URL("grpc-server-main.ts", import.meta.url));

/** Starts a server of `labMethods(name)` in a process of its own, which ends with this one at the latest. */
export async function startGrpcServerProcess(name: string, port = 0): Promise<GrpcServerProcess> {
  const child = fork(MAIN, [name, String(port)], { stdio: ["ignore", "inherit", "inherit", "ipc"], execArgv: [] });
  const exited = once(child, "exit");
  const bound: unknown = await Promise.race([
    once(child, "message").then(([message]) => message),
    exited.then(([code]) => Promise.reject(new Error(`server ${name} ended at start, exit code ${code}`))),
  ]);
  return {
    name,
    port: Number(bound),
    address: `127.0.0.1:${Number(bound)}`,
    pid: child.pid ?? 0,
    kill: async (signal) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill(signal);
      if (signal !== "SIGSTOP" && signal !== "SIGCONT") await exited;
    },
  };
}
