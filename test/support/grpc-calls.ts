import assert from "node:assert/strict";
import type {
  AttemptEnd,
  AttemptListener,
  CallEnd,
  CallHandle,
  CallListener,
  FlatMetadata,
} from "../../src/call/call.ts";
import type {
  Connection,
  ConnectionFactory,
  ConnectionOptions,
  ConnectionState,
} from "../../src/upstream/connection/connection.ts";

/** Keeps all that a call or an attempt tells. */
export class Recorder<End extends CallEnd = CallEnd> implements CallListener, AttemptListener {
  headers: FlatMetadata | null = null;
  readonly messages: string[] = [];
  bytes = 0;
  writable = 0;
  stalls = 0;
  ends = 0;
  end: End | null = null;
  readonly ended: Promise<End>;
  onEach: ((recorder: this) => void) | null = null;
  private settle: (end: End) => void = () => {};

  constructor() {
    this.ended = new Promise((resolve) => (this.settle = resolve));
  }

  onHeaders(metadata: FlatMetadata): void {
    assert.equal(this.headers, null, "headers came twice");
    assert.equal(this.bytes, 0, "headers came after a message");
    this.headers = metadata;
  }

  onMessage(bytes: Uint8Array, start: number, end: number): void {
    assert.equal(this.end, null, "a message came after the end");
    this.bytes += end - start;
    if (end - start < 1_000) this.messages.push(Buffer.from(bytes.subarray(start, end)).toString());
    this.onEach?.(this);
  }

  onWritable(): void {
    this.writable++;
  }

  onStalled(): void {
    this.stalls++;
  }

  onEnd(end: CallEnd | AttemptEnd): void {
    this.ends++;
    assert.equal(this.ends, 1, "the end came twice");
    this.end = end as End; // as the owner of the recorder says
    this.settle(this.end);
  }
}

/** A connection under test, with the states that it went through. */
export class TestConnection {
  readonly connection: Connection;
  readonly states: ConnectionState[] = [];
  readonly reasons: string[] = [];
  readonly suspicions: boolean[] = [];
  private watchers: (() => void)[] = [];

  constructor(connect: ConnectionFactory, address: string, options: Partial<ConnectionOptions> = {}) {
    this.connection = connect(
      address,
      { upstream: "lab", connectTimeoutMs: 2_000, maxMessageBytes: 4 << 20, ...options },
      {
        onState: (state, reason) => {
          assert.equal(state, this.connection.state);
          this.states.push(state);
          if (reason !== undefined) this.reasons.push(reason);
          for (const watcher of this.watchers.splice(0)) watcher();
        },
        onSuspect: (isSuspect) => this.suspicions.push(isSuspect),
      },
    );
  }

  /** The next time that it is in this state, now included. */
  async until(state: ConnectionState): Promise<void> {
    while (this.connection.state !== state) await new Promise<void>((resolve) => this.watchers.push(resolve));
  }

  start(
    method: string,
    message: string | null = "",
    { metadata = [], deadlineMs = Infinity }: { metadata?: FlatMetadata; deadlineMs?: number } = {},
    recorder: Recorder<AttemptEnd> = new Recorder<AttemptEnd>(),
  ): { recorder: Recorder<AttemptEnd>; handle: CallHandle } {
    const request = {
      path: `/test.Lab/${method}`,
      metadata,
      message: message === null ? null : Buffer.from(message),
      deadlineMs,
    };
    return { recorder, handle: this.connection.start(request, recorder) };
  }

  /** Starts an attempt and waits for its end. */
  async run(...args: Parameters<TestConnection["start"]>): Promise<Recorder<AttemptEnd> & { end: AttemptEnd }> {
    const { recorder } = this.start(...args);
    await recorder.ended;
    return recorder as Recorder<AttemptEnd> & { end: AttemptEnd }; // it has ended
  }
}
