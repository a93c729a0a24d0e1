const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const BACKSLASH = 92;
const SPACE = 32;
const NEWLINE = 10;
const OPEN_LIST = 91;
const OPEN_OBJECT = 123;

const INDENT = 2;
// Deeper levels are indented no further, or a deep message of small items would grow two hundredfold.
const MAX_LEVELS = 32;
// What stands around a token at most: a line's end and indent before it, a colon and a space behind it.
const AROUND = 1 + MAX_LEVELS * INDENT + 2;

/**
 * JSON without white space, as writers make it, for human eyes: each member and item on a line of its own, indented by
 * two spaces a level, as JSON.stringify does it. What it is made of stays as it is: digits of numbers, escapes, the
 * order of members. A latin1 string gives a latin1 string, bytes give bytes.
 */
export function prettyJson(json: string | Buffer): string | Buffer {
  if (typeof json === "string") return indented(Buffer.from(json, "latin1")).latin1Slice();
  return indented(json);
}

function indented(json: Buffer): Buffer {
  let out = Buffer.allocUnsafe(json.length * 2 + AROUND);
  let o = 0;
  let level = 0;

  function line(): void {
    out[o++] = NEWLINE;
    const end = o + Math.min(level, MAX_LEVELS) * INDENT;
    out.fill(SPACE, o, end);
    o = end;
  }

  for (let p = 0; p < json.length;) {
    const from = p;
    p = endOfToken(json, p);
    if (o + (p - from) + AROUND > out.length) out = Buffer.concat([out], out.length * 2 + (p - from));
    const byte = json[from] as number;
    const isOpening = byte === OPEN_OBJECT || byte === OPEN_LIST;
    // Braces and brackets: what closes is two above what opens.
    const isClosing = byte === OPEN_OBJECT + 2 || byte === OPEN_LIST + 2;
    if (isClosing) {
      level--;
      if (json[from - 1] !== byte - 2) line();
    }
    o += json.copy(out, o, from, p);
    if (isOpening) {
      level++;
      if (json[p] !== byte + 2) line();
    } else if (byte === COMMA) line();
    else if (byte === COLON) out[o++] = SPACE;
  }
  return out.subarray(0, o);
}

/** Where the token at `p` ends: a string, one sign, or a number or word up to the next sign. */
function endOfToken(json: Buffer, p: number): number {
  if (isSign(json[p++] as number)) return p;
  if (json[p - 1] === QUOTE) {
    for (; json[p] !== QUOTE; p++) if (json[p] === BACKSLASH) p++;
    return p + 1;
  }
  while (p < json.length && !isSign(json[p] as number)) p++;
  return p;
}

function isSign(byte: number): boolean {
  const bracket = byte & ~0x20; // [ and {, ] and } differ in one bit
  return byte === COMMA || byte === COLON || bracket === OPEN_LIST || bracket === OPEN_LIST + 2;
}
