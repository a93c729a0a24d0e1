import { ScalarType, type DescField, type DescMessage } from "@bufbuild/protobuf";
import { isUtf8 } from "node:buffer";
import { fieldError, GatewayError } from "../core/errors.ts";
import { nestedMessage, resolveFieldPath } from "./field-path.ts";
import { shorten } from "./json-read-error.ts";
import type { JsonReaders } from "./json-read.ts";
import { formMalformed, MultipartParser, type PartHead } from "./multipart.ts";
import { FieldNames, NamedValues } from "./named-values.ts";
import type { JsonOptions } from "./options.ts";
import { readPairs } from "./query.ts";
import { closeMessage, openMessage, wayOf } from "./query-target.ts";
import { ROOM, wire } from "./wire.ts";

/** One part of multipart/form-data. */
export interface FormPart extends PartHead {
  readonly data: Uint8Array;
}

export interface FormOptions {
  readonly message: DescMessage;
  /** The field of the request that the message is; undefined where it is the request. */
  readonly field: DescField | undefined;
  readonly readers: JsonReaders;
  readonly json: JsonOptions;
}

/** A field that takes the bytes of a file: `bytes`, or a google.api.HttpBody. */
export interface FileField {
  /** From the message down. */
  readonly fields: readonly DescField[];
  readonly kind: "bytes" | "http_body";
  /** A string field beside it that takes the file's name. */
  readonly filename: DescField | undefined;
}

/** The message that the fields of a form belong to; undefined where the body is nothing that a form can set. */
export function formMessageOf(
  input: DescMessage,
  body: string,
  bodyField: DescField | undefined,
): DescMessage | undefined {
  if (body === "*") return input;
  return bodyField?.fieldKind === "message" ? nestedMessage(bodyField) : undefined;
}

/**
 * Reads forms into one message, appended to `wire`. Fields are named and valued as parameters of a query are; a part of
 * multipart/form-data may be JSON or a file, too. Throws FIELD_INVALID, FIELD_UNKNOWN, FORM_MALFORMED, BODY_MALFORMED.
 */
export class Form {
  readonly options: FormOptions;
  private readonly names: FieldNames;

  constructor(options: FormOptions) {
    const { message, json } = options;
    this.options = options;
    this.names = new FieldNames({ place: "body", message, unknown: json.unknownFields, enums: json });
  }

  /** Reads application/x-www-form-urlencoded; paths of the fields it names go to `paths`. */
  readPairs(body: Uint8Array, paths?: Set<string>): void {
    const text = Buffer.from(body.buffer, body.byteOffset, body.length).latin1Slice();
    // As `curl -d` sends it where it is not told otherwise.
    if (/^\s*[{[]/.test(text)) throw formMalformed("it looks like JSON, which has content-type application/json");
    this.around(paths, (values) => readPairs(text, "body", values));
  }

  /** As `readPairs`, of parts. */
  readParts(parts: readonly FormPart[], paths?: Set<string>): void {
    this.around(paths, (values) => {
      for (const part of parts) this.readPart(part, values);
    });
  }

  /** The field that takes a part's bytes as they are; undefined for a part that is text or JSON. */
  fileFieldOf(head: PartHead): FileField | undefined {
    const path = resolveFieldPath(this.options.message, head.name);
    if (path.kind !== "field") return undefined;
    const { fields } = path;
    const leaf = fields.at(-1) as DescField; // a path has at least one field
    if (leaf.fieldKind === "map") return undefined;
    const isHttpBody = leaf.message?.typeName === "google.api.HttpBody";
    if (!isHttpBody && (leaf.scalar !== ScalarType.BYTES || !isFile(head))) return undefined;
    return { fields, kind: isHttpBody ? "http_body" : "bytes", filename: filenameField(leaf) };
  }

  /** Appends bytes of a file to `wire`; `head` says type and name where these are to be written as well. */
  writeFile({ fields, kind, filename }: FileField, head: PartHead | null, bytes: Uint8Array): void {
    const parents = fields.slice(0, -1);
    const leaf = fields.at(-1) as DescField; // as above
    const opened = parents.map(openMessage);
    if (head?.filename !== undefined && filename !== undefined) writeBytes(filename.number, Buffer.from(head.filename));
    if (kind === "bytes") writeBytes(leaf.number, bytes);
    else {
      const body = openMessage(leaf);
      if (head !== null && head.type !== "") writeBytes(1, Buffer.from(head.type, "latin1"));
      if (bytes.length > 0) writeBytes(2, bytes);
      closeMessage(leaf, body);
    }
    closeAll(parents, opened);
  }

  /** Appends what `write` writes as the field that the message is. */
  wrapped(write: () => void): void {
    const { field } = this.options;
    if (field === undefined) return write();
    const opened = openMessage(field);
    write();
    closeMessage(field, opened);
  }

  private around(paths: Set<string> | undefined, read: (values: NamedValues) => void): void {
    const values = new NamedValues(this.names, paths);
    this.wrapped(() => {
      read(values);
      values.write();
    });
  }

  private readPart(part: FormPart, values: NamedValues): void {
    const { name, type } = part;
    const file = this.fileFieldOf(part);
    if (file !== undefined) {
      const isRepeated = file.fields.at(-1)?.fieldKind === "list";
      values.note(file.fields);
      values.scope.take({ kind: "field", isRepeated, ...wayOf(file.fields) }, name);
      return this.writeFile(file, part, part.data);
    }
    if (isJson(type)) return this.readJson(part, values);
    const target = values.find(name);
    if (target === undefined) return;
    if (isFile(part) && !/^text\//i.test(type)) {
      throw invalid(name, "takes no file; those go into fields of type bytes or google.api.HttpBody");
    }
    const charset = /;[ \t]*charset="?([^";\s]+)/i.exec(type)?.[1];
    if (charset !== undefined && !/^(?:utf-?8|us-ascii)$/i.test(charset)) {
      throw invalid(name, `charset ${JSON.stringify(charset.slice(0, 40))} is not supported; expected utf-8`);
    }
    if (!isUtf8(part.data)) throw invalid(name, "not UTF-8");
    values.set(target, Buffer.from(part.data).toString(), name);
  }

