import { fromBinary, fromJson, toBinary, toJsonString, type DescMessage, type JsonObject } from "@bufbuild/protobuf";
import { loadSchema } from "../src/schema/load.ts";
import type { Schema } from "../src/schema/schema.ts";
import path from "node:path";
import { shapes } from "./shapes.ts";

const HERE = import.meta.dirname;
// Field 6 of PutShapesRequest, length-delimited.
const PUT_SHAPES_TAG = 0x32;

/** The bench's own contract. */
export const contract: Schema = await loadSchema({
  kind: "proto",
  files: ["bench/v1/catalog.proto", "bench/v1/shapes_service.proto"],
  include: [path.join(HERE, "protos")],
});

/** One way of using the gateway: what the client sends, and what the upstream answers with. */
export interface Workload {
  readonly name: string;
  readonly what: string;
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  readonly body: string;
  readonly connections: number;
  /** Tells the upstream by the request message which workload it is; see requestKey. */
  readonly requestKey: string;
  /** The upstream's answer: the messages of one call, on the wire. */
  readonly reply: readonly Uint8Array[];
  /** Whether a reply's JSON is right; the bench measures nothing else. */
  isRight(text: string): boolean;
}

/** A short message as hex; any longer one is W2's, or one of shapes by its first tag. */
export function requestKey(message: Uint8Array): string {
  if (message[0] === PUT_SHAPES_TAG) return "shapes";
  return message.length > 8 ? "large" : Buffer.from(message).toString("hex");
}

const small: JsonObject = {
  name: "Folding garden chair",
  state: "STATE_ACTIVE",
  price: 129.95,
  tags: ["garden", "outdoor", "sale"],
  labels: { color: "forest-green", material: "steel" },
  createTime: "2026-10-09T08:54:02.123Z",
  dimensions: { width: 52.5, height: 88.25, depth: 57.5 },
  stock: 1734,
  featured: true,
  relatedIds: [7, 11, 13, 17, 19],
};

const large: JsonObject = {
  ...small,
  id: "4200001",
  name: "Folding garden chair, powder coated, set of two",
  tags: ["garden", "outdoor", "sale", "summer", "furniture", "foldable", "weatherproof", "bestseller"],
  labels: {
    color: "forest-green",
    material: "steel",
    warehouse: "ams-3",
    supplier: "Tuinmeubelen Groothandel B.V.",
    care: "wipe with a damp cloth; do not bleach",
    origin: "NL",
    batch: "2026-W41-0007",
    season: "summer",
  },
  thumbnail: Buffer.from(Array.from({ length: 150 }, (_, i) => i)).toString("base64"),
  relatedIds: [4200007, 4200011, 4200013, 4200017, 4200019, 4200023, 4200029, 4200031],
};

function message(name: string): DescMessage {
  const desc = contract.registry.getMessage(`bench.v1.${name}`);
  if (desc === undefined) throw new Error(`no message bench.v1.${name}`);
  return desc;
}

function encode(desc: DescMessage, json: JsonObject): Uint8Array {
  return toBinary(desc, fromJson(desc, json, { registry: contract.registry }));
}

/** The four workloads of the design, W1 to W4, then each of `shapes` from protobuf to JSON, R1 …, and back, S1 …. */
export function workloads(): readonly Workload[] {
  return [...mainWorkloads(), ...shapeWorkloads()];
}

function shapeWorkloads(): Workload[] {
  const desc = message("Shapes");
  return shapes.flatMap(([what, json], index): Workload[] => {
    const bytes = encode(desc, json);
    const text = toJsonString(desc, fromBinary(desc, bytes), { registry: contract.registry });
    const common = { connections: 16, path: "/v1/shapes", isRight: () => true };
    return [
      {
        ...common,
        name: `R${index + 1}`,
        what: `${what}, protobuf to JSON`,
        method: "GET",
        path: `/v1/shapes/${index + 1}`,
        body: "",
        requestKey: requestKey(encode(message("GetShapesRequest"), { index: index + 1 })),
        reply: [bytes],
        // Peers write spaces where they like, and order maps as they like.
        isRight: (reply) => Math.abs(reply.length - text.length) < text.length * 0.5,
      },
      {
        ...common,
        name: `S${index + 1}`,
        what: `${what}, JSON to protobuf`,
        method: "PUT",
        body: text,
        requestKey: "shapes",
        reply: [Buffer.alloc(0)],
      },
    ];
  });
}

function mainWorkloads(): Workload[] {
  const item = message("Item");
  const numbered = (id: number): JsonObject => ({ ...small, id: String(id) });
  const items = Array.from({ length: 100 }, (_, i) => numbered(i + 1));
  const largeJson = toJsonString(item, fromJson(item, large));

  return [
    {
      name: "W1",
      what: "GET one item, 370 B",
      method: "GET",
      path: "/v1/items/42",
      body: "",
      connections: 64,
      requestKey: requestKey(encode(message("GetItemRequest"), { id: "42" })),
      reply: [encode(item, numbered(42))],
      isRight: (text) => text.includes('"id":"42"') && text.includes('"2026-10-09T08:54:02.123Z"'),
    },
    {
      name: "W2",
      what: "POST an item of 860 B",
      method: "POST",
      path: "/v1/items",
      body: largeJson,
      connections: 64,
      requestKey: "large",
      reply: [encode(item, large)],
      isRight: (text) => text.includes('"id":"4200001"') && text.includes('"Tuinmeubelen Groothandel B.V."'),
    },
    {
      name: "W3",
      what: "GET 100 items, 37 KB",
      method: "GET",
      path: "/v1/items?pageSize=100",
      body: "",
      connections: 64,
      requestKey: requestKey(encode(message("ListItemsRequest"), { pageSize: 100 })),
      reply: [encode(message("ListItemsResponse"), { items })],
      isRight: (text) => text.split('"createTime"').length === 101,
    },
    {
      name: "W4",
      what: "stream of 1,000 messages",
      method: "GET",
      path: "/v1/items:watch?count=1000",
      body: "",
      connections: 8,
      requestKey: requestKey(encode(message("WatchItemsRequest"), { count: 1000 })),
      reply: Array.from({ length: 1000 }, (_, i) => encode(item, numbered(i + 1))),
      isRight: (text) => text.split('"createTime"').length === 1001,
    },
  ];
}
