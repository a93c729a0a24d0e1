import { HpackDecoder } from "../../src/upstream/connection/http2/hpack/decoder.ts";
import { HpackEncoder } from "../../src/upstream/connection/http2/hpack/encoder.ts";
import { decodeHuffman } from "../../src/upstream/connection/http2/hpack/huffman.ts";

// CPU time per call of what HPACK does for one gRPC request: `node bench/micro/hpack.bench.ts`. Left out: the caches and
// the garbage of a whole process around it, which make all of it somewhat slower.

const ROUNDS = 7;
const CALLS = 100_000;

// What calls return is added up, so that none of them is without effect.
let sink = 0;

function measure(what: string, call: (i: number) => number): void {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const start = process.cpuUsage();
    for (let i = 0; i < CALLS; i++) sink += call(i);
    const { user, system } = process.cpuUsage(start);
    times.push(((user + system) * 1000) / CALLS);
  }
  const sorted = times.slice(2).sort((a, b) => a - b);
  const [best, middle] = [sorted[0] ?? 0, sorted[sorted.length >> 1] ?? 0];
  console.log(`${what.padEnd(64)} ${middle.toFixed(0).padStart(6)} ns  (best ${best.toFixed(0)})`);
}

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex");

function fixedHeaders(path: string): string[] {
  return [
    ...[":method", "POST", ":scheme", "http", ":path", path, ":authority", "10.0.0.5:50051", "te", "trailers"],
    ...["content-type", "application/grpc", "user-agent", "sluice/0.1.0", "grpc-accept-encoding", "gzip,identity"],
  ];
}

/** What a request brings along; strings as an HTTP parser makes them, so many that hashes of most are not known yet. */
const metadata = Array.from({ length: CALLS }, (_, i) => {
  const fresh = (text: string) => Buffer.from(text).latin1Slice();
  return [
    ...[
      "x-request-id",
      fresh(`7f1c9a52-8f0b-4c5e-9d3a-2b6f${i + 10_000_000}`),
      "grpc-timeout",
      fresh(`${4000 + (i % 1000)}m`),
    ],
    ...["x-forwarded-for", fresh(`10.1.2.${i % 250}`), "x-tenant", fresh(`tenant-${i & 1}`)],
  ];
});

const out = Buffer.alloc(4096);

for (const [what, routes] of [
  ["one route", 1],
  ["20 routes", 20],
  ["500 routes, more than the table holds", 500],
] as const) {
  const encoder = new HpackEncoder();
  const prepared = Array.from({ length: routes }, (_, i) =>
    encoder.prepare(fixedHeaders(`/shop.catalog.v1.Catalog/GetItem${i}`)),
  );
  const route = (i: number) => prepared[(i * 7) % routes] as (typeof prepared)[number];
  let bytes = 0;
  measure(`encode prepared, ${what}`, (i) => (bytes = encoder.encodePrepared(route(i), out, 0)));
  measure("  and x-request-id, grpc-timeout, x-forwarded-for, x-tenant", (i) => {
    const at = encoder.encodePrepared(route(i), out, 0);
    return (bytes = encoder.encode(metadata[i] ?? [], out, at));
  });
  console.log(`  the last block: ${bytes} bytes`);
}

{
  const unprepared = new HpackEncoder();
  const headers = fixedHeaders("/shop.catalog.v1.Catalog/GetItem");
  measure("encode the fixed headers unprepared", () => unprepared.encode(headers, out, 0));
  const closed = new HpackEncoder();
  closed.setPeerTableSize(0);
  const prepared = closed.prepare(headers);
  measure("encode prepared, peer's table size 0", () => closed.encodePrepared(prepared, out, 0));
}

const decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 65_536 });
function measureDecode(what: string, block: Buffer): void {
  measure(`decode ${what}, ${block.length} bytes`, () => decoder.decode(block, 0, block.length)?.length ?? 0);
}

const first = hex("88 5f 8b 1d75d0620d263d4c4d6564 40 88 9acac8b21234da8f 0130 40 89 9acac8b5254207317f 00");
decoder.decode(first, 0, first.length);
measureDecode("reply headers, kept", hex("88 c0"));
measureDecode("trailers, kept", hex("bf be"));
measureDecode("ten indexed headers, too long to be kept", hex("88 c0 bf be 88 c0 bf be 88 c0"));
measureDecode("a literal of an indexed name, not kept", hex("88 c0 bf be 0f 0d 05 3132333435"));
measureDecode("a Huffman-coded date, not kept", hex("88 0f 12 96 d07abe941054d444a8200595040b8166e082a62d1bff"));
measureDecode("all of it as literals", hex("88 0f10 8b 1d75d0620d263d4c4d6564 00 88 9acac8b21234da8f 0130"));
{
  const text = hex("9d29ad171863c78f0b97c8e9ae82ae43d3");
  measure("decodeHuffman, 23 characters", () => decodeHuffman(text, 0, text.length).length);
}

// Where write.ts and encoder.ts change from a loop to a native call.
for (const length of [8, 12, 16, 32, 64]) {
  const texts = Array.from({ length: 16 }, (_, i) => Buffer.alloc(length, 0x61 + i).latin1Slice());
  const bytes = new Uint8Array(length + 16);
  measure(`write ${length} characters, loop`, (i) => {
    const text = texts[i & 15] ?? "";
    for (let at = 0; at < text.length; at++) out[at] = text.charCodeAt(at);
    return text.length;
  });
  measure(`write ${length} characters, latin1Write`, (i) => out.latin1Write(texts[i & 15] ?? "", 0, length));
  measure(`copy ${length} bytes, loop`, (i) => {
    const size = length + (i & 1);
    for (let at = 0; at < size; at++) out[at] = bytes[at] ?? 0;
    return size;
  });
  measure(`copy ${length} bytes, set`, (i) => {
    out.set(bytes.subarray(0, length + (i & 1)), 0);
    return length;
  });
}

console.log(`node ${process.version}; sum ${sink}`);
