// Rows of ProtoJSON's rules. Every row goes both ways and through protobuf-es as well, which must see the same message in
// the text and write the same JSON for it.
import { type DescMessage, fromBinary, fromJsonString, toBinary, toJson } from "@bufbuild/protobuf";
import assert from "node:assert/strict";
import { it } from "node:test";
import { WireError } from "../../src/transcode/json-write.ts";
import { sameJson } from "./conformance.ts";
import { messageType, registry, Transcoder } from "./protojson.ts";

export interface Accepted {
  readonly rule: string;
  readonly type: string;
  readonly json: string;
  /** What is written for it; where it is left out, the same text. */
  readonly canonical?: string;
  readonly lenient?: boolean;
  /** Why protobuf-es reads the text otherwise. */
  readonly apart?: string;
}

export interface Refused {
  readonly rule: string;
  readonly type: string;
  readonly json: string;
  /** `CODE path` */
  readonly as: string;
  /** Why protobuf-es takes it. */
  readonly apart?: string;
}

/** Bytes of an upstream, and the JSON that is written for them, or why there is none. */
export interface Written {
  readonly rule: string;
  readonly type: string;
  readonly bytes: Buffer;
  readonly json?: string;
  readonly refused?: string;
  /** Why protobuf-es writes something else. */
  readonly apart?: string;
}

const strict = new Transcoder();
const lenient = new Transcoder({ unknownFields: "ignore" });

function oracleReads(message: DescMessage, json: string, ignoreUnknownFields: boolean): Uint8Array {
  return toBinary(message, fromJsonString(message, json, { registry, ignoreUnknownFields }));
}

/** In the order of the fields, NaN equal to NaN. */
function canonicalBytes(message: DescMessage, bytes: Uint8Array): string {
  return Buffer.from(toBinary(message, fromBinary(message, bytes))).toString("hex");
}

export function checkAccepted(rows: readonly Accepted[]): void {
  for (const { rule, type, json, canonical = json, lenient: ignores = false, apart } of rows) {
    it(rule, () => {
      const message = messageType(type);
      const bytes = (ignores ? lenient : strict).read(message, json);
      assert.equal(strict.write(message, bytes), canonical);
      // What was written is read as the same.
      assert.equal(strict.read(message, canonical).toString("hex"), bytes.toString("hex"));
      const isSame = (): void => {
        const expected = oracleReads(message, json, ignores);
        assert.equal(canonicalBytes(message, bytes), canonicalBytes(message, expected));
        const written: unknown = toJson(message, fromBinary(message, bytes), { registry });
        assert.ok(sameJson(written, JSON.parse(canonical), ""), JSON.stringify(written));
      };
      if (apart === undefined) isSame();
      else assert.throws(isSame, `protobuf-es agrees by now: ${apart}`);
    });
  }
}

export function checkRefused(rows: readonly Refused[]): void {
  for (const { rule, type, json, as, apart } of rows) {
    it(rule, () => {
      const message = messageType(type);
      const reason = strict.refusal(message, json);
      assert.ok(reason === as || reason.startsWith(`${as}${as.includes(" ") ? ":" : " "}`), `${reason}, not ${as}`);
      assert.ok(reason.length > as.length + 10, reason);
      const oracle = (): unknown => oracleReads(message, json, false);
      if (apart === undefined) assert.throws(oracle);
      else assert.doesNotThrow(oracle, `protobuf-es refuses by now, too: ${apart}`);
    });
  }
}

export function checkWritten(rows: readonly Written[]): void {
  for (const { rule, type, bytes, json, refused, apart } of rows) {
    it(rule, () => {
      const message = messageType(type);
      const oracle = (): void => {
        const written: unknown = toJson(message, fromBinary(message, bytes), { registry });
        if (json !== undefined) assert.ok(sameJson(written, JSON.parse(json), ""), JSON.stringify(written));
      };
      if (json === undefined) {
        assert.throws(() => strict.write(message, bytes), new WireError(refused ?? ""));
        if (apart === undefined) assert.throws(oracle);
        else assert.doesNotThrow(oracle, `protobuf-es refuses by now, too: ${apart}`);
      } else {
        assert.equal(strict.write(message, bytes), json);
        if (apart === undefined) oracle();
        else assert.throws(oracle, `protobuf-es agrees by now: ${apart}`);
      }
    });
  }
}
