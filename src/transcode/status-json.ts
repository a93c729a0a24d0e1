import { STATUS_CODES } from "node:http";
import { createRegistry, type Registry } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import { codeName } from "../core/code.ts";
import type { FieldViolation, GatewayError } from "../core/errors.ts";
import { quote } from "./json-write-forms.ts";
import { createJsonWriters } from "./json-write.ts";
import { defaultJsonOptions } from "./options.ts";
import { sink } from "./sink.ts";

/**
 * Appends `{"code":…,"message":…,"details":[…]}` (google.rpc.Status as ProtoJSON) to the sink; with an HTTP status as
 * `problem` the same as problem details (RFC 9457), `message` being `detail`:
 * `{"type":"about:blank","title":"Not Found","status":404,"detail":…,"code":…,"details":[…]}`.
 */
export type StatusWriter = (code: number, message: string, detailsBin: string | undefined, problem?: number) => void;

// A status travels in a header block, so anything larger than this is not one.
const MAX_DETAILS_BYTES = 1 << 20;

/**
 * Compiles a writer of an upstream's failures. `registries` are asked in order for the types of `details`: the
 * upstream's own first, then the bundled google.rpc ones.
 */
export function createStatusWriter(registries: readonly Registry[]): StatusWriter {
  const registry = createRegistry(...[...registries].reverse());
  const writeAny = createJsonWriters(registry, defaultJsonOptions).message(AnySchema);
  return (code, message, detailsBin, problem) => {
    const details = detailsBin === undefined ? undefined : readDetails(detailsBin);
    writeHead(code, message === "" && details !== undefined ? details.message : message, problem);
    sink.text(`,"details":[`);
    details?.anys.forEach((any, index) => {
      if (index > 0) sink.text(",");
      const before = sink.length;
      const ascii = sink.ascii;
      try {
        writeAny(any, 0, any.length);
      } catch {
        // A type that no registry knows, or bytes that are not of that type: the rest of the status still counts, so
        // the detail is handed on as it came.
        sink.length = before;
        sink.ascii = ascii;
        writeOpaque(any);
      }
    });
    sink.text("]}");
  };
}

/** Appends the gateway's own failure, as a StatusWriter does: field violations first, then the permanent code. */
export function writeGatewayError(error: GatewayError, problem?: number): void {
  writeHead(error.grpc, error.message, problem);
  sink.text(`,"details":[`);
  if (error.violations.length > 0) {
    sink.text(`{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[`);
    error.violations.forEach((violation, index) => writeViolation(violation, index));
    sink.text("]},");
  }
  sink.text(`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"${error.code}","domain":"sluice"}]}`);
}

function writeViolation(violation: FieldViolation, index: number): void {
  sink.text(index > 0 ? `,{"field":` : `{"field":`);
  writeText(violation.field);
  sink.text(`,"description":`);
  writeText(violation.description);
  sink.text("}");
}

function writeHead(code: number, message: string, problem: number | undefined): void {
  if (problem === undefined) {
    sink.text(`{"code":${code},"message":`);
    writeText(message);
    return;
  }
  // Without a type of its own a problem is titled by its status (RFC 9457, section 4.2.1).
  const title = STATUS_CODES[problem] ?? codeName(code);
  sink.text(`{"type":"about:blank","title":"${title}","status":${problem},"detail":`);
  writeText(message);
  sink.text(`,"code":${code}`);
}

function writeOpaque(any: Uint8Array): void {
  const { typeUrl, value } = readAny(any);
  sink.text(`{"@type":`);
  writeText(typeUrl);
  sink.text(`,"value":"${Buffer.from(value).toString("base64")}"}`);
}

/** In ASCII: a status is short and rare, and so the reply stays a latin1 string. */
function writeText(text: string): void {
  sink.text(quote(text.toWellFormed()));
}

/** google.rpc.Status {code = 1, message = 2, details = 3}; undefined where the bytes are none. */
function readDetails(base64: string): { message: string; anys: Uint8Array[] } | undefined {
  const bytes = Buffer.from(base64, "base64");
  if (bytes.length > MAX_DETAILS_BYTES) return undefined;
  let message = "";
  const anys: Uint8Array[] = [];
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 2 && type === WireType.LengthDelimited) message = reader.string();
      else if (field === 3 && type === WireType.LengthDelimited) anys.push(reader.bytes());
      else reader.skip(type, field);
    }
  } catch {
    // An upstream's malformed details must not hide its code and message, which came apart from them.
    return undefined;
  }
  return { message, anys };
}

function readAny(bytes: Uint8Array): { typeUrl: string; value: Uint8Array } {
  let typeUrl = "";
  let value = new Uint8Array(0);
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === 1 && type === WireType.LengthDelimited) typeUrl = reader.string();
      else if (field === 2 && type === WireType.LengthDelimited) value = new Uint8Array(reader.bytes());
      else reader.skip(type, field);
    }
  } catch {
    // As above: what could be read of the detail is shown.
  }
  return { typeUrl, value };
}
