import { cleanUp, defer } from "./defer.ts";
import { startGatewayProcess, type GatewayProcess } from "./gateway-process.ts";
import { HttpClient, HttpLoad, type HttpRequest } from "./http-load.ts";
import { startInstanceProcess, type InstanceProcess, type InstanceProcessOptions } from "./instance-process.ts";

export const BOOK = "/v1/shelves/fiction/books/dune";

const WORKERS = 12;

/** A gateway process, and what it stands in front of, for one test. */
export interface BalancingLab {
  readonly gateway: GatewayProcess;
  readonly client: HttpClient;
  /** Has requests running; GETs of a book unless told otherwise. Where the test fails it is told how they went. */
  load(next?: () => HttpRequest): HttpLoad;
}

export interface BalancingLabOptions {
  readonly target: string;
  readonly policy?: "least_request" | "round_robin";
  readonly timeout?: string;
  readonly connectTimeout?: string;
}

let loads: HttpLoad[] = [];

/** For `afterEach`: ends all that was opened here, and prints the counts where the test failed. */
export async function closeLab(context: object): Promise<void> {
  for (const load of loads) {
    await load.stop();
    if ("passed" in context && context.passed === false) console.error(load.summary());
  }
  loads = [];
  await cleanUp();
}

export async function openInstance(name: string, options?: InstanceProcessOptions): Promise<InstanceProcess> {
  const instance = await startInstanceProcess(name, options);
  defer(() => instance.signal("SIGKILL"));
  return instance;
}

export async function openGateway({
  target,
  policy = "least_request",
  timeout = "5s",
  connectTimeout = "3s",
}: BalancingLabOptions): Promise<BalancingLab> {
  const gateway = await startGatewayProcess(`
version: 1
server: { timeouts: { drain: 1s } }
defaults: { timeout: ${timeout} }
upstreams:
  bookshop:
    target: "${target}"
    schema: { proto: { files: [bookshop/v1/bookshop.proto], include: [$REPO/protos] } }
    load_balancing: { policy: ${policy} }
    connect_timeout: ${connectTimeout}
routes:
  - rpc: bookshop.v1.Bookshop/GetBook
    get: /v1/{name=shelves/*/books/*}
  - rpc: bookshop.v1.Bookshop/CreateBook
    post: /v1/{parent=shelves/*}/books
    body: book
`);
  const client = new HttpClient(gateway.url);
  defer(() => {
    client.close();
    return gateway.stop();
  });
  return {
    gateway,
    client,
    load(next = () => ({ path: BOOK })) {
      const load = new HttpLoad(client, WORKERS, next);
      loads.push(load);
      return load;
    },
  };
}

/** `pass:///…` of instances and other addresses. */
export function passTo(...places: (string | { readonly address: string })[]): string {
  return `pass:///${places.map((place) => (typeof place === "string" ? place : place.address)).join(",")}`;
}
