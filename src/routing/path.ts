import { percentProblem } from "../core/percent.ts";

const SLASH = 0x2f;
const DOT = 0x2e;
const HASH_SIGN = 0x23;

/**
 * What of percent-encoding stays in a variable of several segments: slashes (`%2F`), as google/api/http.proto has it in
 * "Path template syntax"; every reserved character of RFC 6570, as Envoy and grpc-gateway do where they are asked to; or
 * nothing.
 */
export type UnescapeMode = "all_except_slash" | "all_except_reserved" | "all";

/**
 * A request's path, cut into segments. A table keeps one and reads every request's path into it, which is safe since
 * matching never waits, and leaves nothing to allocate.
 *
 * `text` is the path with all percent-encoding undone except `%2F`, `%2f` and `%25`: so a slash that is data stays
 * apart from one that separates, and `slice` can finish the work. Literals are compared in this form (`literalKey`).
 */
export class SegmentedPath {
  text = "/";
  /** How many segments there are. */
  count = 0;
  /** Where the last segment ends: at the end of the text, or ahead of the verb. */
  end = 1;
  /** Where the last segment's last colon stands that was not percent-encoded; 0 for none. */
  colon = 0;

  // Only as many segments as the longest template has are kept: whatever is beyond can only belong to a `**`.
  private readonly kept: number;
  private readonly starts: Int32Array;
  private readonly hashes: Int32Array;
  private total = 0;
  private lastStart = 1;
  private escaped = false;
  private raw = "/";
  private readonly unescape: UnescapeMode;

  constructor(longestTemplate: number, unescape: UnescapeMode = "all_except_slash") {
    this.unescape = unescape;
    this.kept = longestTemplate + 1;
    this.starts = new Int32Array(this.kept);
    this.hashes = new Int32Array(this.kept);
  }

  /** Takes a path as it came, without query. The result says what is wrong with it, or is null. */
  read(path: string): string | null {
    if (path.charCodeAt(0) !== SLASH) return 'must start with "/"';
    this.escaped = path.includes("%");
    this.raw = path;
    if (this.escaped) {
      const problem = this.decode(path);
      if (problem !== null) return problem;
    } else {
      this.text = path;
    }
    const problem = this.cut();
    if (problem !== null) return problem;
    // An encoded colon is text: `/v1/a%3Ab` has no verb.
    const colon = this.escaped ? this.colon : this.text.lastIndexOf(":");
    this.colon = colon >= this.lastStart ? colon : 0;
    if (this.colon > 0 && isDots(this.text, this.lastStart, this.colon)) return DOTS;
    this.closeAtEnd();
    return null;
  }

  /** Ends the last segment where the text ends; `read` leaves it so. */
  closeAtEnd(): void {
    this.close(this.text.length);
  }

  /** Ends the last segment ahead of the verb's colon. */
  closeAtVerb(): void {
    this.close(this.colon);
  }

  /** Whether the last segment is empty although there are others, as in `/v1/`. */
  endsInSlash(): boolean {
    return this.count > 0 && this.end === this.lastStart;
  }

  /** Where a segment starts; `start(count)` is one beyond where the last one ends. */
  start(index: number): number {
    return this.starts[index] as number; // callers stay within the longest template
  }

  hash(index: number): number {
    return this.hashes[index] as number; // as above
  }

  isEmpty(index: number): boolean {
    return this.start(index) === this.end || this.text.charCodeAt(this.start(index)) === SLASH;
  }

  /** Whether a segment is this text, given in the form of `literalKey`. */
  isLiteral(index: number, text: string): boolean {
    const start = this.start(index);
    return this.start(index + 1) - 1 - start === text.length && this.text.startsWith(text, start);
  }

  /**
   * The decoded text of a variable that takes the segments [first, end), or all from `first` where `rest`. One of
   * several segments (`multi`) keeps `%2F` and `%2f` as they came, where nothing else is configured: "the server side
   * does the reverse decoding, except "%2F" and "%2f" are left unchanged" (google/api/http.proto, "Path template
   * syntax"). The older comment there on `fully_decode_reserved_expansion` would keep all of RFC 6570's reserved
   * characters encoded, as Envoy does by default; that loses what a client encoded by the rule above (`a%3Ab` for
   * `a:b`), so the rule above is taken, as Vanguard takes it.
   */
  variable(first: number, end: number, rest: boolean, multi: boolean): string {
    const start = this.start(first);
    const stop = rest ? this.end : this.start(end) - 1;
    if (start >= stop) return "";
    const text = this.text.slice(start, stop);
    if (!this.escaped) return text;
    if (multi && this.unescape === "all_except_reserved") return this.unreserved(first, rest ? this.count : end);
    if (!text.includes("%")) return text;
    const keepsSlash = multi && this.unescape === "all_except_slash";
    const whole = keepsSlash ? text : text.replaceAll("%2F", "/").replaceAll("%2f", "/");
    return whole.replaceAll("%25", "%");
  }

