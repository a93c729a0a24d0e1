import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { HpackDecoder } from "../../../../../src/upstream/connection/http2/hpack/decoder.ts";
import { HpackEncoder } from "../../../../../src/upstream/connection/http2/hpack/encoder.ts";
import type { PreparedHeaders } from "../../../../../src/upstream/connection/http2/hpack/encoder.ts";
import { writeInteger } from "../../../../../src/upstream/connection/http2/hpack/write.ts";
import { seededRandom } from "../../../../support/seeded-random.ts";

const fixed = (path: string): string[] => [
  ...[":method", "POST", ":scheme", "http", ":path", path, ":authority", "10.0.0.5:50051", "te", "trailers"],
  ...["content-type", "application/grpc", "user-agent", "sluice/0.1.0", "grpc-accept-encoding", "gzip,identity"],
];

/** An encoder, and a decoder at the other end that must understand all it writes. */
class Pair {
  readonly encoder = new HpackEncoder();
  private readonly decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 1e7 });

  /** The block as hex. */
  encode(headers: readonly string[]): string {
    const out = Buffer.alloc(HpackEncoder.maxEncodedBytes(headers) + 10, 0xee);
    return this.check(out, this.encoder.encode(headers, out, 5), headers);
  }

  encodePrepared(prepared: PreparedHeaders, more: readonly string[] = []): string {
    const out = Buffer.alloc(prepared.maxBytes + HpackEncoder.maxEncodedBytes(more) + 10, 0xee);
    const behind = this.encoder.encodePrepared(prepared, out, 5);
    assert.ok(behind - 5 <= prepared.maxBytes);
    const end = this.encoder.encode(more, out, behind);
    return this.check(out, end, [...prepared.fields.flatMap(({ name, value }) => [name.text, value]), ...more]);
  }

  private check(out: Buffer, end: number, headers: readonly string[]): string {
    assert.ok(end <= out.length - 5, "more than was announced");
    assert.equal(out.toString("hex", 0, 5) + out.toString("hex", end, end + 5), "ee".repeat(10));
    assert.deepEqual(this.decoder.decode(out, 5, end), headers);
    return out.toString("hex", 5, end);
  }
}

const byteLength = (hex: string): number => hex.length / 2;
const hexOf = (text: string): string => Buffer.from(text, "latin1").toString("hex");

describe("HpackEncoder.encodePrepared()", () => {
  it("writes a repeated request as one byte per header", () => {
    const pair = new Pair();
    const prepared = pair.encoder.prepare(fixed("/shop.v1.Shop/Get"));
    assert.ok(byteLength(pair.encodePrepared(prepared)) > 100);
    for (let i = 0; i < 3; i++) assert.equal(pair.encodePrepared(prepared), "8386c3c2c1c0bfbe");
  });

  it("shares between routes all but the path", () => {
    const pair = new Pair();
    pair.encodePrepared(pair.encoder.prepare(fixed("/a")));
    const second = pair.encodePrepared(pair.encoder.prepare(fixed("/b")));
    assert.equal(second, `838644022f62c3c2c1c0bf`); // the path entered the table before the others were named
  });

  it("writes the same after metadata has entered the table", () => {
    const pair = new Pair();
    const prepared = pair.encoder.prepare(fixed("/a"));
    pair.encodePrepared(prepared);
    assert.equal(pair.encodePrepared(prepared), "8386c3c2c1c0bfbe");
    pair.encode(["content-type", "application/json"]);
    assert.equal(pair.encodePrepared(prepared), "8386c4c3c2c1c0bf");
  });

  it("writes secrets as never indexed, each time", () => {
    const pair = new Pair();
    const prepared = pair.encoder.prepare(["authorization", "Bearer x", "x-api-key", "k"]);
    const expected = `1f0808${hexOf("Bearer x")}1009${hexOf("x-api-key")}01${hexOf("k")}`;
    for (let i = 0; i < 3; i++) assert.equal(pair.encodePrepared(prepared), expected);
  });

  it("keeps an entry in step whose name a client had sent before, when such names are forgotten", () => {
    const pair = new Pair();
    pair.encode(["x-region", "eu"]);
    const prepared = pair.encoder.prepare(["x-region", "eu"]);
    pair.encodePrepared(prepared);
    for (let i = 0; i < 500; i++) pair.encode([`x-${i}`, "1"]);
    pair.encoder.setPeerTableSize(0);
    pair.encoder.setPeerTableSize(4096);
    pair.encodePrepared(prepared);
    assert.equal(pair.encodePrepared(prepared), "be");
  });

  it("writes a large list and refuses none", () => {
    const pair = new Pair();
    const prepared = pair.encoder.prepare([":path", "/" + "x".repeat(5000), "te", "trailers"]);
    for (let i = 0; i < 3; i++) pair.encodePrepared(prepared);
    assert.equal(byteLength(pair.encodePrepared(prepared)), 1 + 3 + 5001 + 1);
  });
});

