import type { JsonWriter } from "./json-write.ts";
import { sink } from "./sink.ts";

/** What stays of a JSON value: members of an object, and of each one in a list. */
export interface Mask {
  readonly members: readonly { readonly name: Buffer; readonly mask: Mask | undefined }[];
  /** Members with other names; undefined where they go. */
  readonly others: { readonly mask: Mask | undefined } | undefined;
}

const QUOTE = 34;
const COMMA = 44;
const BACKSLASH = 92;
const OPEN_LIST = 91;
const CLOSE_LIST = 93;
const OPEN_OBJECT = 123;
const CLOSE_OBJECT = 125;

/** A writer of what the mask leaves: the JSON is written as a whole, and what goes is cut out in place. */
export function filteredWriter(write: JsonWriter, mask: Mask): JsonWriter {
  return (bytes, start, end) => {
    const from = sink.length;
    write(bytes, start, end);
    json = sink.bytes;
    at = to = from;
    value(mask);
    sink.length = to;
    // A large buffer is not to be kept by this.
    json = NONE;
  };
}

// The JSON that is read and written at once, without white space, as writers make it: what is written is never ahead of
// what is read.
const NONE = Buffer.alloc(0);
let json: Buffer = NONE;
let at = 0;
let to = 0;

function value(mask: Mask | undefined): void {
  const first = json[at];
  if (mask === undefined || (first !== OPEN_OBJECT && first !== OPEN_LIST)) return copy(endOfValue(at));
  copy(at + 1);
  let isFirst = true;
  while (json[at] !== CLOSE_OBJECT && json[at] !== CLOSE_LIST) {
    if (json[at] === COMMA) at++;
    const chosen = first === OPEN_LIST ? { mask } : choose(mask);
    if (chosen === undefined) {
      // Behind the name and its colon.
      at = endOfValue(endOfValue(at) + 1);
      continue;
    }
    if (!isFirst) json[to++] = COMMA;
    isFirst = false;
    if (first === OPEN_OBJECT) copy(endOfValue(at) + 1);
    value(chosen.mask);
  }
  copy(at + 1);
}

/** What the mask says of the member whose name is at `at`. */
function choose(mask: Mask): { readonly mask: Mask | undefined } | undefined {
  for (const member of mask.members) {
    const { name } = member;
    const end = at + 1 + name.length;
    if (json[end] === QUOTE && name.compare(json, at + 1, end) === 0) return member;
  }
  return mask.others;
}

function copy(end: number): void {
  if (to !== at) json.copyWithin(to, at, end);
  to += end - at;
  at = end;
}

function endOfValue(start: number): number {
  const first = json[start];
  if (first === QUOTE) return endOfString(start);
  if (first !== OPEN_OBJECT && first !== OPEN_LIST) {
    let end = start;
    while (!endsScalar(json[end] as number) && end < sink.length) end++;
    return end;
  }
  let depth = 0;
  for (let p = start; ; p++) {
    const byte = json[p] as number;
    if (byte === QUOTE) p = endOfString(p) - 1;
    // Braces and brackets: what opens and what closes differ in two bits.
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++;
    else if ((byte === CLOSE_OBJECT || byte === CLOSE_LIST) && --depth === 0) return p + 1;
  }
}

function endOfString(start: number): number {
  let p = start + 1;
  for (; json[p] !== QUOTE; p++) if (json[p] === BACKSLASH) p++;
  return p + 1;
}

function endsScalar(byte: number): boolean {
  return byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_LIST;
}
