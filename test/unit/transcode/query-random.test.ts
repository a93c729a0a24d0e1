import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  fromBinary,
  fromJson,
  ScalarType,
  toJson,
  type DescField,
  type DescMessage,
  type JsonObject,
  type JsonValue,
} from "@bufbuild/protobuf";
import { GatewayError } from "../../../src/core/errors.ts";
import { compileQuery } from "../../../src/transcode/query.ts";
import { defaultJsonOptions } from "../../../src/transcode/options.ts";
import { wire } from "../../../src/transcode/wire.ts";
import { freshSeed, seededRandom } from "../../support/seeded-random.ts";
import { messageType, registry } from "../../support/transcode-schema.ts";

const All = messageType("All");
const RUN_MS = 1500;

class Refused extends Error {}

/**
 * Reads queries slowly, with regular expressions, into a tree of JSON that protobuf-es reads: written from the
 * documentation, and without an idea of the fast reader: nothing is appended, remembered or sorted.
 */
class Model {
  private readonly singular = new Map<DescField, string>();
  private readonly nested = new Map<DescField, Model>();
  private readonly lists = new Map<DescField, string[]>();
  private readonly elements = new Map<DescField, Map<string, Model | string>>();
  private readonly oneofs = new Map<object, DescField>();
  private readonly desc: DescMessage;

  constructor(desc: DescMessage) {
    this.desc = desc;
  }

