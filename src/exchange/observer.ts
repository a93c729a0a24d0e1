/** What is known of a request when it has ended: one access line, and one count in the metrics. */
export interface RequestRecord {
  readonly method: string;
  /** Path as sent, without the query: queries carry secrets. */
  readonly path: string;
  /** The template that matched, or "" where none did. */
  readonly template: string;
  readonly rpc: string;
  readonly upstream: string;
  /** HTTP status; 499 where the client went away before one was sent. */
  readonly status: number;
  /** gRPC status of the reply. */
  readonly grpcCode: number;
  /** Code of the error table where the gateway itself failed the request, else "". */
  readonly errorCode: string;
  readonly cause: unknown;
  readonly requestId: string;
  readonly clientAddress: string;
  readonly startMs: number;
  readonly endMs: number;
  /** When the upstream call began; NaN where none did. */
  readonly callStartMs: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly messagesOut: number;
}

/** Hears of requests; declared here, implemented by telemetry. */
export interface RequestObserver {
  requestStarted(): void;
  requestEnded(record: RequestRecord): void;
}
