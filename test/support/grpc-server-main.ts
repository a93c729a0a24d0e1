// An instance in a process of its own, started by grpc-server-process.ts: `node grpc-server-main.ts NAME PORT`.
import { startGrpcServer } from "./grpc-server.ts";
import { labMethods } from "./grpc-server-lab.ts";

const [name = "", port = "0"] = process.argv.slice(2);
const server = await startGrpcServer(labMethods(name), { port: Number(port) });
process.on("SIGTERM", () => void server.close().then(() => process.disconnect?.()));
// The test is gone.
process.on("disconnect", () => process.exit());
process.send?.(server.port);