describe("HpackEncoder.encode()", () => {
  it("writes fixed headers as one byte each from the second time on", () => {
    const pair = new Pair();
    const headers = ["content-type", "application/grpc", "te", "trailers", ":path", "/x", "grpc-encoding", "gzip"];
    pair.encode(headers);
    assert.equal(pair.encode(headers), "c1c0bfbe");
  });

  it("indexes metadata that comes again soon", () => {
    const pair = new Pair();
    assert.equal(pair.encode(["x-tenant", "blue"]), `0008${hexOf("x-tenant")}04${hexOf("blue")}`);
    assert.equal(pair.encode(["x-tenant", "blue"]), `4008${hexOf("x-tenant")}04${hexOf("blue")}`);
    assert.equal(pair.encode(["x-tenant", "blue"]), "be");
  });

  it("indexes the values of a few tenants that take turns", () => {
    const pair = new Pair();
    const tenants = ["red", "green", "blue"];
    for (const tenant of [...tenants, ...tenants]) pair.encode(["x-tenant", tenant]);
    for (const tenant of tenants) assert.equal(byteLength(pair.encode(["x-tenant", tenant])), 1);
  });

  it("indexes the name alone of what differs in each call", () => {
    for (const name of ["x-request-id", "grpc-timeout", "x-forwarded-for", "x-other"]) {
      const pair = new Pair();
      const blocks = Array.from({ length: 20 }, (_, i) => pair.encode([name, `value-${i}`]));
      assert.equal(blocks.filter((block) => block.startsWith("40")).length, 1, name);
      assert.equal(blocks.at(-1), `0f2f08${hexOf("value-19")}`, name);
    }
  });

  it("gives a value that differs in each call no entry, however often one comes again", () => {
    const pair = new Pair();
    for (let i = 0; i < 20; i++) pair.encode(["x-request-id", "same"]);
    assert.equal(pair.encode(["x-request-id", "same"]), `0f2f04${hexOf("same")}`);
    const other = new Pair();
    for (let i = 0; i < 20; i++) other.encode(["content-length", "12"]);
    assert.equal(other.encode(["content-length", "12"]), `0f0d02${hexOf("12")}`);
  });

  for (const name of ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token"]) {
    it(`writes ${name} as never indexed, each time`, () => {
      const pair = new Pair();
      const first = pair.encode([name, "v"]);
      assert.equal(parseInt(first.slice(0, 1), 16), 1);
      for (let i = 0; i < 20; i++) assert.equal(pair.encode([name, "v"]), first);
    });
  }

  it("gives one header no more than a quarter of the table", () => {
    const pair = new Pair();
    const value = "v".repeat(1024 - 32 - 8);
    for (let i = 0; i < 3; i++) pair.encode(["x-tenant", value]);
    assert.equal(pair.encode(["x-tenant", value]), "be");
    for (let i = 0; i < 3; i++) pair.encode(["x-tenant", value + "v"]);
    assert.equal(byteLength(pair.encode(["x-tenant", value + "v"])), 2 + 3 + (value.length + 1));
  });

  it("writes values of latin1, of any length", () => {
    const pair = new Pair();
    for (const length of [0, 1, 7, 8, 9, 126, 127, 128, 254, 255, 20_000]) {
      pair.encode(["x-name", "\xff\x80é".repeat(length).slice(0, length), `x-${"n".repeat(length)}`, "v"]);
    }
  });

  it("remembers no more than a few dozen names that clients chose", () => {
    const pair = new Pair();
    for (let i = 0; i < 2000; i++) pair.encode([`x-${i}`, "1", "x".repeat(300 + i), "1"]);
    // The names have no other outside.
    const { names } = pair.encoder as unknown as { names: Map<string, unknown> };
    assert.ok(names.size <= 64, `${names.size} names`);
    assert.ok([...names.keys()].every((name) => name.length <= 256));
  });
});

