// How protobuf's wire format is read (protobuf.dev, "Encoding"). Positions are offsets into the message's buffer; a
// second result goes into `cursor`, for no object may be made per field.
//
// A read past the end of the buffer gives undefined, which counts as the last, zero byte of a varint; whoever reads
// checks the position afterwards. Hence `as number` where TypeScript sees `number | undefined`.

/** Why bytes cannot be read as a message, or a message has no JSON form; the exchange blames the upstream. */
export class WireError extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "WireError";
  }
}

/** Second results of the functions below. */
export const cursor = {
  /** Where reading goes on. */
  next: 0,
  /** Upper half of a 64-bit varint, as int32. */
  high: 0,
};

/** Wire types: the low three bits of a tag. */
export const Wire = { Varint: 0, Fixed64: 1, Bytes: 2, StartGroup: 3, EndGroup: 4, Fixed32: 5 } as const;

/** Nesting that is followed; deeper messages are refused, as other protobuf parsers do. */
export const MAX_DEPTH = 100;

export function truncated(): WireError {
  return new WireError("the message is cut short");
}

export function tooDeep(): WireError {
  return new WireError(`the message is nested deeper than ${MAX_DEPTH} levels`);
}

/** Reads a varint: gives its low 32 bits as int32; the rest is in `cursor`. */
export function varint(bytes: Uint8Array, position: number): number {
  let byte = bytes[position++] as number;
  let low = byte & 127;
  cursor.high = 0;
  // Unrolled: a loop takes twice as long.
  if (byte > 127) {
    byte = bytes[position++] as number;
    low |= (byte & 127) << 7;
    if (byte > 127) {
      byte = bytes[position++] as number;
      low |= (byte & 127) << 14;
      if (byte > 127) {
        byte = bytes[position++] as number;
        low |= (byte & 127) << 21;
        if (byte > 127) return longVarint(bytes, position, low);
      }
    }
  }
  cursor.next = position;
  return low;
}

/** Goes on with the fifth byte of a varint. */
function longVarint(bytes: Uint8Array, position: number, low: number): number {
  let byte = bytes[position++] as number;
  low |= (byte & 127) << 28;
  let high = (byte & 127) >>> 4;
  if (byte > 127) {
    byte = bytes[position++] as number;
    high |= (byte & 127) << 3;
    if (byte > 127) {
      byte = bytes[position++] as number;
      high |= (byte & 127) << 10;
      if (byte > 127) {
        byte = bytes[position++] as number;
        high |= (byte & 127) << 17;
        if (byte > 127) {
          byte = bytes[position++] as number;
          high |= (byte & 127) << 24;
          if (byte > 127) {
            byte = bytes[position++] as number;
            high |= (byte & 127) << 31;
            if (byte > 1) throw tooLong(byte);
          }
        }
      }
    }
  }
  cursor.high = high;
  cursor.next = position;
  return low;
}

/**
 * The tenth byte of a varint has one bit to give. C++ and Go refuse more of them, too: cut off, they would make another
 * tag or length of it.
 */
function tooLong(tenth: number): WireError {
  return new WireError(tenth > 127 ? "a varint is longer than 10 bytes" : "a varint is larger than 64 bits");
}

/** Reads the length of a length-delimited field. */
export function varintLength(bytes: Uint8Array, position: number): number {
  const length = varint(bytes, position);
  if (cursor.high !== 0 || length < 0) throw new WireError("a length is larger than 2 GiB");
  return length;
}

/** Reads a tag, as uint32. */
export function varintTag(bytes: Uint8Array, position: number): number {
  const tag = varint(bytes, position);
  if (cursor.high !== 0) throw new WireError("a field number is larger than 536870911");
  return tag >>> 0;
}

/** Gives the position after a field that nobody knows, whose tag was just read. */
export function skipField(bytes: Uint8Array, position: number, end: number, tag: number): number {
  if (position > end) throw truncated();
  if (tag >>> 3 === 0) throw new WireError("a field has the number 0");
  switch (tag & 7) {
    case Wire.Varint:
      varint(bytes, position);
      position = cursor.next;
      break;
    case Wire.Fixed64:
      position += 8;
      break;
    case Wire.Bytes: {
      const length = varintLength(bytes, position);
      position = cursor.next + length;
      break;
    }
    case Wire.StartGroup:
      groupEnd(bytes, position, end, tag);
      position = cursor.next;
      break;
    case Wire.EndGroup:
      throw new WireError(`group ${tag >>> 3} ends without a start`);
    case Wire.Fixed32:
      position += 4;
      break;
    default:
      throw new WireError(`field ${tag >>> 3} has the wire type ${tag & 7}`);
  }
  if (position > end) throw truncated();
  return position;
}

/** Gives where the content of a group ends whose start tag was just read; `cursor.next` is behind its end tag. */
export function groupEnd(bytes: Uint8Array, position: number, end: number, startTag: number): number {
  const open = [startTag];
  while (position < end) {
    const at = position;
    const tag = varintTag(bytes, position);
    position = cursor.next;
    if ((tag & 7) === Wire.StartGroup && tag >>> 3 !== 0) {
      if (open.length === MAX_DEPTH) throw tooDeep();
      open.push(tag);
    } else if ((tag & 7) === Wire.EndGroup && open.at(-1) === tag - 1) {
      open.pop();
      if (open.length > 0) continue;
      if (position > end) throw truncated();
      cursor.next = position;
      return at;
    } else {
      position = skipField(bytes, position, end, tag);
    }
  }
  throw truncated();
}

const NO_VIEW = new DataView(new ArrayBuffer(0));
let viewed: Uint8Array | undefined;
let view: DataView = NO_VIEW;

/** A view of the same offsets, for floating-point numbers; kept until another buffer is asked for or `releaseView`. */
export function viewOf(bytes: Uint8Array): DataView {
  if (viewed !== bytes) {
    view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    viewed = bytes;
  }
  return view;
}

/** Lets go of the last buffer. */
export function releaseView(): void {
  viewed = undefined;
  view = NO_VIEW;
}
