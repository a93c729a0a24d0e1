import assert from "node:assert/strict";
import path from "node:path";
import { describe, it } from "node:test";
import { fromSchemaImage, toSchemaImage } from "../../../src/schema/image.ts";
import { loadSchema } from "../../../src/schema/load.ts";

const PROTOS = path.join(import.meta.dirname, "../../../protos");

describe("fromSchemaImage()", () => {
  it("gives the schema again, rules and places included, from plain data", async () => {
    const schema = await loadSchema({
      kind: "proto",
      files: ["bookshop/v1/bookshop.proto", "bookshop/v1/orders.proto"],
      include: [PROTOS],
    });
    const again = fromSchemaImage(structuredClone(toSchemaImage(schema)));
    const facts = (of: typeof schema) =>
      [...of.methods.values()].map(({ desc, ...rest }) => ({ ...rest, name: desc.name }));
    assert.ok(facts(schema).some(({ httpRules }) => httpRules.length > 0));
    assert.deepEqual(facts(again), facts(schema));
    assert.deepEqual(toSchemaImage(again), toSchemaImage(schema));
  });
});
