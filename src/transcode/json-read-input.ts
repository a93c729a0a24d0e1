import { isUtf8 } from "node:buffer";

const INITIAL_BYTES = 1 << 16;
const KEEP_BYTES = 1 << 20;
const MARGIN = 16;

/** Nesting of objects and arrays that is followed, in values that are skipped as well. */
export const MAX_DEPTH = 100;

const memory = allocate(INITIAL_BYTES);

/**
 * What is being read, shared by all readers: reading goes from start to end without an await. The text is copied here,
 * for then every scan ends at the zero byte behind it, which JSON allows nowhere, and needs no check of its own; so
 * `as number` on a byte of it is right in all of `json-read*.ts`. 900 bytes are copied in 30 ns.
 */
export const input = {
  bytes: memory.bytes,
  /** The same memory, to be read some bytes at once: MARGIN bytes behind the text are readable. */
  view: memory.view,
  /** Where the text ends, and the zero byte stands. */
  end: 0,
  /** Where reading goes on. */
  at: 0,
  /** Objects and arrays that are open. */
  depth: 0,
  /** Path of the whole value, as violations name it; "" for the body itself. */
  root: "",
  /** Set while the text is no JSON but the value of a parameter or path variable: the name to blame. */
  field: undefined as string | undefined,

  /** Content of the last string that `span` read: [from, to) of `text`, whose next byte is no part of a number. */
  text: Buffer.alloc(0) as Buffer,
  from: 0,
  to: 0,

  /** The object that is being read as a google.protobuf.Any, by its offset; -1 outside of one. */
  any: -1,
  /** Where `"@type"` of an object has its value, by the object's offset, for objects before `typesEnd`. */
  types: new Map<number, number>(),
  typesEnd: 0,
};

/** Takes [start, end) of `json` as the text to read; false where it is not UTF-8. */
export function loadJson(json: Uint8Array, start: number, end: number, root: string): boolean {
  const text = start === 0 && end === json.length ? json : json.subarray(start, end);
  reserve(text.length + 1).set(text);
  begin(text.length, root, undefined);
  return isUtf8(text);
}

/** Takes the plain text of a parameter or path variable as what to read; `span` is all of it. */
export function loadText(text: string, field: string): void {
  // A UTF-16 unit takes at most three bytes in UTF-8.
  const bytes = reserve(text.length * 3 + 1);
  begin(bytes.utf8Write(text, 0), "", field);
  input.text = bytes;
  input.from = 0;
  input.to = input.end;
}

function reserve(size: number): Buffer {
  const kept = input.bytes.length;
  if (size > kept || (kept > KEEP_BYTES && size < INITIAL_BYTES)) {
    ({ bytes: input.bytes, view: input.view } = allocate(Math.max(size, INITIAL_BYTES)));
  }
  return input.bytes;
}

function allocate(size: number): { bytes: Buffer; view: DataView } {
  const buffer = new ArrayBuffer(size + MARGIN);
  return { bytes: Buffer.from(buffer, 0, size), view: new DataView(buffer) };
}

function begin(end: number, root: string, field: string | undefined): void {
  input.bytes[end] = 0;
  input.end = end;
  input.at = 0;
  input.depth = 0;
  input.root = root;
  input.field = field;
  input.any = -1;
  input.typesEnd = 0;
  if (input.types.size > 0) input.types.clear();
}
