import { isUtf8 } from "node:buffer";
import { Dicer } from "@fastify/busboy";
import { fieldError, gatewayError, type GatewayError } from "../core/errors.ts";
import { shorten } from "./json-read-error.ts";
import { MAX_PARAMETERS } from "./query-elements.ts";

/** What stands above the content of a part of multipart/form-data (RFC 7578). */
export interface PartHead {
  /** Of the form's field. */
  readonly name: string;
  /** `content-type` as sent; "" where there is none. */
  readonly type: string;
  /** Without directories; undefined where the part names none. */
  readonly filename: string | undefined;
}

/** Hears of the parts one by one: `onPart`, `onPartData`…, `onPartEnd`. What it throws comes out of `push`. */
export interface PartListener {
  onPart(head: PartHead): void;
  /** Valid only during the call. */
  onPartData(bytes: Uint8Array): void;
  onPartEnd(): void;
}

// As many as a query may have parameters.
const MAX_PARTS = MAX_PARAMETERS;
const MAX_HEADER_BYTES = 16 * 1024;
const MAX_NAME_BYTES = 1024;
// Dicer cuts off what is above its limit without a word. So it gets a higher one, and ours is looked at here.
const KEPT_HEADER_BYTES = MAX_HEADER_BYTES + 1024;

/** Cuts a body that comes in pieces into its parts. Throws FORM_MALFORMED or FIELD_INVALID; nothing may follow then. */
export class MultipartParser {
  private readonly dicer: Dicer;
  private readonly listener: PartListener;
  private parts = 0;
  private isEnded = false;

  /** `type` is the body's content-type. */
  constructor(type: string, listener: PartListener) {
    this.listener = listener;
    const options = { boundary: boundaryOf(type), maxHeaderSize: KEPT_HEADER_BYTES }; // its types know only the first
    this.dicer = new Dicer(options);
    this.dicer.on("part", (part) => this.begin(part));
    this.dicer.on("finish", () => (this.isEnded = true));
  }

  push(piece: Uint8Array): void {
    // What follows the last boundary says nothing (RFC 2046, section 5.1.1, "epilogue").
    if (!this.isEnded) this.dicer.write(piece);
  }

  end(): void {
    if (!this.isEnded) throw formMalformed("it ends before its closing boundary");
  }

  private begin(part: Dicer.PartStream): void {
    const index = ++this.parts;
    if (index > MAX_PARTS) throw formMalformed(`more than ${MAX_PARTS} parts`);
    let hasHead = false;
    part.on("header", (header) => {
      hasHead = true;
      // As declared, though each name has the list of its values.
      this.listener.onPart(readHead(header as Record<string, string[]>, index));
    });
    // In place of the stream's own: what is pushed is told at once, in the body's order, and nothing is kept.
    part.push = (bytes: Uint8Array | null): boolean => {
      if (bytes !== null) this.listener.onPartData(bytes);
      else {
        if (!hasHead) throw formMalformed(`part ${index} ends within its headers`);
        this.listener.onPartEnd();
        part.emit("end");
      }
      return true;
    };
  }
}

/** The boundary that a content-type of multipart/form-data names. */
function boundaryOf(type: string): string {
  const found = /;[ \t]*boundary=(?:"([^"]*)"|([^\s;"]+))/i.exec(type.slice(0, 300));
  const boundary = found?.[1] ?? found?.[2] ?? "";
  // RFC 2046, section 5.1.1: bchars
  if (/^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/.test(boundary)) return boundary;
  throw formMalformed(`its content-type ${JSON.stringify(type.slice(0, 100))} names no boundary`);
}

function readHead(header: Readonly<Record<string, readonly string[]>>, index: number): PartHead {
  let bytes = 0;
  for (const [name, values] of Object.entries(header)) {
    for (const value of values) bytes += name.length + value.length + 4;
  }
  const place = `part ${index}`;
  if (bytes > MAX_HEADER_BYTES) throw formMalformed(`headers of ${place} are longer than ${MAX_HEADER_BYTES} bytes`);
  const [disposition, ...others] = header["content-disposition"] ?? [];
  if (disposition === undefined || others.length > 0) {
    throw formMalformed(`${place} has ${disposition === undefined ? "no" : "more than one"} content-disposition`);
  }
  const parameters = parametersOf(disposition);
  if (parameters === null) {
    throw formMalformed(`content-disposition of ${place}: expected form-data; name="…"`);
  }
  const name = textOf(parameters.get("name") ?? "", `name of ${place}`);
  if (name === "") throw formMalformed(`${place} has no name`);
  if (name.length > MAX_NAME_BYTES) throw formMalformed(`name of ${place} is longer than ${MAX_NAME_BYTES} bytes`);
  const encoding = header["content-transfer-encoding"]?.[0]?.toLowerCase() ?? "binary";
  if (!/^(?:7bit|8bit|binary)$/.test(encoding)) {
    throw fieldError("FIELD_INVALID", shorten(name, 200), "content-transfer-encoding is not supported (RFC 7578, 4.7)");
  }
  const filename = parameters.get("filename");
  return {
    name,
    type: header["content-type"]?.[0]?.trim() ?? "",
    filename: filename === undefined ? undefined : baseName(textOf(filename, `filename of ${place}`)),
  };
}

const PARAMETER = /[ \t]*;[ \t]*([\w!#$%&'*+.^`|~-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/y;

/** Parameters of `form-data; name="a"`, by lower-case name; null where it is something else. */
function parametersOf(disposition: string): ReadonlyMap<string, string> | null {
  const kind = /^form-data(?=[ \t]*(?:;|$))/i.exec(disposition);
  if (kind === null) return null;
  const parameters = new Map<string, string>();
  let at = kind[0].length;
  while (/[^ \t;]/.test(disposition.slice(at))) {
    PARAMETER.lastIndex = at;
    const found = PARAMETER.exec(disposition);
    const name = found?.[1]?.toLowerCase();
    if (found === null || name === undefined || parameters.has(name)) return null;
    // Quotes come as \" from some clients, and as %22 from those that follow WHATWG's HTML ("Multipart form data").
    parameters.set(name, found[3] ?? (found[2] ?? "").replace(/\\(["\\])/g, "$1"));
    at = PARAMETER.lastIndex;
  }
  return parameters;
}

/** Header text of Node's parsers is one character a byte. */
function textOf(latin1: string, place: string): string {
  const bytes = Buffer.from(latin1, "latin1");
  if (!isUtf8(bytes)) throw formMalformed(`${place} is not UTF-8`);
  return bytes.toString().replace(/%22/g, '"').replace(/%0D/gi, "\r").replace(/%0A/gi, "\n");
}

/** Directories are the client's own business (RFC 7578, section 4.2). */
function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

export function formMalformed(reason: string): GatewayError {
  return gatewayError("FORM_MALFORMED", { reason }, { violations: [{ field: "body", description: reason }] });
}
