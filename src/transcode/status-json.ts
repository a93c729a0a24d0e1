import { createRegistry, type Registry } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import type { FieldViolation, GatewayError } from "../core/errors.ts";
import { statusForm, textJson, type ErrorForm, type Failure } from "./error-form.ts";
import { createJsonWriters } from "./json-write.ts";
import { defaultJsonOptions } from "./options.ts";
import { sink } from "./sink.ts";

/**
 * Appends an upstream's failure in a form to the sink; its details are those of `grpc-status-details-bin` (base64), and
 * so is the message where the failure has none.
 */
export type StatusWriter = (form: ErrorForm, failure: Failure, detailsBin: string | undefined) => void;

// A status travels in a header block, so anything larger than this is not one.
const MAX_DETAILS_BYTES = 1 << 20;

/**
 * Compiles a writer of an upstream's failures. `registries` are asked in order for the types of `details`: the
 * upstream's own first, then the bundled google.rpc ones.
 */
export function createStatusWriter(registries: readonly Registry[]): StatusWriter {
  const registry = createRegistry(...[...registries].reverse());
  const writeAny = createJsonWriters(registry, defaultJsonOptions).message(AnySchema);
  const writeDetail = (any: Uint8Array): void => {
    const before = sink.length;
    const ascii = sink.ascii;
    try {
      writeAny(any, 0, any.length);
    } catch {
      // A type that no registry knows, or bytes that are not of that type: the rest of the status still counts, so the
      // detail is handed on as it came.
      sink.length = before;
      sink.ascii = ascii;
      writeOpaque(any);
    }
  };
  return (form, failure, detailsBin) => {
    const details = detailsBin === undefined ? undefined : readDetails(detailsBin);
    const message = failure.message === "" && details !== undefined ? details.message : failure.message;
    form.write({ ...failure, message }, () => {
      details?.anys.forEach((any, index) => {
        sink.text(index > 0 ? "," : "[");
        writeDetail(any);
      });
      sink.text(details === undefined || details.anys.length === 0 ? "[]" : "]");
    });
  };
}

/** Appends the gateway's own failure in a form to the sink: field violations first, then the permanent code. */
export function writeGatewayError(error: GatewayError, form: ErrorForm = statusForm, requestId = ""): void {
  const { grpc: code, http, message, violations } = error;
  form.write({ code, message, http, requestId }, () => {
    sink.text("[");
    if (violations.length > 0) {
      sink.text(`{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[`);
      violations.forEach((violation, index) => writeViolation(violation, index));
      sink.text("]},");
    }
    sink.text(`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"${error.code}","domain":"sluice"}]`);
  });
}

function writeViolation(violation: FieldViolation, index: number): void {
  sink.text(index > 0 ? `,{"field":` : `{"field":`);
  sink.text(textJson(violation.field));
  sink.text(`,"description":`);
  sink.text(textJson(violation.description));
  sink.text("}");
}

function writeOpaque(any: Uint8Array): void {
  const { typeUrl, value } = readAny(any);
  sink.text(`{"@type":`);
  sink.text(textJson(typeUrl));
  sink.text(`,"value":"${Buffer.from(value).toString("base64")}"}`);
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