  /** The segments [first, end) with reserved characters as they came, and all others decoded. */
  private unreserved(first: number, end: number): string {
    const isClosedAtVerb = this.end < this.text.length;
    const raw = isClosedAtVerb ? this.raw.slice(0, this.raw.lastIndexOf(":")) : this.raw;
    const segments = raw.split("/").slice(first + 1, end + 1); // ahead of the first slash there is nothing
    return segments
      .join("/")
      .split(RESERVED)
      .map((part, index) => (index % 2 === 1 ? part : decodeURIComponent(part)))
      .join("");
  }

  private decode(path: string): string | null {
    const illegal = /[^\x21-\x7e]|#/.exec(path);
    if (illegal !== null) return mustBeEncoded(illegal[0]);
    const slash = path.lastIndexOf("/");
    const colon = path.lastIndexOf(":");
    try {
      if (colon > slash) {
        const head = decodeOnce(path.slice(0, colon));
        this.colon = head.length;
        this.text = `${head}:${decodeOnce(path.slice(colon + 1))}`;
      } else {
        this.colon = 0;
        this.text = decodeOnce(path);
      }
    } catch {
      return percentProblem(path);
    }
    if (this.text.includes("\0")) return "%00 is refused";
    const dots = HIDDEN_DOTS.test(this.text) || HIDDEN_DOTS.test(this.text.slice(0, this.colon));
    return dots ? DOTS : null;
  }

  /** One pass over the text: where segments start, their hashes, and what may not be there. */
  private cut(): string | null {
    const { text, escaped, kept, starts, hashes } = this;
    let total = 0;
    let start = 1;
    let hash = 0;
    for (let i = 1; i < text.length; i++) {
      const char = text.charCodeAt(i);
      if (char === SLASH) {
        if (isDots(text, start, i)) return DOTS;
        if (total < kept) {
          starts[total] = start;
          hashes[total] = hash;
        }
        total++;
        start = i + 1;
        hash = 0;
      } else {
        if (!escaped && (char <= 0x20 || char >= 0x7f || char === HASH_SIGN)) return mustBeEncoded(text.charAt(i));
        hash = hashStep(hash, char);
      }
    }
    if (isDots(text, start, text.length)) return DOTS;
    this.total = total + 1;
    this.lastStart = start;
    return null;
  }

  private close(end: number): void {
    const { total, kept } = this;
    this.end = end;
    // `/` has no segment at all, and neither has `/:verb` ahead of its verb.
    this.count = end === 1 ? 0 : total;
    if (this.count < kept) this.starts[this.count] = end + 1;
    if (this.count > 0 && total <= kept) {
      this.starts[total - 1] = this.lastStart;
      this.hashes[total - 1] = hashOf(this.text, this.lastStart, end);
    }
  }
}

/** A template's literal as it stands in `SegmentedPath.text`. */
export function literalKey(text: string): string {
  return text.replaceAll("%", "%25");
}

/** As `SegmentedPath.hash`, in 30 bits: a small integer in V8, on every platform. */
export function hashOf(text: string, start: number, end: number): number {
  let hash = 0;
  for (let i = start; i < end; i++) hash = hashStep(hash, text.charCodeAt(i));
  return hash;
}

function hashStep(hash: number, char: number): number {
  return (Math.imul(hash, 31) + char) & 0x3fffffff;
}

// Nothing resolves dot segments here, and an upstream that takes a resource name for a file's path must not either.
const DOTS = '"." and ".." segments are refused';

// `..%2Fsecret` is one segment to HTTP, but `../secret` once it stands in a field.
const HIDDEN_DOTS = /(?:\/|%2[Ff])\.\.?(?=\/|%2[Ff]|$)/;

// Reserved characters, encoded (RFC 6570, section 1.5): :/?#[]@!$&'()*+,;=
const RESERVED = /(%(?:2[1346-9A-CF]|3[ABDF]|40|5[BD]))/i;

function isDots(text: string, start: number, end: number): boolean {
  if (end - start > 2 || end === start || text.charCodeAt(start) !== DOT) return false;
  return end - start === 1 || text.charCodeAt(start + 1) === DOT;
}

function mustBeEncoded(char: string): string {
  return `character ${JSON.stringify(char)} must be percent-encoded`;
}

function decodeOnce(text: string): string {
  return decodeURIComponent(text.replaceAll("%25", "%2525").replaceAll("%2F", "%252F").replaceAll("%2f", "%252f"));
}
