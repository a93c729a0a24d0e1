// JSON as such: what a text must look like, whatever field it belongs to.

import { malformed, refuse, shorten, tooDeep } from "./json-read-error.ts";
import { input, MAX_DEPTH } from "./json-read-input.ts";

/** Offset of the first byte at or after `at` that is no white space. */
export function skipSpace(at: number): number {
  const { bytes } = input;
  let byte = bytes[at] as number;
  while (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) byte = bytes[++at] as number;
  return at;
}

/** From behind a member's name to its value: over the colon and white space. */
export function colon(at: number): number {
  at = skipSpace(at);
  if (input.bytes[at] !== 0x3a) malformed(at, '":"');
  return skipSpace(at + 1);
}

/** Reads `null` at `input.at`, which starts with `n`. */
export function readNull(): void {
  input.at = literal(input.at);
}

/** Refuses the value at `at`: BODY_MALFORMED where it is no JSON at all, else FIELD_INVALID. */
export function wrong(at: number, expected: string, note = ""): never {
  if (input.field !== undefined) {
    const shown = JSON.stringify(shorten(input.bytes.utf8Slice(0, input.end)));
    refuse("FIELD_INVALID", at, `expected ${expected}, got ${shown}${note}`);
  }
  input.at = at;
  skip();
  refuse("FIELD_INVALID", at, `expected ${expected}, got ${show(at, input.at)}${note}`);
}

/** A scalar as it stands in the JSON, shortened; objects and arrays by their kind. */
function show(from: number, to: number): string {
  const first = input.bytes[from];
  if (first === 0x7b) return "an object";
  if (first === 0x5b) return "an array";
  return shorten(input.bytes.utf8Slice(from, Math.min(to, from + 400)));
}

const kinds = new Uint8Array(MAX_DEPTH + 1);
const starts = new Int32Array(MAX_DEPTH + 1);

/** Told of a member: the offsets of its object, of its name and of its value. */
export type OnMember = (object: number, name: number, value: number) => void;

/** Reads over the value at `input.at`, checking that it is JSON. */
export function skip(onMember?: OnMember): void {
  const { bytes } = input;
  let at = input.at;
  let open = 0;
  for (;;) {
    // a value starts at `at`
    let byte = bytes[at] as number;
    if (byte === 0x7b || byte === 0x5b) {
      if (input.depth + open >= MAX_DEPTH) tooDeep(at);
      kinds[open] = byte;
      starts[open++] = at;
      at = skipSpace(at + 1);
      if (bytes[at] === byte + 2) {
        // closed at once: fall through to what follows a value
        open--;
        at++;
      } else {
        if (byte === 0x7b) at = memberName(at, starts[open - 1] as number, onMember);
        continue;
      }
    } else if (byte === 0x22) at = endOfString(at + 1) + 1;
    else if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) at = endOfNumber(at);
    else at = literal(at);

    for (;;) {
      if (open === 0) {
        input.at = at;
        return;
      }
      at = skipSpace(at);
      byte = bytes[at] as number;
      const kind = kinds[open - 1] as number;
      if (byte === 0x2c) {
        at = skipSpace(at + 1);
        if (kind === 0x7b) at = memberName(at, starts[open - 1] as number, onMember);
        break;
      }
      if (byte !== kind + 2) malformed(at, kind === 0x7b ? '"," or "}"' : '"," or "]"');
      open--;
      at++;
    }
  }
}

/** Reads a member's name of the object at offset `object`, and the colon; gives the offset of the value. */
function memberName(at: number, object: number, onMember: OnMember | undefined): number {
  if (input.bytes[at] !== 0x22) malformed(at, "a name in double quotes");
  const value = colon(endOfString(at + 1) + 1);
  onMember?.(object, at, value);
  return value;
}

function endOfNumber(at: number): number {
  const end = scanNumber(input.bytes, at);
  if (end < 0) malformed(~end, "a number as JSON writes it");
  return end;
}

/**
 * Where the number ends that starts at `at` (RFC 8259, section 6: no plus, no leading zeros, digits around the point);
 * where it is none, the complement (`~`) of the offset of the byte in the way. The text must not end in a digit.
 */
export function scanNumber(text: Uint8Array, at: number): number {
  if (text[at] === 0x2d) at++;
  if (text[at] === 0x30) {
    at++;
    if (isDigit(text[at])) return ~at;
  } else {
    if (!isDigit(text[at])) return ~at;
    while (isDigit(text[at])) at++;
  }
  if (text[at] === 0x2e) {
    at++;
    if (!isDigit(text[at])) return ~at;
    while (isDigit(text[at])) at++;
  }
  if (text[at] === 0x65 || text[at] === 0x45) {
    at++;
    if (text[at] === 0x2b || text[at] === 0x2d) at++;
    if (!isDigit(text[at])) return ~at;
    while (isDigit(text[at])) at++;
  }
  return at;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** Where the literal at `at` ends; nothing else may stand there. */
function literal(at: number): number {
  const { bytes } = input;
  const first = bytes[at];
  const word = first === 0x74 ? "true" : first === 0x66 ? "false" : first === 0x6e ? "null" : "";
  for (let k = 0; k < word.length; k++) if (bytes[at + k] !== word.charCodeAt(k)) malformed(at + k, `"${word}"`);
  if (word === "") malformed(at, "a JSON value");
  return at + word.length;
}

/** Offset of the quote that closes a string; `at` is inside it. Bad escapes and control characters are refused. */
export function endOfString(at: number): number {
  const { bytes } = input;
  for (;;) {
    const byte = bytes[at] as number;
    if (byte === 0x22) return at;
    if (byte === 0x5c) at = endOfEscape(at);
    else if (byte >= 0x20) at++;
    else malformed(at, at < input.end ? "control characters in strings to be escaped" : "a closing quote");
  }
}

/** Offset behind the escape whose backslash is at `at`. */
export function endOfEscape(at: number): number {
  const { bytes } = input;
  const byte = bytes[at + 1] as number;
  if (byte === 0x75) {
    for (let k = at + 2; k < at + 6; k++) if (hexDigit(bytes[k] as number) < 0) malformed(k, "four hexadecimal digits");
    return at + 6;
  }
  if (ESCAPED[byte] === 0) malformed(at + 1, 'one of "\\/bfnrtu after a backslash');
  return at + 2;
}

/** What the letter after a backslash stands for; 0 for no escape. */
export const ESCAPED = new Uint8Array(256);
for (const [letter, meaning] of ['""', "\\\\", "//", "b\b", "f\f", "n\n", "r\r", "t\t"].map((pair) => [...pair])) {
  ESCAPED[(letter as string).charCodeAt(0)] = (meaning as string).charCodeAt(0);
}

/** Value of a hexadecimal digit; -1 for any other byte. */
export function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}
