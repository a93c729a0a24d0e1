import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { serveRules, type Api } from "../../support/http-rule.ts";
import { freshSeed, seededRandom } from "../../support/seeded-random.ts";

const proto = `
  service Library {
    rpc UpdateBook(UpdateBookRequest) returns (Book) {
      option (google.api.http) = {
        patch: "/v1/{book.name=books/*}" body: "book"
        additional_bindings { put: "/v1/{book.name=books/*}" body: "book" }
        additional_bindings { custom: { kind: "*" path: "/v2/{book.name=books/*}" } body: "book" }
        additional_bindings { patch: "/v3/books" body: "*" }
        additional_bindings { patch: "/v3/tags" body: "tags" }
        additional_bindings { patch: "/v3/struct" body: "struct" }
        additional_bindings { patch: "/v3/mask" body: "update_mask" }
        additional_bindings { patch: "/v3/none" }
      };
    }
    rpc Other(OtherRequest) returns (Book) { option (google.api.http) = { patch: "/v1/other" body: "book" }; }
  }
  message UpdateBookRequest {
    Book book = 1;
    google.protobuf.FieldMask update_mask = 2;
    repeated string tags = 3;
    google.protobuf.Struct struct = 4;
  }
  message OtherRequest { Book book = 1; google.protobuf.FieldMask read_mask = 2; string update_mask = 3; }
  enum Color { COLOR_UNSPECIFIED = 0; RED = 1; }
  message Book {
    string name = 1;
    string display_name = 2;
    Author author = 3;
    repeated string tags = 4;
    repeated Author co_authors = 5;
    map<string, string> labels = 6;
    map<string, Author> by_role = 7;
    google.protobuf.Timestamp publish_time = 8;
    google.protobuf.Duration ttl = 9;
    google.protobuf.FieldMask mask = 10;
    google.protobuf.Int32Value pages = 11;
    google.protobuf.Any any = 12;
    google.protobuf.Struct struct = 13;
    google.protobuf.Value value = 14;
    google.protobuf.ListValue list = 15;
    google.protobuf.Empty empty = 16;
    oneof kind { string novel_title = 17; Author essay_by = 18; }
    Color color = 19;
    optional int32 edition = 20;
    Book sequel = 21;
    string odd = 22 [json_name = "wayOff"];
  }
  message Author { string given_name = 1; Author mentor = 2; }`;

function serve(t: TestContext, yaml = ""): Promise<Api> {
  return serveRules(t, { proto, yaml: `annotations: { read: true }\n${yaml}` });
}

/** The mask that a body gets, as JSON has it; undefined for none. */
function maskOf(api: Api, body: string, target = "/v1/books/1", method = "PATCH"): string | undefined {
  const found = api.raw(method, target, body);
  const message = /^UpdateBook\((.*)\)$/s.exec(found)?.[1];
  assert.ok(message !== undefined, found);
  return (JSON.parse(message) as { updateMask?: string }).updateMask;
}