  set(path: string, text: string): void {
    const [, name = "", tail = ""] = /^([^.[]*)(.*)$/s.exec(path) ?? [];
    const field = this.desc.fields.find((one) => one.name === name || one.jsonName === name);
    if (field === undefined) throw new Refused(`unknown ${name}`);
    if (field.oneof !== undefined) {
      if ((this.oneofs.get(field.oneof) ?? field) !== field) throw new Refused("oneof");
      this.oneofs.set(field.oneof, field);
    }
    if (field.fieldKind === "map") return this.setEntry(field, tail, text);
    if (field.fieldKind === "list") return this.setItem(field, tail, text);
    if (isOpen(field)) {
      if (!tail.startsWith(".")) throw new Refused("message");
      return getOrAdd(this.nested, field, () => new Model(field.message as DescMessage)).set(tail.slice(1), text);
    }
    if (tail !== "" || isRefused(field)) throw new Refused("leaf");
    if (this.singular.has(field)) throw new Refused("twice");
    this.singular.set(field, text);
  }

  private setEntry(field: DescField & { fieldKind: "map" }, tail: string, text: string): void {
    const pattern = isOpen(field) ? /^(?:\[(.+?)\]|\.([^.]+))\.(.+)$/s : /^(?:\[(.+)\]|\.(.+))$/s;
    const [, bracketed, dotted, rest] = pattern.exec(tail) ?? [];
    const key = bracketed ?? dotted;
    if (key === undefined || (isOpen(field) && bracketed?.includes("]."))) throw new Refused("entry");
    this.setElement(field, canonicalKey(field, key), rest, text);
  }

  private setItem(field: DescField & { fieldKind: "list" }, tail: string, text: string): void {
    if (tail === "") {
      if (isOpen(field) || isRefused(field) || this.elements.has(field)) throw new Refused("list");
      getOrAdd(this.lists, field, () => []).push(text);
      return;
    }
    const [, index, rest] = /^\[(0|[1-9]\d{0,2})\](?:\.(.+))?$/s.exec(tail) ?? [];
    if (index === undefined || this.lists.has(field) || isOpen(field) !== (rest !== undefined))
      throw new Refused("item");
    this.setElement(field, index, rest, text);
  }

  private setElement(field: DescField, key: string, rest: string | undefined, text: string): void {
    const elements = getOrAdd(this.elements, field, () => new Map<string, Model | string>());
    if (rest !== undefined) {
      const element = getOrAdd(elements, key, () => new Model(field.message as DescMessage));
      return (element as Model).set(rest, text);
    }
    if (elements.has(key) || isRefused(field)) throw new Refused("element");
    elements.set(key, text);
  }

  toJson(): JsonObject {
    const json: JsonObject = {};
    for (const [field, text] of this.singular) json[field.jsonName] = valueOf(field, text);
    for (const [field, model] of this.nested) json[field.jsonName] = model.toJson();
    for (const [field, texts] of this.lists) json[field.jsonName] = texts.map((text) => valueOf(field, text));
    for (const [field, elements] of this.elements) {
      const value = (one: Model | string): JsonValue => (typeof one === "string" ? valueOf(field, one) : one.toJson());
      if (field.fieldKind === "map") {
        json[field.jsonName] = Object.fromEntries([...elements].map(([key, one]) => [key, value(one)]));
        continue;
      }
      const items = [...Array(elements.size).keys()].map((index) => elements.get(String(index)));
      if (items.includes(undefined)) throw new Refused("gap");
      json[field.jsonName] = items.map((item) => value(item as Model | string));
    }
    return json;
  }
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const value = map.get(key) ?? make();
  map.set(key, value);
  return value;
}

const LEAVES = /^google\.protobuf\.(Timestamp|Duration|FieldMask|\w+Value)$/;

function isRefused(field: DescField): boolean {
  return /^google\.protobuf\.(Struct|Value|ListValue)$/.test(field.message?.typeName ?? "");
}

function isOpen(field: DescField): boolean {
  return field.message !== undefined && !isRefused(field) && !LEAVES.test(field.message.typeName);
}

/** A key as JSON has it; refused where protobuf-es refuses it. */
function canonicalKey(field: DescField & { fieldKind: "map" }, key: string): string {
  const isNumber = field.mapKey !== ScalarType.STRING && field.mapKey !== ScalarType.BOOL;
  // Number() of JavaScript, by which protobuf-es reads keys, takes `.0` and more that is no number to JSON.
  if (isNumber && !/^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i.test(key)) throw new Refused("key");
  const probe = registry.getMessage("test.v1.All") as DescMessage;
  const json = { [field.jsonName]: { [key]: field.message ? {} : field.enum ? 0 : "" } };
  const [found = ""] = Object.keys((toJson(probe, fromJson(probe, json)) as JsonObject)[field.jsonName] as JsonObject);
  return found;
}

function valueOf(field: DescField, text: string): JsonValue {
  const type = field.message?.typeName ?? "";
  if (field.scalar === ScalarType.BOOL || type.endsWith(".BoolValue")) {
    if (text !== "true" && text !== "false") throw new Refused("bool");
    return text === "true";
  }
  if (field.enum !== undefined && /^-?\d/.test(text)) return Number(text);
  return text;
}

const names = [
  "aInt32",
  "a_string",
  "aBool",
  "color",
  "child",
  "child",
  "children",
  "children",
  "childByName",
  "keyString",
];
const moreNames = ["key_int32", "keyBool", "listString", "list_int32", "colors", "time", "duration", "wBool", "wInt64"];
const oddNames = [
  "pickText",
  "pickNumber",
  "pickChild",
  "values",
  "struct",
  "colorByName",
  "times",
  "wList",
  "nope",
  "",
];
const allNames = [...names, ...names, ...moreNames, ...oddNames];
const keys = ["0", "0", "1", "2", "a", "a.b", "a]", "a[0]", "true", "-1", "", "é "];
const texts = ["1", "1", "7", "true", "x", "", "RED", "a b", "é", "1.5s", "1970-01-01T00:00:01Z", "99"];

type Pick = <T>(from: readonly T[]) => T;

/** A parameter's name that is often right. */
function randomPath(pick: Pick): string {
  let path = pick(allNames);
  for (let step = 0; step < 4; step++) {
    switch (pick([0, 0, 1, 1, 1, 2, 3, 4])) {
      case 0:
        return path;
      case 1:
        path += `[${pick(["0", "0", "1", pick(keys)])}]`;
        break;
      case 2:
        path += `.${pick(keys)}`;
        break;
      case 3:
        path += `.${pick(allNames)}`;
        break;
      default:
        path += `${pick(["[0]", "[1]", `[${pick(keys)}]`, ""])}.${pick(names)}`;
    }
  }
  return path;
}

const directed = [
  "aInt32",
  "aString",
  "optBool",
  "color",
  "child",
  "children",
  "childByName",
  "keyString",
  "listInt32",
];

/** A parameter that is right, seen by itself. */
function randomParameter(desc: DescMessage, pick: Pick, depth = 0): readonly [path: string, text: string] {
  const name = pick(depth > 3 ? directed.slice(0, 4) : directed);
  const field = desc.fields.find((one) => one.jsonName === name) as DescField; // All has each of them
  const key = pick(["a", "b", "c.d"]);
  const step =
    field.fieldKind === "list"
      ? pick(["[0]", "[0]", "[1]", isOpen(field) ? "[2]" : ""])
      : field.fieldKind === "map"
        ? pick([`[${key}]`, `.${key.slice(0, 1)}`])
        : "";
  const path = `${pick([field.name, field.jsonName])}${step}`;
  if (isOpen(field)) {
    const [inner, text] = randomParameter(field.message as DescMessage, pick, depth + 1);
    return [`${path}.${inner}`, text];
  }
  return [
    path,
    pick(field.enum ? ["RED", "2"] : field.scalar === ScalarType.BOOL ? ["true", "false"] : ["0", "1", "22"]),
  ];
}

function encode(text: string, pick: Pick): string {
  return pick([true, false])
    ? encodeURIComponent(text)
    : encodeURIComponent(text).replaceAll("%5B", "[").replaceAll("%5D", "]").replaceAll("%20", "+");
}

function expectedOf(parameters: readonly (readonly [path: string, text: string])[]): JsonValue | undefined {
  try {
    const model = new Model(All);
    for (const [path, text] of parameters) model.set(path, text);
    return toJson(All, fromJson(All, model.toJson(), { registry }), { registry });
  } catch {
    // Refused, or an error of protobuf-es: which one says nothing of how ours should read.
    return undefined;
  }
}

describe("compileQuery()", () => {
  it("reads random queries as a slow model and protobuf-es do", () => {
    const seed = freshSeed();
    const random = seededRandom(seed);
    const pick: Pick = (from) => from[Math.floor(random() * from.length)] as (typeof from)[0];
    const read = compileQuery({ message: All, unknown: "reject", enums: defaultJsonOptions, bodyField: undefined });
    const until = performance.now() + RUN_MS;
    let accepted = 0;
    for (let run = 0; performance.now() < until; run++) {
      const isDirected = pick([true, true, false]);
      const parameters = Array.from({ length: pick(isDirected ? [2, 3, 5, 8] : [1, 1, 2]) }, () =>
        isDirected ? randomParameter(All, pick) : ([randomPath(pick), pick(texts)] as const),
      );
      const query = parameters.map(([path, text]) => `${encode(path, pick)}=${encode(text, pick)}`).join("&");
      const expected = expectedOf(parameters);
      let found: JsonValue | undefined;
      wire.reset();
      try {
        read(query);
        found = toJson(All, fromBinary(All, wire.take()), { registry });
      } catch (error) {
        assert.ok(error instanceof GatewayError, `seed ${seed}, ${query}: ${String(error)}`);
      }
      assert.deepEqual(found, expected, `seed ${seed}, run ${run}: ${query}`);
      if (found !== undefined && isDirected) accepted++;
    }
    assert.ok(accepted > 50, `seed ${seed}: only ${accepted} queries were accepted`);
  });
});