  /** Sets a field from a part that is the JSON of its value, or of one item of a list. */
  private readJson({ name, data }: FormPart, values: NamedValues): void {
    const { message, json, readers } = this.options;
    const path = resolveFieldPath(message, name);
    if (path.kind === "problem") {
      if (path.code === "FIELD_UNKNOWN" && json.unknownFields === "ignore") return;
      throw fieldError(path.code, shorten(name, 200), path.reason);
    }
    if (path.kind === "element") throw invalid(name, "a part of JSON sets a whole field, not an element of one");
    const { fields } = path;
    const leaf = fields.at(-1) as DescField; // as above
    const parents = fields.slice(0, -1);
    const isRepeated = leaf.fieldKind === "list";
    values.note(fields);
    values.scope.take({ kind: "field", isRepeated, ...wayOf(fields) }, name);
    const text = isRepeated && !beginsList(data) ? Buffer.concat([OPEN, data, CLOSE]) : data;
    const opened = parents.map(openMessage);
    try {
      readers.field(leaf.parent, leaf)(text, 0, text.length);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      const { violations, cause } = error;
      throw new GatewayError(error.code, `part ${JSON.stringify(shorten(name, 200))}: ${error.message}`, {
        violations,
        cause,
      });
    }
    closeAll(parents, opened);
  }
}

const OPEN = Buffer.from("[");
const CLOSE = Buffer.from("]");

/** All parts of a body. */
export function partsOf(body: Uint8Array, type: string): FormPart[] {
  const parts: FormPart[] = [];
  let head: PartHead | null = null;
  let chunks: Buffer[] = [];
  const parser = new MultipartParser(type, {
    onPart(of) {
      head = of;
    },
    onPartData: (bytes) => chunks.push(Buffer.from(bytes)),
    onPartEnd() {
      if (head !== null) parts.push({ ...head, data: Buffer.concat(chunks) });
      chunks = [];
    },
  });
  parser.push(body);
  parser.end();
  return parts;
}

/** A part that a client took from a file, or of a type that is no text. */
function isFile({ filename, type }: PartHead): boolean {
  return filename !== undefined || (type !== "" && !/^text\//i.test(type) && !isJson(type));
}

function isJson(type: string): boolean {
  return /^application\/(?:[\w.!#$&^-]+\+)?json[ \t]*(?:;|$)/i.test(type);
}

/** `upload_filename` or `filename` beside a field `upload`; not where both are members of one oneof. */
function filenameField(leaf: DescField): DescField | undefined {
  return [`${leaf.name}_filename`, "filename"]
    .map((name) => leaf.parent.fields.find((field) => field.name === name))
    .find(
      (field) =>
        field !== undefined &&
        field.fieldKind === leaf.fieldKind.replace("message", "scalar") &&
        field.scalar === ScalarType.STRING &&
        (field.oneof === undefined || field.oneof !== leaf.oneof),
    );
}

function beginsList(json: Uint8Array): boolean {
  return json.find((byte) => byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) === OPEN[0];
}

function closeAll(parents: readonly DescField[], opened: readonly number[]): void {
  for (let depth = parents.length - 1; depth >= 0; depth--) {
    closeMessage(parents[depth] as DescField, opened[depth] as number); // as long as each other
  }
}

function writeBytes(number: number, bytes: Uint8Array): void {
  const field = { number };
  const at = openMessage(field);
  wire.grow(wire.length, bytes.length + ROOM).set(bytes, wire.length);
  wire.length += bytes.length;
  closeMessage(field, at);
}

function invalid(name: string, reason: string): Error {
  return fieldError("FIELD_INVALID", shorten(name, 200), reason);
}
