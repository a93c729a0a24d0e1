// npm run bench:micro: what translation costs per message, CPU time, beside the usual ways: protobufjs (as with
// proto-loader) and protobuf-es. Nothing of HTTP or gRPC is in these figures.
import { fromBinary, fromJsonString, toBinary, toJsonString, type DescMessage } from "@bufbuild/protobuf";
import path from "node:path";
import protobufjs from "protobufjs";
import { loadSchema } from "../../src/schema/load.ts";
import { createJsonReaders } from "../../src/transcode/json-read.ts";
import { createJsonWriters } from "../../src/transcode/json-write.ts";
import { defaultJsonOptions } from "../../src/transcode/options.ts";
import { sink } from "../../src/transcode/sink.ts";
import { wire } from "../../src/transcode/wire.ts";
import { workloads } from "../workloads.ts";
import { cpuUs } from "./cpu.ts";

const PROTOS = path.join(import.meta.dirname, "../protos");

const { registry } = await loadSchema({ kind: "proto", files: ["bench/v1/catalog.proto"], include: [PROTOS] });
const usual = await loadUsual();

async function loadUsual(): Promise<protobufjs.Root> {
  const loaded = new protobufjs.Root();
  const bundled = path.join(import.meta.dirname, "../../protos");
  loaded.resolvePath = (_, target) => path.join(target.startsWith("google/") ? bundled : PROTOS, target);
  return await loaded.load("bench/v1/catalog.proto");
}

function descOf(name: string): DescMessage {
  const desc = registry.getMessage(name);
  if (desc === undefined) throw new Error(`no message ${name}`);
  return desc;
}

const writers = createJsonWriters(registry, defaultJsonOptions);
const readers = createJsonReaders(registry, defaultJsonOptions);
console.log("| message | way | protobuf -> JSON, us | JSON -> protobuf, us |\n|---|---|---|---|");
for (const { name, reply, what } of (await workloads()).slice(0, 3)) {
  const type = name === "W3" ? "bench.v1.ListItemsResponse" : "bench.v1.Item";
  const desc = descOf(type);
  const bytes = Buffer.from(reply[0] ?? []);
  const json = toJsonString(desc, fromBinary(desc, bytes), { registry });
  const jsonBytes = Buffer.from(json);
  const write = writers.message(desc);
  const read = readers.message(desc);
  const Type = usual.lookupType(type);
  const toPlain = (): object => Type.toObject(Type.decode(bytes), { longs: String, enums: String, bytes: String });
  // It does not know ProtoJSON: a Timestamp is an object of two fields, so it reads a text of its own.
  const plainJson = JSON.stringify(toPlain());
  const rows: [string, number, number][] = [
    [
      "compiled",
      cpuUs(() => {
        sink.reset();
        write(bytes, 0, bytes.length);
        sink.take();
      }),
      cpuUs(() => {
        wire.reset();
        read(jsonBytes, 0, jsonBytes.length);
        wire.take();
      }),
    ],
    [
      "protobufjs, JSON.parse, JSON.stringify",
      cpuUs(() => JSON.stringify(toPlain())),
      cpuUs(() => Type.encode(Type.fromObject(JSON.parse(plainJson) as object)).finish()),
    ],
    [
      "protobuf-es",
      cpuUs(() => toJsonString(desc, fromBinary(desc, bytes), { registry })),
      cpuUs(() => toBinary(desc, fromJsonString(desc, jsonBytes.toString(), { registry }))),
    ],
  ];
  for (const [way, out, back] of rows) console.log(`| ${what} | ${way} | ${out.toFixed(2)} | ${back.toFixed(2)} |`);
}
