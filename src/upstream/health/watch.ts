import type { AttemptEnd, AttemptListener, CallHandle } from "../../call/call.ts";
import type { Clock } from "../../core/clock.ts";
import { Code } from "../../core/code.ts";
import type { Random } from "../../core/random.ts";
import type { Connection } from "../connection/connection.ts";

export interface HealthWatchOptions {
  /** As in HealthCheckOptions. */
  readonly service: string;
  /** How long the first word may take before the instance counts as not serving; ms. */
  readonly firstWordMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** `isKnown` or `isServing` is another now. */
  readonly onChange: () => void;
}

const SERVING = 1;
const BACKOFF_BASE_MS = 1_000;
const BACKOFF_CAP_MS = 30_000;

/**
 * What an instance says of its own health: one stream of grpc.health.v1 `Watch` for as long as it has a connection
 * (gRFC A17). Nothing is polled; a stream that ends is made anew, at once where it had brought a word, else after a
 * second, doubling to 30 s. UNIMPLEMENTED counts as serving, for as long as the connection lasts.
 */
export class HealthWatch {
  /** It has said something, or is long in doing so. */
  isKnown = false;
  isServing = false;
  private readonly options: HealthWatchOptions;
  private readonly request: Buffer;
  private connection: Connection | null = null;
  private stream: WatchStream | null = null;
  private failures = 0;
  /** The wait for the first word, and the backoff. */
  private stopFirstWord: (() => void) | null = null;
  private stopBackoff: (() => void) | null = null;

  constructor(options: HealthWatchOptions) {
    this.options = options;
    this.request = encodeRequest(options.service);
  }

  /** Watches over this ready connection from now on; null: there is none, and nothing is known. */
  use(connection: Connection | null): void {
    if (connection === this.connection) return;
    this.stop();
    this.connection = connection;
    if (connection === null) {
      this.isKnown = false;
      this.isServing = false;
      return;
    }
    this.failures = 0;
    this.begin();
    if (this.isKnown) return;
    this.stopFirstWord = this.options.clock.after(this.options.firstWordMs, () => this.learn(false));
  }

  /** Ends its stream and its timers; nothing more is told. */
  close(): void {
    this.stop();
    this.connection = null;
  }

  private begin(): void {
    const { connection } = this;
    if (connection === null) return;
    const stream = new WatchStream(
      (status) => this.learn(status === SERVING),
      (end) => this.onEnd(stream, end),
    );
    this.stream = stream;
    const { request: message } = this;
    const path = "/grpc.health.v1.Health/Watch";
    stream.handle = connection.start({ path, metadata: [], message, deadlineMs: Infinity, isQuiet: true }, stream);
  }

  private onEnd(stream: WatchStream, end: AttemptEnd): void {
    if (stream !== this.stream) return;
    this.stream = null;
    if (end.outcome === "answered" && end.code === Code.Unimplemented) {
      this.learn(true);
      return;
    }
    if (stream.hasSpoken) {
      this.failures = 0;
      this.begin();
      return;
    }
    this.learn(false);
    const { clock, random } = this.options;
    const fullMs = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** this.failures);
    this.failures = Math.min(this.failures + 1, 10);
    this.stopBackoff = clock.after(fullMs * (0.5 + random() / 2), () => this.begin());
  }

  private learn(isServing: boolean): void {
    this.stopFirstWord?.();
    this.stopFirstWord = null;
    if (this.isKnown && this.isServing === isServing) return;
    this.isKnown = true;
    this.isServing = isServing;
    this.options.onChange();
  }

  private stop(): void {
    this.stopFirstWord?.();
    this.stopFirstWord = null;
    this.stopBackoff?.();
    this.stopBackoff = null;
    const { stream } = this;
    this.stream = null;
    stream?.handle?.cancel();
  }
}

class WatchStream implements AttemptListener {
  handle: CallHandle | null = null;
  hasSpoken = false;
  readonly onEnd: (end: AttemptEnd) => void;
  private readonly onStatus: (status: number) => void;

  constructor(onStatus: (status: number) => void, onEnd: (end: AttemptEnd) => void) {
    this.onStatus = onStatus;
    this.onEnd = onEnd;
  }

  onHeaders(): void {}
  onWritable(): void {}
  onMessage(bytes: Uint8Array, start: number, end: number): void {
    this.hasSpoken = true;
    this.onStatus(readStatus(bytes, start, end));
  }
}

/** HealthCheckRequest: `service` is field 1. */
function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service);
  if (name.length === 0) return Buffer.alloc(0);
  const length: number[] = [];
  let rest = name.length;
  for (; rest > 127; rest >>>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([0x0a, ...length, rest]), name]);
}

/** HealthCheckResponse has one field, an enum; whatever else comes is no word of serving. */
function readStatus(bytes: Uint8Array, start: number, end: number): number {
  return end - start === 2 && bytes[start] === 0x08 ? (bytes[start + 1] ?? 0) : 0;
}
