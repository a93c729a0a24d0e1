import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { CodeGeneratorRequestSchema, CodeGeneratorResponseSchema } from "@bufbuild/protobuf/wkt";
import { contract } from "../workloads.ts";
import { CACHE, run, type Peer } from "./peer.ts";

const SOURCE = path.join(import.meta.dirname, "grpc-gateway");
const FOLDER = path.join(CACHE, "grpc-gateway");
const BINARY = path.join(CACHE, "bin", "grpc-gateway");
const GENERATORS = [
  "google.golang.org/protobuf/cmd/protoc-gen-go@v1.36.12",
  "google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2",
  "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-grpc-gateway@v2.33.0",
];

/** grpc-gateway of generated code, built by Go. */
export const grpcGateway: Peer = {
  name: "grpc-gateway",
  setUp() {
    mkdirSync(FOLDER, { recursive: true });
    cpSync(SOURCE, FOLDER, { recursive: true });
    for (const generator of GENERATORS) {
      run("go", ["install", generator]);
      generate(/([^/]+)@/.exec(generator)?.[1] ?? "");
    }
    run("go", ["build", "-buildvcs=false", "-o", BINARY, "."], { cwd: FOLDER });
    return Promise.resolve();
  },
  command: (port, upstream) => [BINARY, `127.0.0.1:${port}`, upstream],
};

/** Runs one of protoc's plugins as protoc would (google/protobuf/compiler/plugin.proto). */
function generate(plugin: string): void {
  const files = [...contract.registry.files].map(({ proto }) => proto);
  const own = files.map(({ name }) => name).filter((name) => name.startsWith("bench/"));
  const request = create(CodeGeneratorRequestSchema, {
    fileToGenerate: own,
    parameter: ["paths=source_relative", ...own.map((name) => `M${name}=bench/benchv1`)].join(),
    protoFile: files,
  });
  const reply = run(path.join(CACHE, "bin", plugin), [], { input: toBinary(CodeGeneratorRequestSchema, request) });
  const { file, error } = fromBinary(CodeGeneratorResponseSchema, reply);
  if (error !== "") throw new Error(`${plugin}: ${error}`);
  mkdirSync(path.join(FOLDER, "benchv1"), { recursive: true });
  for (const { name, content } of file) writeFileSync(path.join(FOLDER, "benchv1", path.basename(name)), content);
}
