import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { startEtcd, type Etcd, type EtcdOptions } from "../demo/etcd.ts";
import { EtcdApi } from "../test/support/etcd.ts";
import { startGatewayProcess, type GatewayProcess } from "../test/support/gateway-process.ts";
import { HttpClient } from "../test/support/http-load.ts";
import { startInstanceProcess, type InstanceProcess } from "../test/support/instance-process.ts";
import { startOpenLoop, type OpenLoop } from "./open-loop.ts";

const BOOK = "/v1/shelves/fiction/books/dune";

export interface LabOptions {
  readonly perSecond: number;
  /** How long the part under fault lasts. */
  readonly seconds: number;
  /** Load before the event, so that connections and code are warm; ms. */
  readonly beforeMs: number;
  /** How many more requests than its share may fail where some may: with few requests, chance is large. */
  readonly slack: number;
  /** Instances of the largest fleet. */
  readonly fleet: number;
}

/** All that one drill runs: a gateway, what it stands in front of, the load. Everything ends with `close`. */
export class Lab {
  readonly seconds: number;
  readonly fleet: number;
  private readonly perSecond: number;
  private readonly cleanups: (() => unknown)[] = [];
  private readonly folder: string;
  private readonly ledger: string;
  private mutations = 0;
  gateway!: GatewayProcess; // set by openGateway, the first thing that a drill calls
  load!: OpenLoop; // the same of startLoad
  /** When the last of the instances that were killed had ended; on `performance.now`'s axis. */
  lastKillMs = -Infinity;

  private constructor({ perSecond, seconds, fleet }: LabOptions, folder: string) {
    this.perSecond = perSecond;
    this.seconds = seconds;
    this.fleet = fleet;
    this.folder = folder;
    this.ledger = path.join(folder, "ledger");
    writeFileSync(this.ledger, "");
  }

  static async open(options: LabOptions): Promise<Lab> {
    const lab = new Lab(options, await mkdtemp(path.join(tmpdir(), "sluice-drill-")));
    lab.defer(() => rm(lab.folder, { recursive: true, force: true }));
    return lab;
  }

  /** Something to end with the drill, last come first ended. */
  defer(cleanup: () => unknown): void {
    this.cleanups.push(cleanup);
  }

  async close(): Promise<void> {
    for (const cleanup of this.cleanups.splice(0).reverse()) await cleanup();
  }

  async etcd(options?: EtcdOptions): Promise<{ etcd: Etcd; api: EtcdApi }> {
    const etcd = await startEtcd(options);
    this.defer(() => etcd.dispose());
    return { etcd, api: new EtcdApi(etcd) };
  }

  /** An instance that takes 20 ms for each call and writes down each mutation before it does anything else. */
  async instance(name: string, { port = 0, flags = [] as readonly string[] } = {}): Promise<InstanceProcess> {
    const odd = ["--delay", "20", "--ledger", this.ledger, ...flags];
    const instance = await startInstanceProcess(name, { port, odd });
    this.defer(() => instance.signal("SIGKILL"));
    return instance;
  }

  /** kill -9 */
  async kill(instance: InstanceProcess): Promise<void> {
    await instance.signal("SIGKILL");
    this.lastKillMs = performance.now();
  }

  instances(names: readonly string[], flags: readonly string[] = []): Promise<InstanceProcess[]> {
    return Promise.all(names.map((name) => this.instance(name, { flags })));
  }

  /** The gateway as anyone configures it; `target`: `pass:///…` or `etcd:///bookshop`. */
  async openGateway(
    target: string,
    { timeout = "5s", etcdUrl = "http://127.0.0.1:1", etcdAuth = "" } = {},
  ): Promise<GatewayProcess> {
    const config = `
version: 1
server: { timeouts: { drain: 1s } }
defaults:
  timeout: ${timeout}
  discovery: { etcd: { endpoints: ["${etcdUrl}"]${etcdAuth} } }
upstreams:
  bookshop:
    target: "${target}"
    schema: { proto: { files: [bookshop/v1/bookshop.proto], include: [$REPO/protos] } }
routes:
  - rpc: bookshop.v1.Bookshop/GetBook
    get: /v1/{name=shelves/*/books/*}
  - rpc: bookshop.v1.Bookshop/CreateBook
    post: /v1/{parent=shelves/*}/books
    body: book
`;
    const gateway = await startGatewayProcess(config, [], "info");
    this.gateway = gateway;
    this.defer(() => gateway.stop());
    return gateway;
  }

  /** Half of the load are GETs, half POSTs that create a book. */
  startLoad(): OpenLoop {
    const client = new HttpClient(this.gateway.url);
    this.load = startOpenLoop({
      client,
      perSecond: this.perSecond,
      request: (n) => {
        if (n % 2 === 0) return { path: BOOK };
        const id = `book-${this.mutations++}`;
        return {
          path: `/v1/shelves/fiction/books?book_id=${id}`,
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ title: id }),
        };
      },
    });
    this.defer(async () => {
      await this.load.stop();
      client.close();
    });
    return this.load;
  }

  /** Resolves when `name` has answered a request that begins after this. */
  answers(name: string, timeoutMs?: number): Promise<unknown> {
    const fromMs = performance.now();
    const isIts = ({ instance, dueMs }: { instance: string; dueMs: number }) => instance === name && dueMs >= fromMs;
    return this.load.sees(`an answer of ${name}`, isIts, timeoutMs);
  }

  /** How many mutations reached an instance more than once. */
  repeatedMutations(): number {
    const ids = readFileSync(this.ledger, "utf8").trimEnd().split("\n");
    return ids.length - new Set(ids).size;
  }
}

/** `pass:///…` of these. */
export function passTo(places: readonly { readonly address: string }[]): string {
  return `pass:///${places.map(({ address }) => address).join(",")}`;
}
