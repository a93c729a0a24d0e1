// An instance of the bookshop that is slow, out of order, or keeps a ledger; started by instance-process.ts:
//
//     node odd-instance.ts --name NAME [--host 127.0.0.1] [--port 0] [--etcd URL] [--delay MS] [--unavailable]
//                          [--ledger FILE] [--max-age MS] [--succeed MS]
//
// --etcd        registers there as `bookshop`, until SIGTERM
// --delay       answers so much later
// --unavailable answers UNAVAILABLE to everything, at once; the message {"unavailable":true|false} of its parent as well
// --ledger      writes a line with the id of each book that it is asked to create, before anything else
// --max-age     ends each connection by GOAWAY at that age
// --succeed     listens so long after its predecessor at the port was gone; it is ready for that when it says its port
import { appendFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import {
  Server,
  ServerCredentials,
  status,
  type handleUnaryCall,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { addServices } from "../../demo/service.ts";
import { Shop } from "../../demo/shop.ts";
import { tryConnect } from "../../src/discovery/registration/listening.ts";
import { register } from "../../src/discovery/register.ts";

const { values } = parseArgs({
  options: {
    name: { type: "string", default: "odd" },
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "0" },
    etcd: { type: "string" },
    delay: { type: "string", default: "0" },
    unavailable: { type: "boolean", default: false },
    ledger: { type: "string" },
    "max-age": { type: "string" },
    succeed: { type: "string" },
  },
});

type Unary = handleUnaryCall<{ book_id?: string }, unknown>;

class OddServer extends Server {
  override addService(...[service, implementation]: Parameters<Server["addService"]>): void {
    const odd: UntypedServiceImplementation = { ...implementation };
    for (const [name, method] of Object.entries(service)) {
      if (method.requestStream || method.responseStream) continue;
      odd[name] = oddly(implementation[name] as Unary, name); // unary, as just seen
    }
    super.addService(service, odd);
  }
}

function oddly(handle: Unary, method: string): Unary {
  return (call, callback) => {
    // Synchronously: what is written before a kill -9 stays written.
    if (values.ledger !== undefined && method === "CreateBook") {
      appendFileSync(values.ledger, `${call.request.book_id}\n`);
    }
    if (isUnavailable) callback({ code: status.UNAVAILABLE, details: "not now" });
    else setTimeout(() => handle(call, callback), Number(values.delay));
  };
}

let isUnavailable = values.unavailable;
process.on("message", (message: { unavailable: boolean }) => {
  isUnavailable = message.unavailable;
});
process.on("disconnect", () => process.exit());

const maxAge = values["max-age"];
const server = new OddServer(maxAge === undefined ? {} : { "grpc.max_connection_age_ms": Number(maxAge) });
addServices(server, new Shop(), values.name);
const sayPort = (bound: number): void => void process.stdout.write(`${JSON.stringify({ port: bound })}\n`);
if (values.succeed !== undefined) {
  sayPort(Number(values.port));
  while ((await tryConnect(`${values.host}:${values.port}`)) === null) await delay(20);
  await delay(Number(values.succeed));
}
const port = await new Promise<number>((resolve, reject) => {
  server.bindAsync(`${values.host}:${values.port}`, ServerCredentials.createInsecure(), (error, bound) =>
    error === null ? resolve(bound) : reject(error),
  );
});
const registration =
  values.etcd === undefined
    ? undefined
    : register({ endpoints: [values.etcd], service: "bookshop", address: `${values.host}:${port}`, ttlSeconds: 2 });
process.on("SIGTERM", () => {
  void (async () => {
    await registration?.close();
    server.tryShutdown(() => process.exit());
  })();
});
if (values.succeed === undefined) sayPort(port);
