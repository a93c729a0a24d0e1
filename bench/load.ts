// One process that sends one workload over keep-alive connections and prints what it saw as a line of JSON. Closed
// loop (as fast as answers come), or open loop at a fixed rate.
import net from "node:net";
import { workloads } from "./workloads.ts";

export interface LoadResult {
  readonly requests: number;
  readonly failed: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const [port, name, seconds, rate] = process.argv.slice(2);
const workload = workloads().find((candidate) => candidate.name === name);
if (workload === undefined) throw new Error(`no workload ${name}`);
const request = Buffer.from(
  `${workload.method} ${workload.path} HTTP/1.1\r\nhost: bench\r\n` +
    (workload.body === ""
      ? "\r\n"
      : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(workload.body)}\r\n\r\n${workload.body}`),
);

const latencies: number[] = [];
let failed = 0;
let checked = false;

/** One connection; at most one request is under way on it. */
class Client {
  private readonly socket: net.Socket;
  private sentAt = 0;
  private parts: Buffer[] = [];
  private size = 0;
  /** Bytes of the reply; -1 while unknown, -2 for a chunked one. */
  private expected = -1;
  idle = true;
  onIdle: (client: Client) => void = () => {};

  constructor() {
    this.socket = net.connect(Number(port), "127.0.0.1");
    this.socket.setNoDelay(true);
    this.socket.on("data", (chunk: Buffer) => this.onData(chunk));
    this.socket.on("error", () => failed++);
  }

  /** `dueAt` is when it should have been sent: waiting for a free connection counts as latency. */
  send(dueAt: number): void {
    this.idle = false;
    this.sentAt = dueAt;
    this.socket.write(request);
  }

  end(): void {
    this.socket.destroy();
  }

  private onData(chunk: Buffer): void {
    this.parts.push(chunk);
    this.size += chunk.length;
    if (this.expected === -1) {
      const head = Buffer.concat(this.parts).toString("latin1");
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = /\r\ncontent-length: (\d+)/i.exec(head.slice(0, end));
      this.expected = length === null ? -2 : end + 4 + Number(length[1]);
      if (!head.startsWith("HTTP/1.1 200")) failed++;
    }
    const done =
      this.expected === -2
        ? chunk.length >= 5 && chunk.latin1Slice(chunk.length - 5) === "0\r\n\r\n"
        : this.size >= this.expected;
    if (!done) return;
    if (!checked) {
      checked = true;
      const text = Buffer.concat(this.parts).toString();
      if (!workload?.isRight(text)) throw new Error(`wrong reply: ${text.slice(0, 500)}`);
    }
    latencies.push(performance.now() - this.sentAt);
    this.parts = [];
    this.size = 0;
    this.expected = -1;
    this.idle = true;
    this.onIdle(this);
  }
}

const clients = Array.from({ length: workload.connections }, () => new Client());
const start = performance.now();
const end = start + Number(seconds) * 1000;
if (rate === undefined) {
  for (const client of clients) {
    client.onIdle = () => {
      if (performance.now() < end) client.send(performance.now());
      else client.end();
    };
    client.send(performance.now());
  }
} else {
  const due: number[] = [];
  for (const client of clients) {
    client.onIdle = () => {
      const next = due.shift();
      if (next !== undefined) client.send(next);
    };
  }
  let sent = 0;
  const timer = setInterval(() => {
    const now = performance.now();
    for (; sent < ((now - start) / 1000) * Number(rate) && now < end; sent++) {
      const free = clients.find((client) => client.idle);
      if (free === undefined) due.push(now);
      else free.send(now);
    }
    if (now < end || due.length > 0 || clients.some((client) => !client.idle)) return;
    clearInterval(timer);
    for (const client of clients) client.end();
  }, 1);
}
process.on("beforeExit", () => {
  latencies.sort((a, b) => a - b);
  const at = (ratio: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * ratio))] ?? NaN;
  const result: LoadResult = {
    requests: latencies.length,
    failed,
    seconds: (performance.now() - start) / 1000,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
  };
  console.log(JSON.stringify(result));
});
