import { gatewayError, type GatewayError } from "../core/errors.ts";

export interface JsonSplitterOptions {
  /** Bytes of one value. */
  readonly maxBytes: number;
  /** Whether a body that begins with `[` is a list of values; else that is the first value. */
  readonly mayBeArray: boolean;
}

// Between values: what may come next.
const FIRST = 0;
const VALUE = 1;
const ITEM_OR_END = 2;
const COMMA_OR_END = 3;
const ITEM = 4;
const NOTHING = 5;
// Within a value.
const NESTED = 6;
const STRING = 7;
const ESCAPE = 8;
const SCALAR = 9;

const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;

/**
 * Cuts a body that comes in pieces into the JSON texts of its values, one after the other in memory:
 *
 *     body = [ value *( [ws] value ) ]                 ; NDJSON, or one behind the other
 *          / "[" [ value *( "," value ) ] "]"          ; one array
 *
 * Only brackets and strings are looked at, each byte once; what stands in a value is its reader's to judge. Values that
 * are numbers or words need white space between them.
 */
export class JsonSplitter {
  private readonly options: JsonSplitterOptions;
  private readonly onValue: (text: Uint8Array) => void;
  private state = FIRST;
  private isArray = false;
  /** Open brackets and braces of the value. */
  private depth = 0;
  /** The begin of a value whose end has not come: [0, heldBytes). */
  private held = Buffer.alloc(0);
  private heldBytes = 0;
  private values = 0;
  /** Bytes of the pieces before this one. */
  private offset = 0;

  /** `onValue` gets bytes that are valid only during the call; what it throws comes out of `push` or `end`. */
  constructor(options: JsonSplitterOptions, onValue: (text: Uint8Array) => void) {
    this.options = options;
    this.onValue = onValue;
  }

  /** Throws BODY_MALFORMED or MESSAGE_TOO_LARGE; nothing may be pushed after that. */
  push(piece: Uint8Array): void {
    let from = 0;
    for (let i = 0; i < piece.length; i++) {
      const byte = piece[i] as number;
      switch (this.state) {
        case STRING:
          if (byte === BACKSLASH) this.state = ESCAPE;
          else if (byte === QUOTE) {
            this.state = NESTED;
            if (this.depth === 0) this.take(piece, from, i + 1);
          }
          break;
        case ESCAPE:
          this.state = STRING;
          break;
        case NESTED:
          if (byte === QUOTE) this.state = STRING;
          else if (isOpening(byte)) this.depth++;
          else if (isClosing(byte) && --this.depth === 0) this.take(piece, from, i + 1);
          break;
        case SCALAR:
          if (!endsScalar(byte)) break;
          this.take(piece, from, i);
          i--; // it is looked at again, as what follows a value
          break;
        default:
          if (isBlank(byte)) break;
          if (!this.between(byte, this.offset + i)) break;
          from = i;
          if (byte === QUOTE) this.state = STRING;
          else if (isOpening(byte)) {
            this.state = NESTED;
            this.depth = 1;
          } else this.state = SCALAR;
      }
    }
    if (this.state >= NESTED) this.hold(piece, from);
    this.offset += piece.length;
  }

  /** The body has ended. Throws BODY_MALFORMED. */
  end(): void {
    if (this.state === SCALAR && !this.isArray) this.take(new Uint8Array(0), 0, 0);
    if (this.state >= NESTED) throw malformed(`it ends within message ${this.values + 1}`);
    if (this.isArray && this.state !== NOTHING) throw malformed(`the array has no end after message ${this.values}`);
  }

  /** What `byte` means between two values: true where it begins one. */
  private between(byte: number, at: number): boolean {
    if (this.state === FIRST) {
      if (byte === OPEN_LIST && this.options.mayBeArray) {
        this.isArray = true;
        this.state = ITEM_OR_END;
        return false;
      }
      this.state = VALUE;
    }
    switch (this.state) {
      case COMMA_OR_END:
        if (byte === COMMA) this.state = ITEM;
        else if (byte === CLOSE_LIST) this.state = NOTHING;
        else throw malformed(`expected a comma or the array's end behind message ${this.values}, at byte ${at}`);
        return false;
      case NOTHING:
        throw malformed(`something follows the array, at byte ${at}`);
      case ITEM_OR_END:
        if (byte === CLOSE_LIST) {
          this.state = NOTHING;
          return false;
        }
    }
    if (isClosing(byte) || byte === COMMA) throw malformed(`expected message ${this.values + 1} at byte ${at}`);
    return true;
  }

  private take(piece: Uint8Array, from: number, end: number): void {
    let text = piece.subarray(from, end);
    if (this.heldBytes > 0) {
      this.hold(text, 0);
      text = this.held.subarray(0, this.heldBytes);
      this.heldBytes = 0;
    } else this.checkSize(text.length);
    this.state = this.isArray ? COMMA_OR_END : VALUE;
    this.depth = 0;
    this.values++;
    this.onValue(text);
  }

  /** Keeps a copy: a piece may be a small part of the memory that it would keep alive. */
  private hold(piece: Uint8Array, from: number): void {
    const size = this.heldBytes + piece.length - from;
    this.checkSize(size);
    if (size > this.held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(size, this.held.length * 2), this.options.maxBytes));
      larger.set(this.held.subarray(0, this.heldBytes));
      this.held = larger;
    }
    this.held.set(piece.subarray(from), this.heldBytes);
    this.heldBytes = size;
  }

  private checkSize(bytes: number): void {
    const { maxBytes } = this.options;
    if (bytes > maxBytes) throw gatewayError("MESSAGE_TOO_LARGE", { index: this.values + 1, limit: maxBytes });
  }
}

function malformed(reason: string): GatewayError {
  return gatewayError("BODY_MALFORMED", { reason });
}

// Brackets and braces differ in one bit.
function isOpening(byte: number): boolean {
  return (byte & ~0x20) === OPEN_LIST;
}

function isClosing(byte: number): boolean {
  return (byte & ~0x20) === CLOSE_LIST;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function endsScalar(byte: number): boolean {
  return isBlank(byte) || byte === COMMA || byte === QUOTE || isOpening(byte) || isClosing(byte);
}
