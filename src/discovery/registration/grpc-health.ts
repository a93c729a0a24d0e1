import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import type { Clock } from "../../core/clock.ts";
import { Code } from "../../core/code.ts";

export interface HealthWatchOptions {
  /** `host:port`, plaintext. */
  readonly address: string;
  /** As the server knows it; "" is the whole server. */
  readonly service: string;
  readonly clock: Clock;
  /** Told at every answer, not only when it changes. */
  onHealth(isServing: boolean, reason: string): void;
}

// A server whose Watch is open tells by itself; Check finds out that it hangs, which a silent stream does not show.
const CHECK_BESIDE_WATCH_MS = 2000;
const CHECK_ALONE_MS = 1000;
const CHECK_TIMEOUT_MS = 2000;
const WATCH = "/grpc.health.v1.Health/Watch";
const CHECK = "/grpc.health.v1.Health/Check";
const SERVING = 1;
const STATUS_NAMES = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/**
 * Follows grpc.health.v1 of a server until the result is called: Watch, and Check now and then; Check alone where there
 * is no Watch. A server that has neither answers, and that has to do: it serves.
 */
export function watchHealth(options: HealthWatchOptions): () => void {
  const watch = new HealthWatch(options);
  return () => watch.close();
}

class HealthWatch {
  private readonly options: HealthWatchOptions;
  private readonly client: Client;
  private watch: { cancel(): void } | undefined;
  /** Counts what the watch told: an answer to Check from before that is old. */
  private told = 0;
  private hasWatch = true;
  private isChecking = false;
  private isClosed = false;
  private cancelTimer = (): void => {};

  constructor(options: HealthWatchOptions) {
    this.options = options;
    this.client = new Client(`dns:${options.address}`, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_retries": 0,
      "grpc.enable_channelz": 0,
      "grpc.enable_http_proxy": 0,
      "grpc.initial_reconnect_backoff_ms": 200,
      "grpc.max_reconnect_backoff_ms": CHECK_ALONE_MS,
    });
    this.openWatch();
    this.check();
  }

  close(): void {
    this.isClosed = true;
    this.cancelTimer();
    this.watch?.cancel();
    this.client.close();
  }

  private openWatch(): void {
    const { service } = this.options;
    const stream = this.client.makeServerStreamRequest(WATCH, serializeRequest, readStatus, service);
    this.watch = stream;
    const toldBefore = this.told;
    stream.on("data", (status: number) => {
      this.told++;
      this.tell(status);
    });
    stream.on("error", () => {}); // "status" follows every end
    stream.on("status", ({ code }) => {
      this.watch = undefined;
      if (this.isClosed) return;
      this.hasWatch = code !== Code.Unimplemented;
      // Why it ended, a Check finds out, which opens the watch again; at once, unless the watch never said a word.
      this.checkAfter(this.told > toldBefore ? 0 : CHECK_ALONE_MS);
    });
  }

  /** One at a time: while one is under way, its end says when the next one is. */
  private checkAfter(ms: number): void {
    if (this.isChecking) return;
    this.cancelTimer();
    this.cancelTimer = this.options.clock.after(ms, () => this.check());
  }

  private check(): void {
    const { service } = this.options;
    const { told } = this;
    this.isChecking = true;
    const done = (error: ServiceError | null, status?: number): void => {
      this.isChecking = false;
      if (this.isClosed) return;
      if (error !== null) this.onFailed(error);
      else {
        if (this.told === told && status !== undefined) this.tell(status);
        if (this.hasWatch && this.watch === undefined) this.openWatch();
      }
      this.checkAfter(this.watch !== undefined && error === null ? CHECK_BESIDE_WATCH_MS : CHECK_ALONE_MS);
    };
    const options = { deadline: Date.now() + CHECK_TIMEOUT_MS };
    this.client.makeUnaryRequest(CHECK, serializeRequest, readStatus, service, options, done);
  }

  private onFailed({ code, details }: ServiceError): void {
    const { service, onHealth } = this.options;
    if (code === Code.Unimplemented) onHealth(true, "the server has no grpc.health.v1");
    else if (code === Code.NotFound) onHealth(false, `the server knows no service ${JSON.stringify(service)}`);
    else if (code === Code.DeadlineExceeded) onHealth(false, `no answer within ${CHECK_TIMEOUT_MS} ms`);
    else onHealth(false, details);
  }

  private tell(status: number): void {
    this.options.onHealth(status === SERVING, STATUS_NAMES[status] ?? `status ${status}`);
  }
}

// grpc.health.v1.HealthCheckRequest { string service = 1; } and HealthCheckResponse { ServingStatus status = 1; }, whose
// values are below 128: a byte each. So small that no descriptor is needed.

function serializeRequest(service: string): Buffer {
  const name = Buffer.from(service);
  if (name.length === 0) return name;
  if (name.length > 127) throw new Error("a health service's name has at most 127 bytes");
  return Buffer.concat([Buffer.from([0x0a, name.length]), name]);
}

function readStatus(response: Buffer): number {
  return response[0] === 0x08 ? (response[1] ?? 0) : 0;
}