describe("compileMaskWriter()", () => {
  it("lists the fields that the body names, by proto names", async (t) => {
    const api = await serve(t);
    assert.equal(
      api("PATCH", "/v1/books/1", { displayName: "T", author: { givenName: "A" } }),
      'UpdateBook({"book":{"name":"books/1","displayName":"T","author":{"givenName":"A"}},"updateMask":"displayName,author.givenName"})',
    );
    const table: readonly (readonly [body: string, mask: string, why: string])[] = [
      ['{"name":"x"}', "name", "listed, although the path's value wins"],
      ['{"displayName":"T"}', "displayName", "JSON name"],
      ['{"display_name":"T"}', "displayName", "proto name"],
      ['{"wayOff":"T"}', "odd", "a JSON name of its own is not what masks use"],
      ['{"\\u0064isplayName":"T"}', "displayName", "escapes in names"],
      ['{"displayName":""}', "displayName", "a default is a value"],
      ['{"displayName":null}', "displayName", "null clears"],
      ['{"author":null}', "author", "a message, too"],
      ['{"labels":null,"tags":null}', "labels,tags", "a map and a list, too"],
      ['{"author":{}}', "author", "an empty message lists itself"],
      ['{"author":{"mentor":{}}}', "author.mentor", "and so it does further down"],
      [
        '{"author":{"mentor":{"mentor":{"givenName":"M"}},"givenName":"A"}}',
        "author.mentor.mentor.givenName,author.givenName",
        "to the leaves",
      ],
      ['{"tags":["a"]}', "tags", "a list as a whole"],
      ['{"tags":[]}', "tags", "an empty one, too"],
      ['{"coAuthors":[{"givenName":"A"},{}]}', "coAuthors", "a list of messages as a whole"],
      ['{"labels":{"a":"b"}}', "labels", "a map as a whole"],
      ['{"byRole":{"editor":{"givenName":"E"}}}', "byRole", "a map of messages as a whole"],
      [
        '{"publishTime":"2026-01-31T00:00:00Z","ttl":"1s","mask":"a","pages":1}',
        "publishTime,ttl,mask,pages",
        "well-known types as a whole",
      ],
      ['{"struct":{"a":{"b":1}},"value":{"c":2},"list":[{}]}', "struct,value,list", "any JSON as a whole"],
      ['{"any":{"@type":"type.googleapis.com/example.v1.Author","givenName":"A"}}', "any", "Any is opaque"],
      ['{"value":null}', "value", "null is a value of Value"],
      ['{"empty":{}}', "empty", "Empty lists itself"],
      ['{"novelTitle":"T"}', "novelTitle", "a oneof's member as it is set"],
      ['{"essayBy":{"givenName":"A"}}', "essayBy.givenName", "a message in a oneof"],
      ['{"color":"RED","edition":0}', "color,edition", "an enum and an optional"],
      ['{"sequel":{"sequel":{"displayName":"III"}}}', "sequel.sequel.displayName", "a message within itself"],
      [' { "displayName" : "T" , "author" : { "givenName" : "A" } } ', "displayName,author.givenName", "white space"],
      ['{"displayName":"},{\\"tags\\":[\\"","tags":["]}\\\\"]}', "displayName,tags", "what only looks like structure"],
      ["{}", "", "a mask, though an empty one: nothing is to change"],
    ];
    for (const [body, mask, why] of table) assert.equal(maskOf(api, body), mask, why);
  });

  it("keeps what the client says, and says nothing where there is no body", async (t) => {
    const api = await serve(t);
    const body = '{"displayName":"T"}';
    assert.equal(maskOf(api, body, "/v1/books/1?updateMask=author"), "author");
    assert.equal(maskOf(api, body, "/v1/books/1?update_mask=author.given_name,tags"), "author.givenName,tags");
    assert.equal(maskOf(api, body, "/v1/books/1?updateMask=*"), "*");
    assert.equal(maskOf(api, body, "/v1/books/1?updateMask="), "", "given, and empty");
    assert.equal(maskOf(api, body, "/v1/books/1?tags=x"), "displayName", "another parameter");
    for (const nothing of ["", " ", "null"]) assert.equal(maskOf(api, nothing), undefined);
  });

  it("is for PATCH whose body is a message, and whose request has an update_mask", async (t) => {
    const api = await serve(t);
    const body = '{"displayName":"T"}';
    assert.equal(maskOf(api, body, "/v1/books/1", "PUT"), undefined);
    assert.equal(maskOf(api, body, "/v2/books/1", "PATCH"), undefined, "a route of every method");
    assert.equal(maskOf(api, '{"book":{"displayName":"T"}}', "/v3/books"), undefined, "body: *");
    assert.equal(maskOf(api, '["a"]', "/v3/tags"), undefined);
    assert.equal(maskOf(api, '{"a":1}', "/v3/struct"), undefined);
    assert.equal(maskOf(api, '"a"', "/v3/mask"), "a");
    assert.equal(maskOf(api, "", "/v3/none"), undefined);
    assert.equal(api.raw("PATCH", "/v1/other", body), 'Other({"book":{"displayName":"T"}})');
  });

  it("can be turned off", async (t) => {
    const api = await serve(t, "defaults: { request: { update_mask: off } }");
    assert.equal(maskOf(api, '{"displayName":"T"}'), undefined);
  });

  it("leaves out what is passed over as unknown", async (t) => {
    const strict = await serve(t);
    assert.equal(
      strict.raw("PATCH", "/v1/books/1", '{"author":{"nope":1}}'),
      "FIELD_UNKNOWN book.author.nope: unknown field",
    );
    const lax = await serve(t, "defaults: { json: { unknown_fields: ignore } }");
    assert.equal(maskOf(lax, '{"nope":{"displayName":1},"tags":["a"],"author":{"nope":[{}]}}'), "tags");
    assert.equal(
      maskOf(lax, '{"color":"BLUE","displayName":"T"}'),
      "displayName",
      "BLUE was not read, and clears nothing",
    );
    assert.equal(maskOf(lax, '{"color":"RED"}'), "color");
    assert.equal(maskOf(lax, '{"color":7}'), "color");
    const folded = await serve(t, "defaults: { json: { unknown_fields: ignore, enum_case: ignore } }");
    assert.equal(maskOf(folded, '{"color":"red"}'), "color");
  });

  it("lists what a walk over the parsed body lists, for random bodies", async (t) => {
    const api = await serve(t);
    const seed = freshSeed();
    const random = seededRandom(seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    for (let run = 0; run < 2000; run++) {
      const body = randomBook(pick, 0);
      const text = pick([JSON.stringify(body), JSON.stringify(body, null, 2)]);
      assert.equal(maskOf(api, text), pathsIn(body, "").join(","), `seed ${seed}: ${text}`);
    }
  });

  it("is bounded: a body that names too much has to say what is to change", async (t) => {
    const api = await serve(t);
    const deep = (inner: string): string => `${'{"sequel":'.repeat(90)}${inner}${"}".repeat(90)}`;
    assert.equal(maskOf(api, deep('{"displayName":"T"}'))?.split(".").length, 91);
    const wide = (leaves: string): string => `${`{${leaves},"sequel":`.repeat(98)}{}${"}".repeat(98)}`;
    assert.equal(maskOf(api, wide('"name":"b","tags":[],"edition":1'))?.split(",").length, 98 * 3 + 1);
    const names = ["name", "displayName", "publishTime", "ttl", "mask", "pages", "novelTitle", "color", "edition"];
    const many = [...names.map((name) => `"${name}":null`), '"tags":[]', '"labels":{}', '"struct":{}', '"list":[]'];
    assert.equal(
      api.raw("PATCH", "/v1/books/1", wide(many.join(","))),
      "FIELD_INVALID update_mask: the body names too many fields to be listed; say which are to change",
    );
    assert.equal(maskOf(api, wide(many.join(",")), "/v1/books/1?updateMask=*"), "*");
  });
});

const BOOK_LEAVES: Readonly<Record<string, readonly JsonValue[]>> = {
  name: ["a", null],
  displayName: ['"}]\\', "é", null],
  tags: [[], ["a", "}"], null],
  labels: [{}, { a: "{", displayName: "b" }, null],
  coAuthors: [[{ givenName: "A" }], null],
  struct: [{}, { author: { givenName: [1, {}] } }, null],
  value: [null, 1, { a: {} }],
  empty: [{}],
  edition: [0, null],
};
const BOOK_MESSAGES: readonly string[] = ["author", "essayBy", "sequel"];

function randomBook(pick: <T>(from: readonly T[]) => T, depth: number): JsonObject {
  const book: JsonObject = {};
  for (const [name, values] of Object.entries(BOOK_LEAVES)) if (pick([true, false, false])) book[name] = pick(values);
  for (const name of BOOK_MESSAGES) {
    if (pick([true, false, false])) continue;
    if (name === "sequel") book[name] = depth > 3 ? {} : randomBook(pick, depth + 1);
    else book[name] = pick<JsonValue>([null, {}, { givenName: "A" }, { mentor: { mentor: {} }, givenName: null }]);
  }
  return book;
}

/** The paths of a book's or author's leaves, as JSON writes masks. */
function pathsIn(json: JsonObject, path: string): string[] {
  const names = Object.keys(json);
  if (names.length === 0) return path === "" ? [] : [path];
  return names.flatMap((name) => {
    const inner = path === "" ? name : `${path}.${name}`;
    const value = json[name];
    const isMessage = [...BOOK_MESSAGES, "mentor"].includes(name) && value !== null;
    return isMessage ? pathsIn(value as JsonObject, inner) : [inner];
  });
}
