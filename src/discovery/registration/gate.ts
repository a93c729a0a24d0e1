import type { Clock } from "../../core/clock.ts";
import { watchHealth } from "./grpc-health.ts";
import { tryConnect } from "./listening.ts";
import type { HealthMode } from "./modes.ts";

export interface GateOptions {
  readonly mode: HealthMode;
  /** What is asked: `host:port`. */
  readonly address: string;
  /** Which service's health; "" is the whole server's. */
  readonly healthService: string;
  readonly clock: Clock;
  /** Told when it changes, beginning with not serving; and once where nothing listens after a while. */
  onHealth(isServing: boolean, reason: string): void;
}

const STARTING_MS = 100;
const UP_MS = 2000;
const DOWN_MS = 500;
/** A start that takes longer is worth a word. */
const SLOW_START_MS = 5000;

/** Watches whether an instance serves, until the result is called. */
export function openGate(options: GateOptions): () => void {
  const gate = new Gate(options);
  return () => gate.close();
}

class Gate {
  private readonly options: GateOptions;
  private readonly sinceMs: number;
  private isServing = false;
  private isClosed = false;
  private wasSlow = false;
  private stop = (): void => {};

  constructor(options: GateOptions) {
    this.options = options;
    this.sinceMs = options.clock.now();
    void this.untilListening();
  }

  close(): void {
    this.isClosed = true;
    this.stop();
  }

  private async untilListening(): Promise<void> {
    const { mode, address, healthService: service, clock } = this.options;
    const reason = await tryConnect(address);
    if (this.isClosed) return;
    if (reason !== null) {
      if (!this.wasSlow && clock.now() - this.sinceMs >= SLOW_START_MS) {
        this.wasSlow = true;
        this.options.onHealth(false, reason);
      }
      this.stop = clock.after(STARTING_MS, () => void this.untilListening());
    } else if (mode === "grpc") {
      this.stop = watchHealth({ address, service, clock, onHealth: (isServing, why) => this.tell(isServing, why) });
    } else {
      this.tell(true, "it takes connections");
      if (mode === "tcp") this.stop = clock.after(UP_MS, () => void this.whileListening());
    }
  }

  private async whileListening(): Promise<void> {
    const reason = await tryConnect(this.options.address);
    if (this.isClosed) return;
    this.tell(reason === null, reason ?? "it takes connections");
    this.stop = this.options.clock.after(reason === null ? UP_MS : DOWN_MS, () => void this.whileListening());
  }

  private tell(isServing: boolean, reason: string): void {
    if (this.isClosed || isServing === this.isServing) return;
    this.isServing = isServing;
    this.options.onHealth(isServing, reason);
  }
}
