import { fieldError, gatewayError } from "../core/errors.ts";
import { input } from "./json-read-input.ts";

// Nothing about places is kept while reading: on an error, the text up to it is scanned once more.

const SHOWN_CHARACTERS = 40;
const PATH_CHARACTERS = 200;

/** BODY_MALFORMED: what stands at offset `at` is no JSON there. `expected` such as `","`, or why not. */
export function malformed(at: number, expected: string): never {
  const found = at >= input.end ? "unexpected end" : `unexpected ${characterAt(at)}`;
  throw bodyMalformed(at, `${found} at ${placeOf(at)}; expected ${expected}`);
}

/** BODY_MALFORMED for bytes that are not UTF-8. */
export function notUtf8(): never {
  const at = firstNotUtf8();
  throw bodyMalformed(at, `invalid UTF-8 at ${placeOf(at)}`);
}

/** BODY_MALFORMED for nesting beyond the limit, at the bracket that is one too many. */
export function tooDeep(at: number): never {
  throw bodyMalformed(at, `nested deeper than 100 levels at ${placeOf(at)}`);
}

/** FIELD_INVALID or FIELD_UNKNOWN for the field whose name or value starts at offset `at`. */
export function refuse(code: "FIELD_INVALID" | "FIELD_UNKNOWN", at: number, reason: string): never {
  throw fieldError(code, input.field ?? pathAt(at), reason);
}

/** The first 40 characters of a text, as they may go into a message. */
export function shorten(text: string, length = SHOWN_CHARACTERS): string {
  if (text.length <= length) return text;
  // By characters, so that no surrogate pair is cut.
  return `${[...text.slice(0, length + 1)].slice(0, length).join("")}…`;
}

function bodyMalformed(at: number, reason: string): Error {
  const field = input.field ?? pathAt(at);
  return gatewayError("BODY_MALFORMED", { reason }, { violations: [{ field, description: reason }] });
}

/** Line and column (in characters) of an offset, from 1. */
function placeOf(at: number): string {
  const { bytes } = input;
  let line = 1;
  let column = 1;
  for (let i = 0; i < at; i++) {
    const byte = bytes[i] as number;
    if (byte === 0x0a) {
      line++;
      column = 1;
    } else if ((byte & 0xc0) !== 0x80) column++; // all but continuation bytes of UTF-8
  }
  return `line ${line}, column ${column}`;
}

function characterAt(at: number): string {
  const byte = input.bytes[at] as number;
  if (byte === 0xef && input.bytes[at + 1] === 0xbb && input.bytes[at + 2] === 0xbf) return "byte order mark";
  if (byte < 0x20 || byte === 0x7f) return `control character 0x${byte.toString(16).padStart(2, "0")}`;
  const character = String.fromCodePoint(input.bytes.utf8Slice(at, Math.min(at + 4, input.end)).codePointAt(0) ?? 0);
  return character === '"' ? "quote" : JSON.stringify(character);
}

/** Offset of the first byte that is not part of well-formed UTF-8 (Unicode, table 3-7). */
function firstNotUtf8(): number {
  const { bytes, end } = input;
  let i = 0;
  while (i < end) {
    const lead = bytes[i] as number;
    const more = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : -1;
    if (more < 0) return i;
    for (let k = 1; k <= more; k++) {
      const low = k > 1 ? 0x80 : lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
      const high = k > 1 ? 0xbf : lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
      const byte = bytes[i + k] as number;
      if (i + k >= end || byte < low || byte > high) return i;
    }
    i += more + 1;
  }
  return end;
}

interface Frame {
  readonly isArray: boolean;
  index: number;
  /** Name of the current member, quotes and all; undefined before one was seen. */
  key: string | undefined;
}

/**
 * The path of what starts at offset `at`, names as the client wrote them: `book.tags[2]`, `labels["a b"]`; `body`
 * where it is the whole body. Well-formed text is not assumed, since the first error may stand later than `at`.
 */
function pathAt(at: number): string {
  const { bytes } = input;
  const frames: Frame[] = [];
  let mayBeKey = false;
  for (let i = 0; i <= at && i < input.end; i++) {
    const byte = bytes[i] as number;
    const top = frames.at(-1);
    if (byte === 0x22) {
      const close = endOfString(i + 1);
      if (mayBeKey && top !== undefined) top.key = bytes.utf8Slice(i, Math.min(close + 1, i + 400));
      mayBeKey = false;
      i = close;
    } else if (byte === 0x7b || byte === 0x5b) {
      // The bracket at `at` is the value itself, not yet a step inside.
      if (i < at) frames.push({ isArray: byte === 0x5b, index: 0, key: undefined });
      mayBeKey = byte === 0x7b;
    } else if (byte === 0x7d || byte === 0x5d) {
      if (i < at) frames.pop();
    } else if (byte === 0x2c && top !== undefined && i < at) {
      top.index++;
      top.key = undefined;
      mayBeKey = !top.isArray;
    }
  }
  let path = input.root;
  for (const frame of frames) {
    path += frame.isArray ? `[${frame.index}]` : frame.key === undefined ? "" : step(frame.key, path !== "");
  }
  return path === "" ? "body" : shorten(path, PATH_CHARACTERS);
}

function endOfString(from: number): number {
  const { bytes, end } = input;
  let i = from;
  while (i < end && bytes[i] !== 0x22) i += bytes[i] === 0x5c ? 2 : 1;
  return i;
}

/** One member as a step of a path; `quoted` is its name as it stands in the JSON. */
function step(quoted: string, isInner: boolean): string {
  const name = quoted.endsWith('"') ? quoted.slice(1, -1) : quoted.slice(1);
  const shown = shorten(
    name.replace(/\\u([0-9a-fA-F]{4})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
  );
  if (/^[A-Za-z_]\w*…?$/.test(shown)) return isInner ? `.${shown}` : shown;
  if (/^\[[\w.]+\]$/.test(shown)) return shown; // an extension: its name has the brackets already
  return `[${JSON.stringify(shown)}]`;
}
