// CPU time of this process per call, for each implementation of Connection, at 64 calls in flight on one connection:
// `node bench/micro/connection.bench.ts [ADDRESS]`. The upstream is bench/upstream.ts, in a process of its own, unless
// ADDRESS names another server that answers the same messages. What is left out: the gateway around the connection.
import { fork } from "node:child_process";
import path from "node:path";
import { createInterface } from "node:readline";
import type { AttemptEnd, AttemptListener } from "../../src/call/call.ts";
import type { Connection, ConnectionFactory } from "../../src/upstream/connection/connection.ts";
import { createGrpcJsConnection } from "../../src/upstream/connection/grpc-js.ts";
import { createHttp2Connection } from "../../src/upstream/connection/http2.ts";
import { workloads } from "../workloads.ts";

const IN_FLIGHT = 64;
const ROUNDS = 5;
const ROUND_MS = 1_000;

const REQUESTS: Readonly<Record<string, { method: string; message: Buffer }>> = {
  W1: { method: "GetItem", message: Buffer.from([8, 42]) },
  W2: { method: "CreateItem", message: Buffer.alloc(0) },
  W3: { method: "ListItems", message: Buffer.from([8, 100]) },
  W4: { method: "WatchItems", message: Buffer.from([8, 0xe8, 7]) },
};

async function startUpstream(): Promise<{ address: string; stop: () => void }> {
  const child = fork(path.join(import.meta.dirname, "../upstream.ts"), [], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  if (child.stdout === null) throw new Error("no stdout");
  for await (const line of createInterface(child.stdout)) {
    return { address: `127.0.0.1:${line}`, stop: () => child.disconnect() };
  }
  throw new Error("the upstream ended before it was ready");
}

function connect(factory: ConnectionFactory, address: string): Promise<Connection> {
  return new Promise((resolve) => {
    const connection = factory(
      address,
      { upstream: "bench", connectTimeoutMs: 2_000, maxMessageBytes: 4 << 20 },
      { onSuspect() {}, onState: (state) => state === "ready" && resolve(connection) },
    );
    connection.connect();
  });
}

/** One of the calls in flight: made again each time that it ends. */
class Caller implements AttemptListener {
  calls = 0;
  bytes = 0;
  isStopped = false;
  private readonly connection: Connection;
  private readonly path: string;
  private readonly message: Buffer;

  constructor(connection: Connection, path: string, message: Buffer) {
    this.connection = connection;
    this.path = path;
    this.message = message;
  }

  start(): void {
    const metadata = ["x-request-id", `7f1c9a52-8f0b-4c5e-9d3a-${this.calls}`, "x-forwarded-for", "10.1.2.3"];
    const { path, message } = this;
    this.connection.start({ path, metadata, message, deadlineMs: performance.now() + 5_000 }, this);
  }

  onHeaders(): void {}
  onWritable(): void {}

  onMessage(_: Uint8Array, start: number, end: number): void {
    this.bytes += end - start;
  }

  onEnd(end: AttemptEnd): void {
    if (this.isStopped) return;
    if (end.code !== 0) throw new Error(`${end.code} ${end.message} ${end.error?.message}`);
    this.calls++;
    this.start();
  }
}

const upstream = process.argv[2] === undefined ? await startUpstream() : { address: process.argv[2], stop: () => {} };
for (const { name, what, reply } of await workloads()) {
  const { method, message } = REQUESTS[name] ?? { method: "", message: Buffer.alloc(0) };
  const request = name === "W2" ? Buffer.from(reply[0] ?? []) : message;
  for (const [kind, factory] of [
    ["http2", createHttp2Connection()],
    ["grpc-js", createGrpcJsConnection()],
  ] as const) {
    const connection = await connect(factory, upstream.address);
    const callers = Array.from({ length: name === "W4" ? 8 : IN_FLIGHT }, () => {
      return new Caller(connection, `/bench.v1.Catalog/${method}`, request);
    });
    for (const caller of callers) caller.start();
    const count = () => callers.reduce((sum, { calls }) => sum + calls, 0);
    const perCall: number[] = [];
    let rate = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const calls = count();
      const cpu = process.cpuUsage();
      const at = performance.now();
      await new Promise((resolve) => setTimeout(resolve, ROUND_MS));
      const { user, system } = process.cpuUsage(cpu);
      perCall.push((user + system) / (count() - calls));
      rate = ((count() - calls) / (performance.now() - at)) * 1_000;
    }
    for (const caller of callers) caller.isStopped = true;
    connection.destroy();
    const expected = reply.reduce((sum, bytes) => sum + bytes.length, 0);
    const received = callers.reduce((sum, { bytes }) => sum + bytes, 0);
    if (received < expected * count()) throw new Error(`${received / count()} bytes a call instead of ${expected}`);
    const sorted = perCall.slice(1).sort((a, b) => a - b);
    const [best = NaN, middle = NaN] = [sorted[0], sorted[sorted.length >> 1]];
    console.log(
      `${name} ${what.padEnd(26)} ${kind.padEnd(8)} ${middle.toFixed(2).padStart(8)} us a call (best ${best.toFixed(2)}), ${rate.toFixed(0)} calls/s`,
    );
  }
}
upstream.stop();
