import type { TestContext } from "node:test";
import path from "node:path";
import {
  create,
  fromBinary,
  fromJson,
  toBinary,
  toJson,
  type DescMessage,
  type JsonValue,
  type Message,
} from "@bufbuild/protobuf";
import {
  Metadata,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
} from "@grpc/grpc-js";
import { loadSchema } from "../../src/schema/load.ts";
import type { Schema } from "../../src/schema/schema.ts";
import { startTestGateway, type TestGateway } from "./gateway.ts";
import { startGrpcServer, type GrpcServer } from "./grpc-server.ts";

const PROTOS = path.join(import.meta.dirname, "../fixtures/protos");
const schema: Schema = await loadSchema({
  kind: "proto",
  files: ["kinds/v1/kinds.proto", "google/rpc/status.proto"],
  include: [PROTOS],
});

function descOf(name: string): DescMessage {
  const desc = schema.registry.getMessage(name.includes(".") ? name : `kinds.v1.${name}`);
  if (desc === undefined) throw new Error(`no message ${name} in kinds.proto`);
  return desc;
}

/** Protobuf bytes of a message of kinds.proto, or of another by its full name, from its JSON. */
export function encode(name: string, json: JsonValue): Buffer {
  const desc = descOf(name);
  return Buffer.from(toBinary(desc, fromJson(desc, json, { registry: schema.registry })));
}

/** The JSON of protobuf bytes, as protobuf-es writes it. */
export function decode(name: string, bytes: Buffer): JsonValue {
  const desc = descOf(name);
  return toJson(desc, fromBinary(desc, bytes), { registry: schema.registry });
}

export interface Action extends Message {
  readonly name: string;
  readonly count: number;
  readonly size: number;
}

export function decodeAction(bytes: Buffer): Action {
  return fromBinary(descOf("Action"), bytes) as Action; // so it is declared
}

/** `count` results of `size` bytes each are the same for all indexes, so that they cost next to nothing. */
export function resultOf(name: string, size: number): Buffer {
  return Buffer.from(toBinary(descOf("Result"), create(descOf("Result"), { name, payload: new Uint8Array(size) })));
}

export type UnaryCall = ServerUnaryCall<Buffer, Buffer>;
export type UnaryReply = sendUnaryData<Buffer>;
export type StreamCall = ServerWritableStream<Buffer, Buffer>;
export type UploadCall = ServerReadableStream<Buffer, Buffer>;
export type ChatCall = ServerDuplexStream<Buffer, Buffer>;

/** What the instance does; a test replaces what it is about. */
export interface Behaviour {
  act(call: UnaryCall, reply: UnaryReply): void;
  watch(call: StreamCall): void;
  keep(call: UnaryCall, reply: UnaryReply): void;
  load(call: StreamCall): void;
  collect(call: UploadCall, reply: UnaryReply): void;
  upload(call: UploadCall, reply: UnaryReply): void;
  store(call: UploadCall, reply: UnaryReply): void;
  chat(call: ChatCall): void;
}

export interface KindsServer extends GrpcServer {
  readonly behaviour: Behaviour;
}

/** An instance of kinds.v1.Kinds. Cut off at the test's end. */
export async function startKinds(t: TestContext, overrides: Partial<Behaviour> = {}, port = 0): Promise<KindsServer> {
  const behaviour: Behaviour = {
    act: describeCall,
    watch: writeResults,
    keep: giveBack,
    load: endAtOnce,
    collect: countMessages,
    upload: countBytes,
    store: countBytes,
    chat: echo,
    ...overrides,
  };
  const server = await startGrpcServer(
    {
      "/kinds.v1.Kinds/Echo": { kind: "unary", handle: giveBack },
      "/kinds.v1.Kinds/Echoed": { kind: "unary", handle: giveBack },
      "/kinds.v1.Kinds/Keep": { kind: "unary", handle: (call, reply) => behaviour.keep(call, reply) },
      "/kinds.v1.Kinds/Load": { kind: "server_stream", handle: (call) => behaviour.load(call) },
      "/kinds.v1.Kinds/Collect": { kind: "client_stream", handle: (call, reply) => behaviour.collect(call, reply) },
      "/kinds.v1.Kinds/Upload": { kind: "client_stream", handle: (call, reply) => behaviour.upload(call, reply) },
      "/kinds.v1.Kinds/Store": { kind: "client_stream", handle: (call, reply) => behaviour.store(call, reply) },
      "/kinds.v1.Kinds/Attach": { kind: "unary", handle: giveBack },
      "/kinds.v1.Kinds/Chat": { kind: "bidi_stream", handle: (call) => behaviour.chat(call) },
      "/kinds.v1.Kinds/Act": { kind: "unary", handle: (call, reply) => behaviour.act(call, reply) },
      "/kinds.v1.Kinds/Watch": { kind: "server_stream", handle: (call) => behaviour.watch(call) },
    },
    { port },
  );
  t.after(() => server.destroy());
  return Object.assign(server, { behaviour });
}

function giveBack(call: UnaryCall, reply: UnaryReply): void {
  reply(null, call.request);
}

