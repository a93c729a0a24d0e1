import { gatewayError } from "../core/errors.ts";
import type { Binder, MessageStream, StreamBinder, StreamedRequest } from "./binder.ts";
import type { FileField, Form, FormPart } from "./form.ts";
import { MultipartParser, type PartHead, type PartListener } from "./multipart.ts";
import { wire } from "./wire.ts";

/**
 * Parts as the messages of a stream, in their order. Fields that follow each other are one message; each piece of a file
 * is one as it comes, which holds nothing but the field that takes the file, the first of them with its type and name.
 * Path, query and headers go into the first message; where a file comes first, into one of their own ahead of it, since
 * they may be members of one oneof. A form without parts is one message.
 */
export function compileFormStream(form: Form, bindRest: Binder): StreamBinder {
  return (request, send) => new FormStream(form, request, bindRest, send);
}

/** The whole form is one message. */
export function compilePairsStream(bind: Binder): StreamBinder {
  return ({ variables, query, headers, maxBytes }, send) => {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    return {
      push(piece) {
        if ((bytes += piece.length) > maxBytes) throw gatewayError("BODY_TOO_LARGE", { limit: maxBytes });
        pieces.push(Buffer.from(piece));
      },
      end: () => send(bind(variables, query, Buffer.concat(pieces), headers)),
    };
  };
}

const NOTHING = Buffer.alloc(0);

class FormStream implements MessageStream, PartListener {
  private readonly form: Form;
  private readonly parser: MultipartParser;
  private readonly send: (message: Buffer) => void;
  private readonly maxBytes: number;
  /** What path, query and headers set; null once it was sent. */
  private rest: Buffer | null;
  /** Parts that are fields, and that no message has yet. */
  private fields: FormPart[] = [];
  private heldBytes = 0;
  /** The part that is being read. */
  private head: PartHead | null = null;
  private file: FileField | undefined = undefined;
  private isFirstPiece = false;
  private data: Buffer[] = [];

  constructor(form: Form, request: StreamedRequest, bindRest: Binder, send: (message: Buffer) => void) {
    const { variables, query, headers, maxBytes } = request;
    this.form = form;
    this.send = send;
    this.maxBytes = maxBytes;
    this.rest = bindRest(variables, query, null, headers);
    this.parser = new MultipartParser(headers.header("content-type") ?? "", this);
  }

  push(piece: Uint8Array): void {
    this.parser.push(piece);
  }

  end(): void {
    this.parser.end();
    if (this.fields.length > 0 || this.rest !== null) this.sendFields();
  }

  onPart(head: PartHead): void {
    this.head = head;
    this.file = this.form.fileFieldOf(head);
    if (this.file === undefined) return this.hold(head.name.length);
    if (this.fields.length > 0 || (this.rest !== null && this.rest.length > 0)) this.sendFields();
    this.rest = null;
    this.isFirstPiece = true;
  }

  onPartData(bytes: Uint8Array): void {
    if (this.file !== undefined) return this.sendPiece(this.file, bytes);
    this.hold(bytes.length);
    this.data.push(Buffer.from(bytes));
  }

  onPartEnd(): void {
    const { head } = this;
    if (head === null) return;
    if (this.file === undefined) this.fields.push({ ...head, data: Buffer.concat(this.data) });
    else if (this.isFirstPiece) this.sendPiece(this.file, NOTHING);
    this.data = [];
    this.head = null;
  }

  private hold(bytes: number): void {
    if ((this.heldBytes += bytes) > this.maxBytes) throw gatewayError("BODY_TOO_LARGE", { limit: this.maxBytes });
  }

  private sendPiece(file: FileField, bytes: Uint8Array): void {
    const head = this.isFirstPiece ? this.head : null;
    this.isFirstPiece = false;
    wire.reset();
    this.form.wrapped(() => this.form.writeFile(file, head, bytes));
    this.send(wire.take());
  }

  private sendFields(): void {
    wire.reset();
    if (this.fields.length > 0) this.form.readParts(this.fields);
    const fields = wire.take();
    this.send(this.rest === null || this.rest.length === 0 ? fields : Buffer.concat([fields, this.rest]));
    this.rest = null;
    this.fields = [];
    this.heldBytes = 0;
  }
}
