import type { EventEmitter } from "node:events";
import type { Clock } from "../core/clock.ts";

// Ctrl-C reaches the whole process group, and whoever started us passes it on: the same wish arrives twice.
const SAME_WISH_MS = 1000;

type StopListener = (signal: NodeJS.Signals) => void;

/** Calls `stop` at the first SIGTERM or SIGINT, and `kill` at the next that comes a second or more later. */
export function onStop(process: EventEmitter, clock: Clock, stop: StopListener, kill: StopListener): void {
  let firstMs: number | undefined;
  const onSignal = (signal: NodeJS.Signals): void => {
    if (firstMs === undefined) {
      firstMs = clock.now();
      stop(signal);
    } else if (clock.now() - firstMs >= SAME_WISH_MS) {
      kill(signal);
    }
  };
  process.on("SIGTERM", onSignal);
  process.on("SIGINT", onSignal);
}
