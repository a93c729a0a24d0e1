import pino from "pino";
import { systemClock, type Clock } from "../core/clock.ts";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Log {
  readonly logger: pino.Logger;
  /**
   * One finished line of JSON without its newline, beside pino's own: for lines that are built by hand. It is written
   * with others, 100 ms later at the latest.
   */
  writeLine(line: string): void;
  /** Whether lines of a level are written; who builds one asks first. */
  readonly info: boolean;
  readonly error: boolean;
  /** What every line ends in before its brace: `,"worker":2` in a worker process, else "". */
  readonly tail: string;
  /** Everything written so far is out when this returns. */
  flush(): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Takes the lines, each with its newline: 1 is stdout, where nothing is said, 2 is stderr. */
  readonly out?: LineSink | 1 | 2;
  /** The system's where nothing is said. */
  readonly clock?: Clock;
  /** The number of a worker process, which has its output in common with others. */
  readonly worker?: number | undefined;
}

export interface LineSink {
  write(line: string): unknown;
  flushSync?(): void;
}

// Never shown, wherever they stand in a logged object.
const REDACT = ["authorization", "cookie", "password", "token", "*.authorization", "*.cookie", "*.password", "*.token"];

/**
 * Human-readable lines with colour on a descriptor, stdout where nothing is said. Imported only where it is asked for:
 * it costs a start 30 ms.
 */
export async function prettyLines(fd: 1 | 2 = 1): Promise<LineSink> {
  const { default: pretty } = await import("pino-pretty");
  return pretty({ sync: true, colorize: true, destination: fd });
}

// A system call per line was a tenth of a small request's CPU time.
const BATCH_CHARS = 16_384;
const BATCH_MS = 100;
// PIPE_BUF of Linux: into a pipe that is full, more than this goes in pieces, between which others may write.
const SHARED_BATCH_CHARS = 4096;

/** Lines on their way out, in order. Whoever writes `now` takes along those that wait. */
class LineBatch implements LineSink {
  private readonly out: LineSink;
  private readonly clock: Clock;
  private readonly maxChars: number;
  private lines = "";
  private isDue = false;

  constructor(out: LineSink, clock: Clock, maxChars: number) {
    this.out = out;
    this.clock = clock;
    this.maxChars = maxChars;
  }

  write(line: string): void {
    this.makeRoom(line);
    const lines = this.lines + line;
    this.lines = "";
    this.out.write(lines);
  }

  add(line: string): void {
    this.makeRoom(line);
    this.lines += line;
    if (this.lines.length >= this.maxChars) return this.flush();
    if (this.isDue) return;
    this.isDue = true;
    this.clock.after(BATCH_MS, this.onDue);
  }

  flush(): void {
    if (this.lines === "") return;
    const { lines } = this;
    this.lines = "";
    this.out.write(lines);
  }

  private makeRoom(line: string): void {
    if (this.lines.length + line.length > this.maxChars) this.flush();
  }

  private readonly onDue = (): void => {
    this.isDue = false;
    this.flush();
  };
}

/** Writes JSON lines. */
export function createLog(options: LogOptions): Log {
  const { out: given = 1 } = options;
  const out = typeof given === "number" ? pino.destination({ fd: given, sync: true }) : given;
  const { worker } = options;
  const maxChars = worker === undefined ? BATCH_CHARS : SHARED_BATCH_CHARS;
  const batch = new LineBatch(out, options.clock ?? systemClock, maxChars);
  const logger = pino(
    {
      level: options.level,
      redact: { paths: REDACT, censor: "[redacted]" },
      base: worker === undefined ? null : { worker },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    batch,
  );
  return {
    logger,
    info: logger.isLevelEnabled("info"),
    error: logger.isLevelEnabled("error"),
    tail: worker === undefined ? "" : `,"worker":${worker}`,
    writeLine: (line) => batch.add(`${line}\n`),
    flush() {
      batch.flush();
      out.flushSync?.();
    },
  };
}
