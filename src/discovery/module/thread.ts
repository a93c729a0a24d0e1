import { parentPort, workerData } from "node:worker_threads";

// What a module runs in: a thread, so that what it throws, and when, ends the thread and nothing else.

/** How the thread is started. */
export interface ThreadData {
  /** Of the module. */
  readonly url: string;
  readonly upstream: string;
  readonly options: Readonly<Record<string, unknown>>;
}

export type ToThread = "refresh" | "close";

/** What comes of a module is checked where it is taken. */
export type FromThread =
  | { readonly type: "endpoints"; readonly endpoints: unknown }
  | { readonly type: "trouble"; readonly reason: unknown }
  | { readonly type: "recovered" }
  | { readonly type: "closed" };

interface UserResolver {
  start?(listener: object): unknown;
  refresh?(): unknown;
  close?(): unknown;
}

if (parentPort !== null) await run(parentPort, workerData as ThreadData);

async function run(port: NonNullable<typeof parentPort>, { url, upstream, options }: ThreadData): Promise<void> {
  const tell = (message: FromThread): void => {
    try {
      port.postMessage(message);
    } catch (error) {
      // A DataCloneError itself loses its words on the way to the main thread.
      throw new TypeError((error as Error).message);
    }
  };
  const { default: create } = (await import(url)) as { default?: unknown };
  if (typeof create !== "function") throw new Error("its default export is no function");
  const resolver = (await create({ upstream, options })) as UserResolver | undefined;
  if (typeof resolver?.start !== "function") throw new Error("its function gives nothing that has start()");
  port.on("message", async (message: ToThread) => {
    if (message === "refresh") await resolver.refresh?.();
    else {
      await resolver.close?.();
      tell({ type: "closed" });
    }
  });
  await resolver.start({
    onEndpoints: (endpoints: unknown) => tell({ type: "endpoints", endpoints }),
    onTrouble: (reason: unknown) => tell({ type: "trouble", reason }),
    onRecovered: () => tell({ type: "recovered" }),
  });
}
