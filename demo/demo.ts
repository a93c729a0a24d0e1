/** `sluice demo`: the gateway on the repository's routes.yaml, in front of three instances of the bookshop. */
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { startEtcd } from "./etcd.ts";
import { startInstance, type Instance } from "./instances.ts";
import type { Change } from "./shop.ts";

const CONFIG = fileURLToPath(new URL("../routes.yaml", import.meta.url));
const SHELF = "v1/shelves/fiction/books";
const INSTANCES = 3;

export interface DemoOptions {
  /** The instances register in an etcd of the demo's own, and the gateway finds them there. */
  readonly etcd: boolean;
  /** Of the gateway; 0 takes a free one. */
  readonly port: number;
  /** What the gateway's configuration may read; the demo adds to it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly serve: (options: ServeOptions) => Promise<Served>;
  /** Takes one line. */
  readonly print: (line: string) => void;
  /** Ends the demo. */
  readonly signal: AbortSignal;
}

export interface ServeOptions {
  /** Path of routes.yaml. */
  readonly config: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly port: number;
}

/** A running gateway. */
export interface Served {
  /** `http://127.0.0.1:8080` */
  readonly address: string;
  readonly routesTable: string;
  /** Lets requests in flight finish. */
  close(): Promise<void>;
}

/**
 * Starts everything, prints what to try, and resolves when `signal` came and everything has ended. Rejects with what
 * kept it from starting, after ending what was started.
 */
export async function runDemo({ etcd, port, env, serve, print, signal }: DemoOptions): Promise<void> {
  const closers: (() => Promise<void>)[] = [];
  let isEnding = false;
  try {
    const etcdUrl = etcd ? await openEtcd(closers) : undefined;
    signal.throwIfAborted();
    const instances = await openInstances(etcdUrl, closers, signal);
    for (const instance of instances) {
      instance.ended.then((how) => {
        if (!signal.aborted && !isEnding) print(`${instance.name} ended (${how}); the gateway goes on with the others`);
      });
    }
    const target =
      etcdUrl === undefined
        ? { BOOKSHOP_TARGET: `pass:///${instances.map((instance) => instance.address).join(",")}` }
        : { BOOKSHOP_TARGET: "etcd:///bookshop", ETCD_ENDPOINT: etcdUrl };
    const gateway = await serve({ config: shortest(CONFIG), env: { ...env, ...target }, port });
    closers.push(() => gateway.close());
    signal.throwIfAborted();

    for (const line of banner(gateway, instances, etcdUrl)) print(line);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    print("stopping");
  } catch (error) {
    // Told to end while it began: that is no failure.
    if (!signal.aborted || error !== signal.reason) throw error;
  } finally {
    isEnding = true;
    // The gateway first: what it still has in flight needs the instances, and these need etcd to leave its list.
    for (const close of closers.reverse()) await close();
  }
}

/** As a user would name it from here; the table of routes repeats it in every line. */
function shortest(file: string): string {
  const fromHere = relative(process.cwd(), file);
  return fromHere.length < file.length ? fromHere : file;
}

async function openEtcd(closers: (() => Promise<void>)[]): Promise<string> {
  const etcd = await startEtcd();
  closers.push(() => etcd.dispose());
  return etcd.url;
}

async function openInstances(
  etcdUrl: string | undefined,
  closers: (() => Promise<void>)[],
  signal: AbortSignal,
): Promise<Instance[]> {
  const instances: Instance[] = [];
  closers.push(async () => void (await Promise.all(instances.map((instance) => instance.stop()))));
  // What one shop changes all others take over, as they would through a common database.
  const tellOthers = (from: Instance, change: Change): void => {
    for (const instance of instances) if (instance !== from) instance.tell(change);
  };
  for (let number = 1; number <= INSTANCES; number++) {
    instances.push(startInstance({ name: `bookshop-${number}`, etcdUrl, onChange: tellOthers }));
  }
  await Promise.all(instances.map((instance) => instance.ready(signal)));
  return instances;
}

function banner(
  { address, routesTable }: Served,
  instances: readonly Instance[],
  etcdUrl: string | undefined,
): string[] {
  const solaris = JSON.stringify({
    title: "Solaris",
    authors: [{ displayName: "Stanislaw Lem", role: "author" }],
    format: "PAPERBACK",
    price: { currencyCode: "EUR", units: "12" },
  });
  return [
    `The gateway listens on ${address}`,
    `in front of ${instances.map(({ name, address, pid }) => `${name} (${address}, pid ${pid})`).join(", ")}`,
    ...(etcdUrl === undefined ? [] : [`which it finds in etcd at ${etcdUrl}`]),
    "",
    ...routesTable.trimEnd().split("\n"),
    "",
    "Try:",
    "",
    `curl -i ${address}/${SHELF}/dune`,
    `curl -i ${address}/${SHELF} -H 'content-type: application/json' -d '${solaris}'`,
    `curl -N '${address}/${SHELF}:watch?count=5&interval=0.5s'`,
    "",
    "Ctrl-C stops it all.",
  ];
}
