import { Metadata, type sendUnaryData } from "@grpc/grpc-js";
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
 */
export function labMethods(name: string): Record<string, RawMethod> {
  return {
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

function fail(request: Buffer, reply: sendUnaryData<Buffer>): void {
  const [code = "", ...words] = request.toString().split(" ");
  const metadata = new Metadata();
  metadata.set("x-reason", "asked for");
  reply({ code: Number(code), details: words.join(" "), metadata });
}