/** Answers with how many messages came, and the text of each. */
function countMessages(call: UploadCall, reply: UnaryReply): void {
  const texts: string[] = [];
  call.on("data", (message: Buffer) => texts.push((decode("Kind", message) as { fString?: string }).fString ?? ""));
  call.on("end", () => reply(null, encode("Result", { name: texts.join(), index: texts.length })));
}

/** Answers with the bytes of all messages. */
function countBytes(call: UploadCall, reply: UnaryReply): void {
  let bytes = 0;
  call.on("data", (message: Buffer) => (bytes += message.length));
  call.on("end", () => reply(null, encode("Result", { index: bytes })));
}

function echo(call: ChatCall): void {
  call.on("data", (message: Buffer) => call.write(message));
  call.on("end", () => call.end());
}

function endAtOnce(call: StreamCall): void {
  call.end();
}

/** Answers with the metadata that came. */
function describeCall(call: UnaryCall, reply: UnaryReply): void {
  reply(null, encode("Result", { name: decodeAction(call.request).name, metadata: flat(call.metadata) }));
}

export function flat(metadata: Metadata): Record<string, string> {
  const entries = Object.entries(metadata.toJSON()).map(([name, values]): [string, string] => [
    name,
    values.map((value) => (typeof value === "string" ? value : value.toString("base64"))).join("|"),
  ]);
  return Object.fromEntries(entries);
}

function writeResults(call: StreamCall): void {
  const { name, count } = decodeAction(call.request);
  for (let index = 0; index < count; index++) call.write(encode("Result", { name, index }));
  call.end();
}

export function metadataOf(entries: Readonly<Record<string, string | Buffer>>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(entries)) metadata.set(name, value);
  return metadata;
}

export interface KindsConfig {
  /** YAML below `server:`, `defaults:`, and of the route `GET /v1/act/{name}`; each in one line of flow style. */
  readonly server?: string;
  readonly defaults?: string;
  readonly act?: string;
  readonly upstream?: string;
}

/** routes.yaml in front of instances at these addresses. */
export function kindsYaml(target: string, { server, defaults, act, upstream }: KindsConfig = {}): string {
  return `version: 1
server: ${server ?? "{}"}
defaults: ${defaults ?? "{}"}
upstreams:
  kinds:
    target: pass:///${target}
    schema: { proto: { files: [kinds/v1/kinds.proto], include: ["$REPO/test/fixtures/protos"] } }
    ${upstream ?? ""}
routes:
  - { rpc: kinds.v1.Kinds/Echo, post: /v1/echo, body: "*" }
  - { rpc: kinds.v1.Kinds/Echo, put: "/v1/echo/{f_string}", body: f_message }
  - { rpc: kinds.v1.Kinds/Echo, get: "/v1/echo/{f_int64}" }
  - { rpc: kinds.v1.Kinds/Act, get: "/v1/act/{name}", additional_bindings: [{ post: "/v1/act/{name}" }]${act === undefined ? "" : `, ${act}`} }
  - { rpc: kinds.v1.Kinds/Watch, get: "/v1/watch/{name}", additional_bindings: [{ post: /v1/watch, body: "*" }] }
  - { rpc: kinds.v1.Kinds/Collect, post: /v1/collect, body: "*" }
  - { rpc: kinds.v1.Kinds/Collect, post: "/v1/collect/{f_int32}", body: f_message }
  - { rpc: kinds.v1.Kinds/Collect, get: "/v1/collect/{f_string}" }
  - { rpc: kinds.v1.Kinds/Chat, post: "/v1/chat/{f_string}", body: "*" }
  - { rpc: kinds.v1.Kinds/Upload, post: /v1/upload, body: "*" }
  - { rpc: kinds.v1.Kinds/Attach, post: /v1/attach, body: "*" }
  - { rpc: kinds.v1.Kinds/Attach, post: "/v1/attach/{tenant}", body: inner, additional_bindings: [{ patch: "/v1/attach/{tenant}", body: inner }] }
  - { rpc: kinds.v1.Kinds/Store, post: "/v1/store/{tenant}", body: "*", additional_bindings: [{ post: "/v1/inner/{tenant}", body: inner }] }
  - { rpc: kinds.v1.Kinds/Store, put: "/v1/store/{tenant}", body: file }
  - { rpc: kinds.v1.Kinds/Echoed, post: /v1/echoed, body: "*" }
  - { rpc: kinds.v1.Kinds/Keep, put: "/v1/files/{name}", body: content, response_body: content }
  - { rpc: kinds.v1.Kinds/Keep, post: "/v1/files/{name}", body: content }
  - { rpc: kinds.v1.Kinds/Load, get: "/v1/load/{name}" }
`;
}

/** A gateway in front of one instance, its connection ready. */
export async function startKindsGateway(
  t: TestContext,
  config: KindsConfig = {},
  overrides: Partial<Behaviour> = {},
): Promise<{ gateway: TestGateway; upstream: KindsServer }> {
  const upstream = await startKinds(t, overrides);
  const gateway = await startTestGateway(t, kindsYaml(upstream.address, config));
  return { gateway, upstream };
}

export interface ErrorJson {
  readonly code: number;
  readonly message: string;
  readonly details: readonly Record<string, unknown>[];
}
