import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw, createZstdDecompress } from "node:zlib";
import { gatewayError, type GatewayError } from "../../core/errors.ts";
import type { BodyListener, BodyStreamListener, HttpExchange, ReplyListener } from "../http.ts";
import { ForwardingExchange } from "./forwarding.ts";

/** Content codings that bodies of requests may have, as Accept-Encoding of a refusal lists them. */
export const REQUEST_CODINGS = "gzip, deflate, br, zstd";

// JSON that says much over and over shrinks to a hundredth; a bomb of zeros to a thousandth by gzip, and far below by
// the others. Small bodies may be anything.
const MAX_RATIO = 200;
const FREE_BYTES = 1 << 20;

/** A request whose body is compressed, as one whose body is not. A body without a coding that we know is refused. */
export function decodedRequest(http: HttpExchange, contentEncoding: string): HttpExchange | GatewayError {
  const coding = contentEncoding.trim().toLowerCase();
  if (coding === "" || coding === "identity") return http;
  if (DECODERS.has(coding)) return new DecodedRequest(http, coding);
  return gatewayError("UNSUPPORTED_CONTENT_ENCODING", {
    encoding: JSON.stringify(contentEncoding.slice(0, 100)),
    expected: REQUEST_CODINGS,
  });
}

type Decoder = ReturnType<typeof createInflate>;

// Node passes over what follows the end. gzip may go on with another member (RFC 1952, section 2.2), and refuses the rest.
const STRICT = { rejectGarbageAfterEnd: true };

/** By name; each is given the first byte. */
const DECODERS: ReadonlyMap<string, (first: number) => Decoder> = new Map([
  ["gzip", () => createGunzip()],
  ["x-gzip", () => createGunzip()],
  // Some clients leave the zlib header out (RFC 9110, section 8.4.1.2); its first byte has 8 in its low half.
  ["deflate", (first) => ((first & 0x0f) === 8 ? createInflate(STRICT) : createInflateRaw(STRICT))],
  ["br", () => createBrotliDecompress(STRICT)],
  ["zstd", () => createZstdDecompress(STRICT)],
] as readonly (readonly [string, (first: number) => Decoder])[]);

/** Pieces are decompressed as they come; whoever takes them holds back the client as without. */
class DecodedRequest extends ForwardingExchange implements BodyStreamListener {
  private readonly coding: string;
  private decoder: Decoder | null = null;
  private listener: BodyStreamListener | null = null;
  private bytesIn = 0;
  private bytesOut = 0;
  private isPaused = false;
  private isOver = false;

  constructor(http: HttpExchange, coding: string) {
    super(http);
    this.coding = coding;
  }

  override listen(listener: ReplyListener): void {
    this.http.listen({
      onClientGone: () => {
        this.stop();
        listener.onClientGone();
      },
      onDrain: () => listener.onDrain(),
      onShutdown: () => listener.onShutdown(),
    });
  }

  override readBody(listener: BodyListener): void {
    const limit = this.maxBodyBytes;
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    this.streamBody(
      {
        onBodyPiece: (piece) => {
          if ((bytes += piece.length) > limit) this.fail(gatewayError("BODY_TOO_LARGE", { limit }));
          else pieces.push(piece);
        },
        onBodyEnd: () => listener.onBody(Buffer.concat(pieces, bytes)),
        onBodyError: (error) => listener.onBodyError(error),
      },
      false,
    );
  }

  override streamBody(listener: BodyStreamListener, isOpenEnded: boolean): void {
    this.listener = listener;
    this.http.streamBody(this, isOpenEnded);
  }

  override pauseBody(): void {
    this.isPaused = true;
    this.decoder?.pause();
  }

  override resumeBody(): void {
    this.isPaused = false;
    // Once it is over, what still comes is to be thrown away.
    if (this.isOver) this.http.resumeBody();
    else this.decoder?.resume();
  }

  onBodyPiece(piece: Uint8Array): void {
    if (this.isOver || piece.length === 0) return;
    this.bytesIn += piece.length;
    const decoder = (this.decoder ??= this.createDecoder(piece[0] as number)); // it is not empty
    // A copy, for the decoder reads it later, on another thread.
    if (!decoder.write(Buffer.from(piece))) this.http.pauseBody();
  }

  onBodyEnd(): void {
    if (this.isOver) return;
    if (this.decoder !== null) this.decoder.end();
    else {
      // Nothing at all is an empty body in any coding.
      this.isOver = true;
      this.listener?.onBodyEnd();
    }
  }

  onBodyError(error: GatewayError): void {
    this.fail(error);
  }

  private createDecoder(first: number): Decoder {
    const make = DECODERS.get(this.coding);
    if (make === undefined) throw new Error(`no decoder for ${this.coding}`); // the constructor's caller has looked
    const decoder = make(first);
    decoder.on("data", (bytes: Buffer) => this.onDecoded(bytes));
    decoder.on("drain", () => this.http.resumeBody());
    decoder.on("end", () => {
      if (this.isOver) return;
      this.isOver = true;
      this.listener?.onBodyEnd();
    });
    decoder.on("error", (error) => {
      const params = { encoding: this.coding, reason: error.message };
      this.fail(gatewayError("BODY_ENCODING_INVALID", params, { cause: error }));
    });
    if (this.isPaused) decoder.pause();
    return decoder;
  }

  private onDecoded(bytes: Buffer): void {
    if (this.isOver) return;
    this.bytesOut += bytes.length;
    if (this.bytesOut > Math.max(FREE_BYTES, this.maxBodyBytes) && this.bytesOut > this.bytesIn * MAX_RATIO) {
      return this.fail(gatewayError("BODY_EXPANDS_TOO_FAR", { ratio: MAX_RATIO }));
    }
    this.listener?.onBodyPiece(bytes);
  }

  private fail(error: GatewayError): void {
    if (this.isOver) return;
    this.stop();
    this.listener?.onBodyError(error);
    this.http.resumeBody();
  }

  private stop(): void {
    this.isOver = true;
    this.decoder?.destroy();
  }
}
