import { Metadata, type sendUnaryData, type ServerWritableStream } from "@grpc/grpc-js";
import type { RawMethod } from "./grpc-server.ts";

/**
 * What test instances answer, in the same way in this process and in others:
 *
 *     /test.Lab/Echo    the message as it came
 *     /test.Lab/Name    the instance's name
 *     /test.Lab/Sleep   the name, after as many milliseconds as the message says
 *     /test.Lab/Fail    status and text of the message, such as `14 not now`
 *     /test.Lab/Chunks  `count size`: a stream of that many messages of that size
 *     /test.Lab/Bidi    each message back; ends when the client does
 *     /test.Lab/Health  sets what `/grpc.health.v1.Health/Watch` tells, such as `2`; `end` ends its streams
 */
export function labMethods(name: string): Record<string, RawMethod> {
  return {
    ...healthMethods(),
    "/test.Lab/Echo": { kind: "unary", handle: (call, reply) => reply(null, call.request) },
    "/test.Lab/Name": { kind: "unary", handle: (_, reply) => reply(null, Buffer.from(name)) },
    "/test.Lab/Sleep": {
      kind: "unary",
      handle: (call, reply) =>
        void setTimeout(() => reply(null, Buffer.from(name)), Number(call.request.toString())).unref(),
    },
    "/test.Lab/Fail": { kind: "unary", handle: (call, reply) => fail(call.request, reply) },
    "/test.Lab/Chunks": {
      kind: "server_stream",
      handle: (call) => {
        const [count = 0, size = 0] = call.request.toString().split(" ").map(Number);
        const chunk = Buffer.alloc(size, "x");
        let sent = 0;
        const write = () => {
          while (sent < count) {
            sent++;
            if (!call.write(chunk)) return void call.once("drain", write);
          }
          call.end();
        };
        write();
      },
    },
    "/test.Lab/Bidi": {
      kind: "bidi_stream",
      handle: (call) => {
        call.on("data", (message: Buffer) => call.write(message));
        call.on("end", () => call.end());
        call.on("error", () => {});
      },
    },
  };
}

function healthMethods(): Record<string, RawMethod> {
  let status = 1;
  const watchers = new Set<ServerWritableStream<Buffer, Buffer>>();
  const tell = (watcher: ServerWritableStream<Buffer, Buffer>) => watcher.write(Buffer.from([8, status]));
  return {
    "/test.Lab/Health": {
      kind: "unary",
      handle: (call, reply) => {
        const word = call.request.toString();
        if (word === "end") for (const watcher of watchers) watcher.end();
        else {
          status = Number(word);
          for (const watcher of watchers) tell(watcher);
        }
        reply(null, Buffer.from(String(watchers.size)));
      },
    },
    "/grpc.health.v1.Health/Watch": {
      kind: "server_stream",
      handle: (call) => {
        watchers.add(call);
        call.on("close", () => watchers.delete(call));
        call.on("cancelled", () => watchers.delete(call));
        call.on("error", () => {});
        tell(call);
      },
    },
  };
}

function fail(request: Buffer, reply: sendUnaryData<Buffer>): void {
  const [code = "", ...words] = request.toString().split(" ");
  const metadata = new Metadata();
  metadata.set("x-reason", "asked for");
  reply({ code: Number(code), details: words.join(" "), metadata });
}
