import cluster, { type Worker } from "node:cluster";
import type { FromWorker, ToWorker } from "./messages.ts";
import type { WorkerListener, WorkerProcess } from "./worker-slot.ts";

/** Starts processes that run `script worker` and share ports by Node's cluster. One caller per process. */
export function createSpawn(script: string): (number: number, listener: WorkerListener) => WorkerProcess {
  if (!cluster.isPrimary) throw new Error("a process of another's cluster cannot have workers of its own");
  // The primary accepts connections and hands them out in turn to workers that took their last one: clients that keep
  // their connections are spread evenly, and who hangs gets no more. docs/decisions/0006-workers.md has figures.
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({
    exec: script,
    args: ["worker"],
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return (number, listener) => {
    const worker = cluster.fork({ SLUICE_WORKER: String(number) });
    worker.on("message", (message) => listener.onMessage(message as FromWorker));
    worker.on("exit", (code: number | null, signal: string | null) => listener.onExit(code ?? signal ?? ""));
    worker.on("error", (error: Error) => {
      // Else it cannot be sent to, and its end is told.
      if (worker.process.pid === undefined) listener.onExit(error.message);
    });
    return {
      pid: worker.process.pid ?? 0,
      send: (message) => send(worker, message),
      kill: () => void worker.process.kill("SIGKILL"),
    };
  };
}

function send(worker: Worker, message: ToWorker): void {
  // Who is gone takes no message, and its successor gets all that it is to know.
  if (worker.isConnected()) worker.send(message, () => {});
}

/** A worker's way to its primary. */
export interface PrimaryChannel {
  send(message: FromWorker): void;
  onMessage(take: (message: ToWorker) => void): void;
  /** The primary is gone. */
  onGone(fn: () => void): void;
}

/** Of a process that `createSpawn` started; null in any other. */
export function primaryChannel(): PrimaryChannel | null {
  const { worker } = cluster;
  if (worker === undefined) return null;
  return {
    send(message) {
      if (worker.isConnected()) worker.send(message, () => {});
    },
    onMessage: (take) => void worker.on("message", (message) => take(message as ToWorker)),
    onGone(fn) {
      // Before cluster's own listener, which would end the process at once with all requests in flight.
      process.prependOnceListener("disconnect", () => {
        worker.exitedAfterDisconnect = true;
        fn();
      });
    },
  };
}
