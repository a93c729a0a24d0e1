import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { parseAddress } from "../../../../src/discovery/address.ts";
import { decodeValue, MAX_NODES, MAX_VALUE_LENGTH } from "../../../../src/discovery/etcd/decode.ts";

/** `address*weight@zone`, without the parts that are as by default. */
function shown(key: string, value: string): string {
  const { endpoints, refused } = decodeValue(key, value);
  assert.deepEqual(refused, []);
  return endpoints
    .map(({ address, weight, zone }) => address + (weight === 1 ? "" : `*${weight}`) + (zone === "" ? "" : `@${zone}`))
    .join(" ");
}

const KRATOS =
  '{"id":"i","name":"shop","version":"v1","metadata":{"weight":"20","az":"b"},' +
  '"endpoints":["http://10.0.0.1:8000?isSecure=false","grpc://10.0.0.1:9000?isSecure=false"]}';
const GO_MICRO =
  '{"name":"shop","version":"latest","metadata":null,"endpoints":[{"name":"Shop.Get","request":{"name":"R"}}],' +
  '"nodes":[{"id":"1","address":"10.0.0.1:9000","metadata":{"region":"eu"}},{"id":"2","address":"10.0.0.2","port":9001}]}';

describe("decodeValue()", () => {
  for (const [writer, value, expected] of [
    ["etcd's Go client", '{"Op":0,"Addr":"10.0.0.5:50051","Metadata":null}', "10.0.0.5:50051"],
    ["etcd's Go client, a deletion", '{"Op":1,"Addr":"10.0.0.5:50051"}', ""],
    ["etcd's Go client, metadata of text", '{"Op":0,"Addr":"10.0.0.5:50051","Metadata":"blue"}', "10.0.0.5:50051"],
    ["etcd's Go client, weighted", '{"Addr":"a:1","Metadata":{"weight":2.5,"zone":"z"}}', "a:1*2.5@z"],
    ["plain", "10.0.0.5:50051", "10.0.0.5:50051"],
    ["plain, with a line's end", " 10.0.0.5:50051\n", "10.0.0.5:50051"],
    ["plain, IPv6", "[2001:db8::1]:50051", "[2001:db8::1]:50051"],
    ["plain, with a scheme", "grpc://10.0.0.5:50051/?weight=3", "10.0.0.5:50051"],
    ["text in JSON", '"10.0.0.5:50051"', "10.0.0.5:50051"],
    ["Kratos", KRATOS, "10.0.0.1:9000*20@b"],
    [
      "Kratos, IPv6",
      '{"id":"i","name":"s","endpoints":["grpc://[2001:db8::1]:9000?isSecure=false"]}',
      "[2001:db8::1]:9000",
    ],
    ["Kratos over TLS only", '{"endpoints":["https://a:1","grpcs://a:2"]}', "a:2"],
    ["Kratos without schemes", '{"endpoints":["a:1"]}', "a:1"],
    ["Kitex", '{"network":"tcp","address":"10.0.0.1:8888","weight":10,"tags":{"zone":"c"}}', "10.0.0.1:8888*10@c"],
    ["Kitex, weight in tags", '{"address":"a:1","tags":{"weight":"4"}}', "a:1*4"],
    ["go-micro", GO_MICRO, "10.0.0.1:9000@eu 10.0.0.2:9001"],
    ["go-micro, the port twice", '{"nodes":[{"address":"a:1","port":1}]}', "a:1"],
    [
      "go-micro, metadata of a node",
      '{"name":"s","nodes":[{"id":"1","address":"a:1","metadata":{"protocol":"grpc","weight":"3","zone":"z"}}]}',
      "a:1*3@z",
    ],
    [
      "nodes of ip and port",
      '{"nodes":[{"ip":"10.0.0.1","port":80,"weight":2.0,"metadata":{"az":"a"}}]}',
      "10.0.0.1:80*2@a",
    ],
    ["APISIX, a map", '{"nodes":{"10.0.0.1:80":3,"10.0.0.2:80":0}}', "10.0.0.1:80*3 10.0.0.2:80*0"],
    ["APISIX, a list", '{"nodes":[{"host":"a","port":80,"weight":2,"priority":0}]}', "a:80*2"],
    ["addr", '{"addr":"a:1"}', "a:1"],
    ["ip and port", '{"ip":"10.0.0.1","port":"80"}', "10.0.0.1:80"],
    ["IPv6 and port", '{"ip":"::1","port":80}', "[::1]:80"],
    ["weight 0", '{"addr":"a:1","weight":0}', "a:1*0"],
    ["a weight beyond reason", '{"addr":"a:1","weight":1e300}', "a:1*1000"],
    ["a weight that is none", '{"addr":"a:1","weight":"heavy"}', "a:1"],
    ["a negative weight", '{"addr":"a:1","weight":-1}', "a:1"],
    ["a zone that is none", '{"addr":"a:1","zone":7}', "a:1"],
  ] as const) {
    it(`reads ${writer}`, () => assert.equal(shown("shop/x", value), expected));
  }

  it("reads the value, whatever the key: go-zero's lease id, a host's name", () => {
    assert.equal(shown("shop.rpc/7587870237294117890", "10.0.0.5:8080"), "10.0.0.5:8080");
    assert.equal(shown("/xxx_service/host-7.example", "10.0.0.5:8080"), "10.0.0.5:8080");
  });

  it("takes the address from the key where the value is empty", () => {
    assert.equal(shown("/etcd3_naming/shop/10.0.0.1:50051", ""), "10.0.0.1:50051");
    assert.equal(shown("/dubbo/shop/providers/tri%3A%2F%2F10.0.0.1%3A20000%2Fshop%3Fx%3D1", " "), "10.0.0.1:20000");
  });

  for (const [value, reason] of [
    ["hello", /"hello" is no address: the port is missing/],
    ["", /"x" is no address/],
    ["10.0.0.1:0", /the port is "0"/],
    ["a:1 b:2", /the host is "a:1 b"/],
    ["{", /"\{" is no valid JSON/],
    ["unix:///run/shop.sock", /^"unix:\/\/\/run\/shop.sock" names no host:port$/],
    ["null", /"null" is no address/],
    ['{"nodes":[[{"toString":1,"valueOf":1}]]}', /^a list is no node$/],
    ["[1]", /"\[1\]" is no address/],
    ["{}", /names no address; expected one of Addr, addr/],
    ['{"Addr":7}', /names no address/],
    ['{"host":"a"}', /"a" is no address: the port is missing/],
    ['{"endpoints":["http://a:1"]}', /none of the endpoints is for gRPC: "http:\/\/a:1"/],
    [`"${"x".repeat(MAX_VALUE_LENGTH)}"`, /longer than 65536 characters/],
  ] as const) {
    it(`refuses ${value.slice(0, 40)}`, () => {
      const { endpoints, refused } = decodeValue("shop/x", value);
      assert.deepEqual(endpoints, []);
      assert.equal(refused.length, 1);
      assert.match(refused[0] ?? "", reason);
    });
  }

  it("uses the good nodes of a value and says which are bad", () => {
    const { endpoints, refused } = decodeValue("k", '{"nodes":[{"host":"a","port":1},{"host":"b"},7]}');
    assert.deepEqual(endpoints, [{ address: "a:1", weight: 1, zone: "" }]);
    assert.deepEqual(refused, ['"b" is no address: the port is missing; expected host:port', '"7" is no node']);
  });

  it("takes no more nodes than its bound", () => {
    const nodes = Array.from({ length: MAX_NODES + 1 }, (_, i) => ({ host: "h", port: i + 1 }));
    const { endpoints, refused } = decodeValue("k", JSON.stringify({ nodes }));
    assert.equal(endpoints.length, MAX_NODES);
    assert.deepEqual(refused, ["1001 nodes; the first 1000 are used"]);
  });

  it("never throws, and tells only addresses that can be dialled", () => {
    const names = ["Addr", "Op", "addr", "address", "host", "ip", "port", "endpoints", "nodes", "weight", "Metadata"];
    const leaf = fc.oneof(
      fc.constantFrom("a:1", "grpc://b:2", "::1", "c"),
      fc.string(),
      fc.double(),
      fc.constant(null),
    );
    const { object } = fc.letrec((tie) => ({
      value: fc.oneof({ depthSize: "small" }, leaf, fc.array(tie("value"), { maxLength: 3 }), tie("object")),
      object: fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), tie("value"), { maxKeys: 5 }),
    }));
    const text = fc.oneof(
      fc.string(),
      object.map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(fc.string(), text, (key, value) => {
        const { endpoints, refused } = decodeValue(key, value);
        for (const { address, weight } of endpoints) {
          assert.deepEqual(parseAddress(address), { ok: true, address });
          assert.ok(weight >= 0 && weight <= 1000);
        }
        for (const reason of refused) assert.ok(reason.length < 500);
      }),
      { numRuns: 2000 },
    );
  });
});