describe("HpackEncoder, with more headers in use than the table holds", () => {
  const routes = 300;
  const requests = 20_000;

  it("replaces few entries, keeps what all routes share, and follows a change", () => {
    const pair = new Pair();
    const random = seededRandom(7);
    const prepared = Array.from({ length: routes }, (_, i) => pair.encoder.prepare(fixed(`/shop.v1.Shop/Method${i}`)));
    const pick = (from: number, count: number) => prepared[from + Math.floor(random() * count)] as PreparedHeaders;
    let added = 0;
    let literals = 0;
    for (let i = 0; i < requests; i++) {
      const block = pair.encodePrepared(pick(0, routes), ["x-request-id", `id-${i}`]);
      // The path's literal begins with 04, or with 44 where it enters the table; the first two bytes are the method's
      // and the scheme's.
      if (block.startsWith("44", 4)) added++;
      if (byteLength(block) > 60) literals++;
    }
    assert.ok(added < 60 + requests / 15, `${added} paths entered the table in ${requests} requests`);
    assert.ok(literals < requests / 100, `${literals} requests spelled out more than their path`);

    // Few routes are in use now: they fit, whatever was there before.
    for (let i = 0; i < 1500; i++) pair.encodePrepared(pick(0, 10));
    for (let i = 0; i < 10; i++) assert.equal(byteLength(pair.encodePrepared(pick(i, 1))), 8);
  });

  it("keeps metadata's entries where every path is new, and the other way round", () => {
    const pair = new Pair();
    const [shared, tenant] = [fixed("").slice(6), ["x-tenant", "blue"]];
    const prepared = pair.encoder.prepare(["te", "trailers", "user-agent", "sluice/0.1.0"]);
    let spelled = 0;
    for (let i = 0; i < 5000; i++) {
      const path = `/shop.v1.Shop/Method${i}`;
      const block = pair.encodePrepared(pair.encoder.prepare([":path", path]), [...shared, ...tenant]);
      // An old entry's index takes two bytes.
      if (byteLength(block) > 2 + path.length + shared.length + tenant.length) spelled++;
    }
    assert.ok(spelled < 5000 / 40, `${spelled} requests spelled out what all share`);
    spelled = 0;
    for (let i = 0; i < 5000; i++) {
      const path = `/shop.v1.Shop/Other${i}`;
      if (byteLength(pair.encodePrepared(prepared, [":path", path])) > 2 + path.length + 4) spelled++;
    }
    assert.ok(spelled < 5000 / 40, `${spelled} requests spelled out what was prepared`);
  });
});

