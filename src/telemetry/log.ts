import pino from "pino";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface Log {
  readonly logger: pino.Logger;
  /** One finished line of JSON without its newline, beside pino's own: for lines that are built by hand. */
  writeLine(line: string): void;
  /** Whether lines of a level are written; who builds one asks first. */
  readonly info: boolean;
  readonly error: boolean;
  /** Everything written so far is out when this returns. */
  flush(): void;
}

export interface LogOptions {
  readonly level: LogLevel;
  /** Takes the lines, each with its newline; stdout where nothing is said. */
  readonly out?: LineSink;
}

export interface LineSink {
  write(line: string): unknown;
  flushSync?(): void;
}

// Never shown, wherever they stand in a logged object.
const REDACT = ["authorization", "cookie", "password", "token", "*.authorization", "*.cookie", "*.password", "*.token"];

/** Human-readable lines with colour on stdout. Imported only where it is asked for: it costs a start 30 ms. */
export async function prettyLines(): Promise<LineSink> {
  const { default: pretty } = await import("pino-pretty");
  return pretty({ sync: true, colorize: true });
}

/** Writes JSON lines. */
export function createLog(options: LogOptions): Log {
  const out: LineSink = options.out ?? pino.destination({ fd: 1, sync: true });
  const logger = pino(
    {
      level: options.level,
      redact: { paths: REDACT, censor: "[redacted]" },
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    out,
  );
  return {
    logger,
    info: logger.isLevelEnabled("info"),
    error: logger.isLevelEnabled("error"),
    writeLine: (line) => void out.write(`${line}\n`),
    flush: () => out.flushSync?.(),
  };
}
