/**
 * One instance of the bookshop as a process:
 *
 *     node demo/instance.ts [--name bookshop-1] [--host 127.0.0.1] [--port 0] [--etcd URL [--advertise host:port]]
 *
 * It prints `{"port":50051}` when it serves. SIGTERM ends it in good order, SIGINT as well where it stands alone.
 * Started with an IPC channel it tells its parent every change of its books, takes over those that the parent sends,
 * and ends with the parent.
 */
import { once } from "node:events";
import { parseArgs } from "node:util";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { register } from "../src/discovery/register.ts";
import { addServices } from "./service.ts";
import { Shop, type Change } from "./shop.ts";

// Calls in flight get this long; a watch may have no end of its own.
const DRAIN_MS = 2000;

const { values } = parseArgs({
  options: {
    name: { type: "string" },
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "0" },
    etcd: { type: "string" },
    advertise: { type: "string" },
  },
});

const hasParent = process.channel !== undefined;
const stopped = new AbortController();
const stop = (): void => stopped.abort();
process.on("SIGTERM", stop);
// Ctrl-C reaches the whole group; the parent lets the gateway finish first and ends its instances then.
process.on("SIGINT", hasParent ? () => {} : stop);
process.on("disconnect", () => process.exit());

const shop = new Shop();
const server = new Server();
addServices(server, shop, values.name ?? `bookshop-${process.pid}`);
shop.events.on("made", (change) => process.send?.(change));
process.on("message", (change: Change) => shop.apply(change));

const port = await new Promise<number>((resolve, reject) => {
  server.bindAsync(`${values.host}:${values.port}`, ServerCredentials.createInsecure(), (error, bound) => {
    if (error === null) resolve(bound);
    else reject(error);
  });
});
const registration =
  values.etcd === undefined
    ? undefined
    : register({
        endpoints: [values.etcd],
        service: "bookshop",
        address: values.advertise ?? `${values.host}:${port}`,
        onEvent: (event) => {
          if (!hasParent) console.error(JSON.stringify(event));
        },
      });
const toldToStop = stopped.signal.aborted ? Promise.resolve() : once(stopped.signal, "abort");
if (registration !== undefined) await Promise.race([registration.ready, toldToStop]);
process.stdout.write(`${JSON.stringify({ port })}\n`);

await toldToStop;
// First out of the list, so that no call comes for an instance that is leaving.
await registration?.close();
const forced = setTimeout(() => server.forceShutdown(), DRAIN_MS);
await new Promise((resolve) => server.tryShutdown(resolve));
clearTimeout(forced);
process.exit();
