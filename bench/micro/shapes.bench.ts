// node bin/run.js bench/micro/shapes.bench.ts: translation of messages that are made of one kind of field each, in CPU time a
// message, beside protobuf-es; it shows which kind is slow for its size.
import { fromBinary, fromJson, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import path from "node:path";
import { loadSchema } from "../../src/schema/load.ts";
import { createJsonReaders } from "../../src/transcode/json-read.ts";
import { createJsonWriters } from "../../src/transcode/json-write.ts";
import { defaultJsonOptions } from "../../src/transcode/options.ts";
import { sink } from "../../src/transcode/sink.ts";
import { wire } from "../../src/transcode/wire.ts";
import { shapes } from "../shapes.ts";
import { cpuUs } from "./cpu.ts";

const MIN_MS = 60;
const USUAL_MS = 20;

const { registry } = await loadSchema({
  kind: "proto",
  files: ["bench/v1/shapes.proto"],
  include: [path.join(import.meta.dirname, "../protos")],
});
const desc = registry.getMessage("bench.v1.Shapes");
if (desc === undefined) throw new Error("no message bench.v1.Shapes");

console.log(
  "| message | JSON, bytes | protobuf -> JSON, us | ns a byte | times protobuf-es | JSON -> protobuf, us | ns a byte | times protobuf-es |",
);
console.log("|---|---|---|---|---|---|---|---|");
for (const [name, value] of shapes) {
  // Of its own each: a route's message is not all of these.
  const write = createJsonWriters(registry, defaultJsonOptions).message(desc);
  const read = createJsonReaders(registry, defaultJsonOptions).message(desc);
  const bytes = Buffer.from(toBinary(desc, fromJson(desc, value, { registry })));
  const json = Buffer.from(toJsonString(desc, fromBinary(desc, bytes), { registry }));
  const rows = [
    [
      cpuUs(() => {
        sink.reset();
        write(bytes, 0, bytes.length);
        sink.take();
      }, MIN_MS),
      cpuUs(() => toJsonString(desc, fromBinary(desc, bytes), { registry }), USUAL_MS),
    ],
    [
      cpuUs(() => {
        wire.reset();
        read(json, 0, json.length);
        wire.take();
      }, MIN_MS),
      cpuUs(() => toBinary(desc, fromJsonString(desc, json.toString(), { registry })), USUAL_MS),
    ],
  ].map(([ours = 0, theirs = 0]) =>
    [ours.toFixed(2), ((ours * 1000) / json.length).toFixed(1), (ours / theirs).toFixed(2)].join(" | "),
  );
  console.log(`| ${name} | ${json.length} | ${rows.join(" | ")} |`);
}