describe("HpackEncoder.setPeerTableSize()", () => {
  const update = (size: number): string => {
    const out = Buffer.alloc(8);
    return out.toString("hex", 0, writeInteger(out, 0, 0x20, 0x1f, size));
  };
  const table: [what: string, sizes: number[], expected: number[]][] = [
    ["nothing of the size it had", [4096], []],
    ["nothing of a larger table than ours", [65_536], []],
    ["less", [1000], [1000]],
    ["no table", [0], [0]],
    ["the last of two that fall", [2000, 1000], [1000]],
    ["the least and the last of what fell and rose", [0, 4096], [0, 4096]],
    ["the same below what it was", [1000, 0, 3000, 2000], [0, 2000]],
    ["nothing between the least and the last", [2000, 1000, 3000, 2500], [1000, 2500]],
  ];
  for (const [what, sizes, expected] of table) {
    it(`tells ${what}: ${sizes.join(", ")}`, () => {
      const pair = new Pair();
      for (const size of sizes) pair.encoder.setPeerTableSize(size);
      assert.equal(pair.encode([":method", "POST"]), expected.map(update).join("") + "83");
      assert.equal(pair.encode([":method", "POST"]), "83");
    });
  }

  it("tells a rise after a fall that was told", () => {
    const pair = new Pair();
    pair.encoder.setPeerTableSize(100);
    pair.encode([]);
    pair.encoder.setPeerTableSize(200);
    assert.equal(pair.encode([]), update(200));
  });

  it("tells it before prepared headers, once, and writes them as the table then allows", () => {
    const pair = new Pair();
    const prepared = pair.encoder.prepare(fixed("/a"));
    for (let i = 0; i < 2; i++) pair.encodePrepared(prepared);
    pair.encoder.setPeerTableSize(0);
    const first = pair.encodePrepared(prepared, ["x", "y"]);
    assert.ok(first.startsWith("208386"));
    assert.equal("20" + pair.encodePrepared(prepared, ["x", "y"]), first);
    pair.encoder.setPeerTableSize(4096);
    pair.encodePrepared(prepared);
    assert.equal(pair.encodePrepared(prepared), "8386c3c2c1c0bfbe");
  });
});

describe("HpackEncoder and HpackDecoder, step by step", () => {
  const names = [
    ...[":path", ":authority", "content-type", "te", "x-request-id", "x-tenant", "x-user", "cookie", "date"],
    ...["grpc-timeout", "authorization", "accept-encoding", "x-trace-bin", "x-" + "long".repeat(40)],
  ];
  const name = fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...names) }, { weight: 1, arbitrary: fc.string() });
  const value = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("", "a", "b", "gzip, deflate", "x".repeat(700), "y".repeat(1500)) },
    { weight: 2, arbitrary: fc.nat(40).map((n) => `value ${n} ${"z".repeat(n)}`) },
    { weight: 1, arbitrary: fc.string({ unit: fc.nat(255).map((c) => String.fromCharCode(c)), maxLength: 300 }) },
  );
  const headers = fc.array(fc.tuple(name, value), { maxLength: 8 }).map((pairs) => pairs.flat());
  const size = fc.constantFrom(0, 1, 33, 64, 200, 500, 1000, 2000, 4095, 4096, 10_000);
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("encode" as const), headers }) },
    { weight: 9, arbitrary: fc.record({ kind: fc.constant("prepared" as const), which: fc.nat(), headers }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("prepare" as const), headers }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("size" as const), size }) },
  );

  it("stay in step through sizes, evictions and any headers", () => {
    let steps = 0;
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 400, size: "max" }), (list) => {
        const pair = new Pair();
        const prepared = [pair.encoder.prepare(fixed("/a")), pair.encoder.prepare(fixed("/b"))];
        for (const one of list) {
          steps++;
          switch (one.kind) {
            case "encode":
              pair.encode(one.headers);
              break;
            case "prepared":
              pair.encodePrepared(prepared[one.which % prepared.length] as PreparedHeaders, one.headers);
              break;
            case "prepare":
              prepared.push(pair.encoder.prepare(one.headers));
              break;
            case "size":
              pair.encoder.setPeerTableSize(one.size);
              break;
            default:
              one satisfies never;
          }
        }
      }),
      { numRuns: 60, interruptAfterTimeLimit: 10_000 },
    );
    assert.ok(steps > 4000, `${steps} steps`);
  });
});
