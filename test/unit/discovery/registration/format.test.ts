import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeValue } from "../../../../src/discovery/etcd/decode.ts";
import { formatEntry } from "../../../../src/discovery/registration/format.ts";
import { REGISTRATION_FORMATS } from "../../../../src/discovery/registration/modes.ts";

const SHOP = { service: "shop", address: "10.0.0.5:50051", prefix: undefined, metadata: null, hostname: "node-7" };

describe("formatEntry()", () => {
  for (const [format, more, key, value] of [
    ["endpoints", {}, "shop/10.0.0.5:50051", '{"Op":0,"Addr":"10.0.0.5:50051","Metadata":null}'],
    [
      "endpoints",
      { prefix: "/etcd3_naming", metadata: { zone: "eu" } },
      "/etcd3_naming/shop/10.0.0.5:50051",
      '{"Op":0,"Addr":"10.0.0.5:50051","Metadata":{"zone":"eu"}}',
    ],
    ["plain", { prefix: "/etcd3_naming/" }, "/etcd3_naming/shop/10.0.0.5:50051", "10.0.0.5:50051"],
    ["hostname", { service: "/xxx_service" }, "/xxx_service/node-7", "10.0.0.5:50051"],
    ["go-zero", { service: "shop.rpc" }, "shop.rpc/7587862094", "10.0.0.5:50051"],
    [
      "kratos",
      { metadata: { weight: "5" } },
      "/microservices/shop/10.0.0.5:50051",
      '{"id":"10.0.0.5:50051","name":"shop","version":"","metadata":{"weight":"5"},' +
        '"endpoints":["grpc://10.0.0.5:50051?isSecure=false"]}',
    ],
  ] as const) {
    it(`writes ${format} as ${key}`, () => {
      const entry = formatEntry(format, { ...SHOP, ...more });
      assert.deepEqual([entry.keyOf("7587862094"), entry.value], [key, value]);
    });
  }

  it("writes nothing that the gateway does not read", () => {
    for (const format of REGISTRATION_FORMATS) {
      const entry = formatEntry(format, { ...SHOP, address: "[fd00::5]:50051" });
      const { endpoints, refused } = decodeValue(entry.keyOf("1"), entry.value);
      assert.deepEqual([endpoints.map(({ address }) => address), refused], [["[fd00::5]:50051"], []], format);
    }
  });

  it("refuses metadata that the scheme cannot carry", () => {
    assert.throws(
      () => formatEntry("plain", { ...SHOP, metadata: {} }),
      /^Error: the format plain carries no metadata; endpoints and kratos do$/,
    );
    assert.throws(
      () => formatEntry("kratos", { ...SHOP, metadata: { weight: 5 } }),
      /^Error: metadata is {"weight":5}; the format kratos carries an object of strings$/,
    );
  });
});
