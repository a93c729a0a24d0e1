import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HpackDecoder } from "../../../../../src/upstream/connection/http2/hpack/decoder.ts";
import { HpackEncoder } from "../../../../../src/upstream/connection/http2/hpack/encoder.ts";
import { writeInteger } from "../../../../../src/upstream/connection/http2/hpack/write.ts";

// RFC 7541 Appendix C, all of it.

interface Example {
  readonly section: string;
  readonly block: string;
  readonly headers: readonly string[];
  /** The dynamic table afterwards, newest first. */
  readonly table: readonly string[];
}

const DATE_21 = "Mon, 21 Oct 2013 20:13:21 GMT";
const DATE_22 = "Mon, 21 Oct 2013 20:13:22 GMT";
const URL = "https://www.example.com";
const COOKIE = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";

const requests: readonly Omit<Example, "section" | "block">[] = [
  {
    headers: [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"],
    table: [":authority", "www.example.com"],
  },
  {
    headers: [
      ...[":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"],
      ...["cache-control", "no-cache"],
    ],
    table: ["cache-control", "no-cache", ":authority", "www.example.com"],
  },
  {
    headers: [
      ...[":method", "GET", ":scheme", "https", ":path", "/index.html", ":authority", "www.example.com"],
      ...["custom-key", "custom-value"],
    ],
    table: ["custom-key", "custom-value", "cache-control", "no-cache", ":authority", "www.example.com"],
  },
];

const responses: readonly Omit<Example, "section" | "block">[] = [
  {
    headers: [":status", "302", "cache-control", "private", "date", DATE_21, "location", URL],
    table: ["location", URL, "date", DATE_21, "cache-control", "private", ":status", "302"],
  },
  {
    headers: [":status", "307", "cache-control", "private", "date", DATE_21, "location", URL],
    table: [":status", "307", "location", URL, "date", DATE_21, "cache-control", "private"],
  },
  {
    headers: [
      ...[":status", "200", "cache-control", "private", "date", DATE_22, "location", URL],
      ...["content-encoding", "gzip", "set-cookie", COOKIE],
    ],
    table: ["set-cookie", COOKIE, "content-encoding", "gzip", "date", DATE_22],
  },
];

function series(section: string, of: readonly Omit<Example, "section" | "block">[], blocks: string[]): Example[] {
  return of.map((example, i) => ({ ...example, section: `${section}.${i + 1}`, block: blocks[i] ?? "" }));
}

const plainRequests = series("C.3", requests, [
  "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
  "8286 84be 5808 6e6f 2d63 6163 6865",
  "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
]);
const codedRequests = series("C.4", requests, [
  "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
  "8286 84be 5886 a8eb 1064 9cbf",
  "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
]);
const plainResponses = series("C.5", responses, [
  `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e
   1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
  "4803 3330 37c1 c0bf",
  `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d
   4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572
   7369 6f6e 3d31`,
]);
const codedResponses = series("C.6", responses, [
  `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b
   97c8 e9ae 82ae 43d3`,
  "4883 640e ffc1 c0bf",
  `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf
   cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
]);

const single: readonly Example[] = [
  {
    section: "C.2.1, literal with indexing",
    block: "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
    headers: ["custom-key", "custom-header"],
    table: ["custom-key", "custom-header"],
  },
  {
    section: "C.2.2, literal without indexing",
    block: "040c 2f73 616d 706c 652f 7061 7468",
    headers: [":path", "/sample/path"],
    table: [],
  },
  {
    section: "C.2.3, literal never indexed",
    block: "1008 7061 7373 776f 7264 0673 6563 7265 74",
    headers: ["password", "secret"],
    table: [],
  },
  { section: "C.2.4, indexed", block: "82", headers: [":method", "GET"], table: [] },
];

function unhex(text: string): Buffer {
  return Buffer.from(text.replaceAll(/\s/g, ""), "hex");
}

function decode(decoder: HpackDecoder, block: Buffer): readonly string[] | null {
  return decoder.decode(block, 0, block.length);
}

/** A decoder that has read those of `examples` up to `count`. */
function decoderAfter(examples: readonly Example[], count: number, maxTableBytes: number): HpackDecoder {
  const decoder = new HpackDecoder({ maxTableBytes, maxListBytes: 4096 });
  for (const { block } of examples.slice(0, count)) decode(decoder, unhex(block));
  return decoder;
}

function checkDecoder(examples: readonly Example[], maxTableBytes: number): void {
  for (const [i, { section, block, headers, table }] of examples.entries()) {
    it(`reads ${section}`, () => {
      const decoder = decoderAfter(examples, i, maxTableBytes);
      assert.deepEqual(decode(decoder, unhex(block)), headers);
      const entries = table.length / 2;
      const indexes = Array.from({ length: entries }, (_, entry) => 0x80 | (62 + entry));
      assert.deepEqual(decode(decoder, Buffer.from(indexes)), table);
      assert.throws(() => decode(decoder, Buffer.of(0x80 | (62 + entries))), {
        name: "HpackError",
        message: `index ${62 + entries} is beyond the table`,
      });
    });
  }
}

describe("RFC 7541 Appendix C, HpackDecoder", () => {
  for (const example of single) checkDecoder([example], 4096);
  checkDecoder(plainRequests, 4096);
  checkDecoder(codedRequests, 4096);
  checkDecoder(plainResponses, 256);
  checkDecoder(codedResponses, 256);

  it("reads the integers of C.1.1 and C.1.2, as table sizes", () => {
    const decoder = new HpackDecoder({ maxTableBytes: 1337, maxListBytes: 4096 });
    assert.deepEqual(decode(decoder, unhex("2a 3f9a0a")), []);
    const less = new HpackDecoder({ maxTableBytes: 1336, maxListBytes: 4096 });
    assert.throws(() => decode(less, unhex("3f9a0a")), {
      message: "table size update to 1337 bytes, at most 1336 allowed",
    });
  });
});

describe("RFC 7541 Appendix C, HpackEncoder", () => {
  const out = Buffer.alloc(256);
  const hexOf = (end: number) => out.toString("hex", 0, end);

  const integers: [section: string, value: number, mask: number, bytes: string][] = [
    ["C.1.1", 10, 0x1f, "0a"],
    ["C.1.2", 1337, 0x1f, "1f9a0a"],
    ["C.1.3", 42, 0xff, "2a"],
  ];
  for (const [section, value, mask, bytes] of integers) {
    it(`writes ${section}`, () => assert.equal(hexOf(writeInteger(out, 0, 0, mask, value)), bytes));
  }

  it("writes C.2.1", () => {
    const encoder = new HpackEncoder();
    const example = single[0] as Example; // there are four
    assert.equal(
      hexOf(encoder.encodePrepared(encoder.prepare(example.headers), out, 0)),
      unhex(example.block).toString("hex"),
    );
  });

  it("writes C.2.2 for a peer without a table, behind the update that says so", () => {
    const encoder = new HpackEncoder();
    encoder.setPeerTableSize(0);
    const example = single[1] as Example; // there are four
    assert.equal(hexOf(encoder.encode(example.headers, out, 0)), unhex("20" + example.block).toString("hex"));
  });

  for (const { section, headers, block } of single.slice(2)) {
    it(`writes ${section}`, () => {
      assert.equal(hexOf(new HpackEncoder().encode(headers, out, 0)), unhex(block).toString("hex"));
    });
  }

  it("writes C.3", () => {
    const encoder = new HpackEncoder();
    for (const { headers, block } of plainRequests) {
      const end = encoder.encodePrepared(encoder.prepare(headers), out, 0);
      assert.equal(hexOf(end), unhex(block).toString("hex"));
    }
  });
});
