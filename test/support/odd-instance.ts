// An instance of the bookshop that is slow, out of order, or keeps a ledger; started by instance-process.ts:
//
//     node odd-instance.ts --name NAME [--port 0] [--delay MS] [--unavailable] [--ledger FILE]
//
// --delay       answers so much later
// --unavailable answers UNAVAILABLE to everything, at once
// --ledger      writes a line with the id of each book that it is asked to create, before anything else
import { appendFileSync } from "node:fs";
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

const { values } = parseArgs({
  options: {
    name: { type: "string", default: "odd" },
    port: { type: "string", default: "0" },
    delay: { type: "string", default: "0" },
    unavailable: { type: "boolean", default: false },
    ledger: { type: "string" },
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
    if (values.unavailable) callback({ code: status.UNAVAILABLE, details: "not now" });
    else setTimeout(() => handle(call, callback), Number(values.delay));
  };
}

process.on("disconnect", () => process.exit());
const server = new OddServer();
addServices(server, new Shop(), values.name);
server.bindAsync(`127.0.0.1:${values.port}`, ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`${JSON.stringify({ port })}\n`);
});
process.on("SIGTERM", () => server.tryShutdown(() => process.exit()));
