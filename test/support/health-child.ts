// A gRPC server that does as its stdin says, and tells on stdout what it sees; run by `sluice register` in tests:
//
//     node health-child.ts PORT [watch | check | none]    which of grpc.health.v1 it has
//
// It takes `listen`, `status N`, `exit N`, and answers each with itself; a signal it tells by name, and SIGTERM ends it
// with code 3.
import { createInterface } from "node:readline";
import type { ServerWritableStream } from "@grpc/grpc-js";
import { startGrpcServer, type RawMethod } from "./grpc-server.ts";

const [port = "0", health = "none"] = process.argv.slice(2);
const say = (what: string): void => void process.stdout.write(`${what}\n`);
let status = 1;
const watches = new Set<ServerWritableStream<Buffer, Buffer>>();
const reply = (): Buffer => Buffer.from([0x08, status]);

const check: RawMethod = { kind: "unary", handle: (_call, answer) => answer(null, reply()) };
const watch: RawMethod = {
  kind: "server_stream",
  handle(call) {
    watches.add(call);
    call.on("cancelled", () => watches.delete(call));
    call.write(reply());
  },
};
const methods: Record<string, RawMethod> = {
  "/test.Health/Other": check, // a server has at least one
  ...(health !== "none" && { "/grpc.health.v1.Health/Check": check }),
  ...(health === "watch" && { "/grpc.health.v1.Health/Watch": watch }),
};

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2"] as const) {
  process.on(signal, () => {
    say(signal);
    if (signal === "SIGTERM") process.exit(3);
  });
}
say(`pid ${process.pid}`);
for await (const line of createInterface({ input: process.stdin })) {
  const [command, value] = line.split(" ");
  if (command === "listen") await startGrpcServer(methods, { port: Number(port) });
  if (command === "status") {
    status = Number(value);
    for (const call of watches) call.write(reply());
  }
  if (command === "exit") process.exit(Number(value));
  say(line);
}
