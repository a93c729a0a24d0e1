import type { RequestHeaders } from "./field-source.ts";
import type { Binder, StreamBinder } from "./binder.ts";
import { lengthOfVarint, tagBytes } from "./wire.ts";
import { cursor, skipField, varintLength, varintTag, Wire, WireError } from "./wire-scan.ts";

// google/api/httpbody.proto: content_type = 1, data = 2. What `extensions` holds has no place in HTTP.
const TYPE_TAG = (1 << 3) | Wire.Bytes;
const DATA_TAG = (2 << 3) | Wire.Bytes;

/** What was read last: there is one reader at a time, and so no object per message. */
export const httpBody = {
  /** `content_type`, fit for a header; "" where the message says none. */
  type: "",
  /** Where `data` lies in the bytes that were read. */
  start: 0,
  end: 0,
};

/**
 * Reads the google.api.HttpBody bytes[start, end), or the one in a field of that message, into `httpBody`. Throws
 * WireError where the bytes are malformed, or the type is none that a header can hold.
 */
export type HttpBodyReader = (bytes: Uint8Array, start: number, end: number) => void;

/** `field` is the number of the message's field that holds the HttpBody; 0 where the message is one. */
export function compileHttpBodyReader(field: number): HttpBodyReader {
  const tag = ((field << 3) | Wire.Bytes) >>> 0;
  return (bytes, start, end) => {
    httpBody.type = "";
    httpBody.start = httpBody.end = start;
    read(bytes, start, end, field === 0 ? 0 : tag);
  };
}

/**
 * Reads the fields of an HttpBody, or looks for the field of that tag which holds one. A field that comes again
 * replaces what it was, and messages that come again are merged: both by reading on.
 */
function read(bytes: Uint8Array, start: number, end: number, container: number): void {
  for (let position = start; position < end;) {
    const tag = varintTag(bytes, position);
    const value = cursor.next;
    position = skipField(bytes, value, end, tag);
    if ((tag & 7) !== Wire.Bytes) continue;
    varintLength(bytes, value);
    const from = cursor.next;
    if (container !== 0) {
      if (tag === container) read(bytes, from, position, 0);
    } else if (tag === TYPE_TAG) {
      httpBody.type = headerText(bytes, from, position);
    } else if (tag === DATA_TAG) {
      httpBody.start = from;
      httpBody.end = position;
    }
  }
}

function headerText(bytes: Uint8Array, from: number, to: number): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).latin1Slice();
  if (/[^\t\x20-\x7e]/.test(text)) throw new WireError("content_type holds what no header can");
  return text.trim();
}

/**
 * Puts the request's body, whatever its type, into the google.api.HttpBody that is field number `field` of the message;
 * 0 where it is the message. `bindRest` makes the rest of the message, which wins over the body.
 */
export function compileHttpBodyBinder(field: number, bindRest: Binder): Binder {
  const message = compileMessage(field);
  return (variables, query, body, headers) => {
    const rest = bindRest(variables, query, null, headers);
    return body === null ? rest : message(contentType(headers), body, rest);
  };
}

/**
 * As `compileHttpBodyBinder`, where a body of any size becomes a stream: each piece is the data of a message as it
 * comes, and the first message has the type and the rest. An empty body is one message without data.
 */
export function compileHttpBodyStream(field: number, bindRest: Binder): StreamBinder {
  const message = compileMessage(field);
  return ({ variables, query, headers }, send) => {
    let type = contentType(headers);
    let rest = bindRest(variables, query, null, headers);
    let isFirst = true;
    const push = (piece: Uint8Array): void => {
      send(message(type, piece, rest));
      type = "";
      rest = NOTHING;
      isFirst = false;
    };
    return {
      push,
      end() {
        if (isFirst) push(NOTHING);
      },
    };
  };
}

const NOTHING = Buffer.alloc(0);

/** Gives what makes a message of an HttpBody with this type and data, which is its field, and other bytes behind it. */
function compileMessage(field: number): (contentType: string, data: Uint8Array, rest: Uint8Array) => Buffer {
  const tag = field === 0 ? [] : tagBytes(field, Wire.Bytes);
  return (contentType, data, rest) => {
    const type = Buffer.from(contentType);
    const length = sizeOf(type) + sizeOf(data);
    const size = field === 0 ? length : tag.length + lengthOfVarint(length) + length;
    const message = Buffer.allocUnsafe(size + rest.length);
    let o = 0;
    if (field !== 0) {
      for (const byte of tag) message[o++] = byte;
      o = writeVarint(message, o, length);
    }
    o = writeBytes(message, o, TYPE_TAG, type);
    o = writeBytes(message, o, DATA_TAG, data);
    message.set(rest, o);
    return message;
  };
}

function contentType(headers: RequestHeaders | undefined): string {
  return headers?.header("content-type") ?? "";
}

function sizeOf(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : 1 + lengthOfVarint(bytes.length) + bytes.length;
}

function writeBytes(out: Buffer, o: number, tag: number, bytes: Uint8Array): number {
  if (bytes.length === 0) return o;
  out[o++] = tag;
  o = writeVarint(out, o, bytes.length);
  out.set(bytes, o);
  return o + bytes.length;
}

function writeVarint(out: Buffer, o: number, value: number): number {
  for (; value > 127; value >>>= 7) out[o++] = (value & 127) | 128;
  out[o++] = value;
  return o;
}
