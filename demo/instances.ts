/** Instances of the bookshop as child processes. */
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Change } from "./shop.ts";

const PROGRAM = fileURLToPath(new URL("./instance.ts", import.meta.url));
// Longer than an instance's own limit for calls in flight.
const STOP_MS = 5000;

export interface InstanceOptions {
  readonly name: string;
  /** Where it registers; without it, it does not. */
  readonly etcdUrl?: string | undefined;
  /** It changed its books. */
  readonly onChange?: (from: Instance, change: Change) => void;
}

/** One child process, which ends with this one. */
export interface Instance {
  readonly name: string;
  readonly pid: number | undefined;
  /** `127.0.0.1:50051`; once it is ready. */
  readonly address: string;
  /** How it ended, such as `code 0` or `SIGKILL`; never rejects. */
  readonly ended: Promise<string>;
  /** Resolves when it serves (and is registered); rejects where it ends before, or with the signal's reason. */
  ready(signal?: AbortSignal): Promise<void>;
  /** Has it take over what another one did. */
  tell(change: Change): void;
  /** SIGTERM, and SIGKILL where that does not help; waits for its end. */
  stop(): Promise<void>;
}

export function startInstance({ name, etcdUrl, onChange }: InstanceOptions): Instance {
  const args = ["--name", name, ...(etcdUrl === undefined ? [] : ["--etcd", etcdUrl])];
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    // The channel carries changes, and its end tells the child that we are gone.
    stdio: ["ignore", "pipe", "inherit", "ipc"],
    serialization: "advanced",
  });
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("exit", (code, signal) => resolve(signal ?? `code ${code}`));
  });
  const stdout = child.stdout!; // a pipe, as stdio says above
  const firstLine = new Promise<string>((resolve) => createInterface({ input: stdout }).once("line", resolve));
  let port = 0;

  const instance: Instance = {
    name,
    pid: child.pid,
    get address() {
      return `127.0.0.1:${port}`;
    },
    ended,
    async ready(signal) {
      const aborted = new Promise<never>((_, reject) => {
        if (signal?.aborted) reject(signal.reason);
        signal?.addEventListener("abort", () => reject(signal.reason));
      });
      const failed = ended.then((how) => Promise.reject(new Error(`${name} did not start: ${how}`)));
      const line = await Promise.race([firstLine, failed, aborted]);
      ({ port } = JSON.parse(line) as { port: number });
    },
    tell(change) {
      // A child that just ended takes nothing over any more; `ended` tells of it.
      if (child.connected) child.send(change, () => {});
    },
    async stop() {
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      child.kill("SIGTERM");
      await ended;
      clearTimeout(timer);
    },
  };
  child.on("message", (change) => onChange?.(instance, change as Change));
  return instance;
}
