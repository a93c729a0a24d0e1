import type { Clock } from "../core/clock.ts";
import type { Answers, FromWorker, Question, ToWorker } from "./messages.ts";

/** One process, from its start to its end. */
export interface WorkerProcess {
  readonly pid: number;
  send(message: ToWorker): void;
  /** SIGKILL. */
  kill(): void;
}

export interface WorkerListener {
  onMessage(message: FromWorker): void;
  /** Once. `how` is its exit code, or the signal that ended it. */
  onExit(how: number | string): void;
}

export interface SlotOptions {
  readonly number: number;
  readonly spawn: (listener: WorkerListener) => WorkerProcess;
  readonly clock: Clock;
  /** A new process is there and wants all that a worker is to know. */
  readonly onHello: (slot: WorkerSlot) => void;
  /** `isFirst`: the process serves from now on. */
  readonly onLoaded: (slot: WorkerSlot, message: FromWorker & { type: "loaded" }, isFirst: boolean) => void;
  readonly onRefused: (slot: WorkerSlot, message: FromWorker & { type: "refused" }) => void;
  /** Its worker cannot reach an instance that this resolver told. */
  readonly onRefresh: (key: string) => void;
  readonly onExit: (slot: WorkerSlot, exit: WorkerExit) => void;
}

export interface WorkerExit {
  readonly pid: number;
  /** Its exit code, or the signal that ended it. */
  readonly how: number | string;
  /** When another takes its place; null for never, since the slot was closed. */
  readonly nextMs: number | null;
}

// Who lives this long has not died of what it began with: its successor starts at once.
const SOUND_MS = 10_000;
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 30_000;

interface Ask {
  readonly resolve: (answer: Answers[Question] | null) => void;
  readonly stopTimer: () => void;
}

/** The place of one worker: a process runs in it, and when it ends another takes its place, until `close`. */
export class WorkerSlot {
  readonly number: number;
  private readonly options: SlotOptions;
  private process: WorkerProcess | null = null;
  /** It has said hello: what is sent before that is lost. */
  private isListening = false;
  private startedMs = 0;
  /** How often in a row a process died before it was sound. */
  private earlyDeaths = 0;
  private readonly asks = new Map<number, Ask>();
  private lastId = 0;
  private isClosed = false;
  private cancelStart: (() => void) | null = null;
  private gone: () => void = () => {};
  /** The number of the last load that the process in it has in force; 0 before the first. */
  loaded = 0;

  constructor(options: SlotOptions) {
    this.number = options.number;
    this.options = options;
  }

  /** 0 while none runs. */
  get pid(): number {
    return this.process?.pid ?? 0;
  }

  start(): void {
    if (this.isClosed) return;
    const { spawn, clock, onHello, onLoaded, onRefused, onRefresh } = this.options;
    this.startedMs = clock.now();
    this.process = spawn({
      onMessage: (message) => {
        switch (message.type) {
          case "hello":
            this.isListening = true;
            return onHello(this);
          case "loaded": {
            const isFirst = this.loaded === 0;
            this.loaded = message.load;
            return onLoaded(this, message, isFirst);
          }
          case "refused":
            return onRefused(this, message);
          case "refresh":
            return onRefresh(message.key);
          case "answer":
            return this.settle(message.id, message.answer);
          default:
            message satisfies never;
        }
      },
      onExit: (how) => this.onExit(how),
    });
  }

  /** Nothing where no process listens: one that begins to is told all by who hears its hello. */
  send(message: ToWorker): void {
    if (this.isListening) this.process?.send(message);
  }

  /** Null where no answer comes in time: there is no process, it ended, or it hangs. */
  ask<Q extends Question>(question: Q, limitMs: number): Promise<Answers[Q] | null> {
    if (this.process === null || this.loaded === 0) return Promise.resolve(null);
    const id = ++this.lastId;
    const { promise, resolve } = Promise.withResolvers<Answers[Q] | null>();
    const stopTimer = this.options.clock.after(limitMs, () => this.settle(id, null));
    // The worker answers what it was asked.
    this.asks.set(id, { resolve: resolve as Ask["resolve"], stopTimer });
    this.send({ type: "ask", id, question });
    return promise;
  }

  /** Ends its process in good order; another takes its place. */
  replace(limitMs: number): void {
    this.send({ type: "drain", limitMs });
  }

  /** Ends its process in good order, by force where that takes longer than `killMs`; resolves when it is gone. */
  async close(limitMs: number, killMs: number): Promise<void> {
    this.isClosed = true;
    this.cancelStart?.();
    if (this.process === null) return;
    const gone = new Promise<void>((resolve) => (this.gone = resolve));
    const stopTimer = this.options.clock.after(killMs, () => this.kill());
    if (this.isListening) this.send({ type: "drain", limitMs });
    else this.kill();
    await gone;
    stopTimer();
  }

  /** SIGKILL. */
  kill(): void {
    this.process?.kill();
  }

  private onExit(how: number | string): void {
    const { clock, onExit } = this.options;
    const { pid } = this;
    this.process = null;
    this.isListening = false;
    this.loaded = 0;
    for (const id of [...this.asks.keys()]) this.settle(id, null);
    if (this.isClosed) {
      onExit(this, { pid, how, nextMs: null });
      this.gone();
      return;
    }
    const isSound = clock.now() - this.startedMs >= SOUND_MS;
    this.earlyDeaths = isSound ? 0 : this.earlyDeaths + 1;
    // Twice the one before, from the second early death on; the first may be an accident.
    const delayMs = this.earlyDeaths < 2 ? 0 : Math.min(FIRST_DELAY_MS * 2 ** (this.earlyDeaths - 2), MAX_DELAY_MS);
    this.cancelStart = clock.after(delayMs, () => this.start());
    onExit(this, { pid, how, nextMs: delayMs });
  }

  private settle(id: number, answer: Answers[Question] | null): void {
    const ask = this.asks.get(id);
    if (ask === undefined) return;
    this.asks.delete(id);
    ask.stopTimer();
    ask.resolve(answer);
  }
}
