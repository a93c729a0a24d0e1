/** One segment of a path template; `text` is decoded. */
export type TemplateSegment =
  { readonly kind: "literal"; readonly text: string } | { readonly kind: "star" } | { readonly kind: "rest" };

/** What a variable takes of the path: the segments `[start, end)`, or all from `start` where its last one is `**`. */
export interface TemplateVariable {
  /** Where it goes in the request message, such as `name` or `book.author`. */
  readonly fieldPath: string;
  readonly start: number;
  readonly end: number;
  /** Ends in `**`. */
  readonly rest: boolean;
  /** More than one segment, or `**`: such a variable keeps `%2F` as it stands (google/api/http.proto). */
  readonly multi: boolean;
}

export interface PathTemplate {
  /** As written. */
  readonly source: string;
  /** `**` stands only last. */
  readonly segments: readonly TemplateSegment[];
  /** In the order in which they stand. */
  readonly variables: readonly TemplateVariable[];
  /** Decoded text after the colon; "" for none. */
  readonly verb: string;
}

/** A path template that breaks the grammar. The message gives the column; the caller names the template. */
export class TemplateError extends Error {
  /** Counts from 1 within the template. */
  readonly column: number;
  /** What could have stood there. */
  readonly expected: string;

  constructor(index: number, expected: string, found: string) {
    super(`column ${index + 1}: expected ${expected}, found ${found}`);
    this.name = "TemplateError";
    this.column = index + 1;
    this.expected = expected;
  }
}

/**
 * Reads a path template (google/api/http.proto, "Path template syntax"):
 *
 *     Template  = "/" [ Segments [ Verb ] ] ;
 *     Segments  = Segment { "/" Segment } ;
 *     Segment   = "*" | "**" | LITERAL | Variable ;
 *     Variable  = "{" FieldPath [ "=" Segments ] "}" ;
 *     FieldPath = IDENT { "." IDENT } ;
 *     Verb      = ":" LITERAL ;
 *     LITERAL   = pchar { pchar } ;        (RFC 3986, without a bare "*"; compared after percent-decoding)
 *
 * `**` stands last, before the verb at most; variables do not nest. Where the comment of http.proto says nothing:
 * `/` alone is the root; in the last segment the last colon starts the verb, elsewhere a colon inside a literal is
 * text; a literal that no request could match (`.`, `..`, an encoded slash or NUL) is an error.
 *
 * Throws TemplateError.
 */
export function parseTemplate(source: string): PathTemplate {
  return new Parser(source).parse();
}

// Matching walks a template's segments by recursion, and a template may come from a foreign server by reflection.
const MAX_SEGMENTS = 100;

const STRUCTURE = "{}*";

class Parser {
  private readonly source: string;
  private index = 0;
  private readonly segments: TemplateSegment[] = [];
  private readonly variables: TemplateVariable[] = [];
  private verb = "";

  constructor(source: string) {
    this.source = source;
  }

  parse(): PathTemplate {
    if (this.peek() !== "/") this.fail('"/"');
    this.index++;
    if (!this.atEnd()) this.template();
    return { source: this.source, segments: this.segments, variables: this.variables, verb: this.verb };
  }

  private template(): void {
    for (;;) {
      if (this.peek() === "{") this.variable();
      else this.segment();
      const last = this.segments.at(-1)?.kind === "rest";
      if (this.peek() === ":") return this.readVerb();
      if (this.atEnd()) return;
      if (this.peek() !== "/" || last) this.fail(last ? 'the end or ":" after "**"' : '"/", ":" or the end');
      this.index++;
    }
  }

  private variable(): void {
    const open = this.index++;
    const fieldPath = this.fieldPath();
    const start = this.segments.length;
    if (this.peek() === "=") {
      this.index++;
      this.variableSegments();
    } else {
      if (this.peek() !== "}") this.fail('".", "=" or "}"');
      this.push({ kind: "star" }, open);
    }
    this.index++;
    if (this.variables.some((variable) => variable.fieldPath === fieldPath)) {
      this.fail("each variable once", open, `"${fieldPath}" again`);
    }
    const end = this.segments.length;
    const rest = this.segments.at(-1)?.kind === "rest";
    this.variables.push({ fieldPath, start, end, rest, multi: rest || end - start > 1 });
  }

  private variableSegments(): void {
    for (;;) {
      if (this.peek() === "{") this.fail("no variable inside a variable");
      this.segment(true);
      const last = this.segments.at(-1)?.kind === "rest";
      if (this.peek() === "}") return;
      if (this.peek() !== "/" || last) this.fail(last ? '"}" after "**"' : '"/" or "}"');
      this.index++;
    }
  }

  private fieldPath(): string {
    const start = this.index;
    for (;;) {
      if (!isIdentStart(this.peek())) this.fail("a field name");
      while (isIdentStart(this.peek()) || isDigit(this.peek())) this.index++;
      if (this.peek() !== ".") return this.source.slice(start, this.index);
      this.index++;
    }
  }

  private segment(inVariable = false): void {
    const start = this.index;
    if (this.peek() === "*") {
      this.index++;
      const rest = this.peek() === "*";
      if (rest) this.index++;
      this.push({ kind: rest ? "rest" : "star" }, start);
      return;
    }
    // A leading colon is nearly always `:id` of another router's templates, so it is no literal, although a pchar.
    if (this.atEnd() || "/:}".includes(this.peek())) this.fail("a segment");
    while (!this.atEnd() && this.peek() !== "/" && !STRUCTURE.includes(this.peek())) this.pchar();
    if (!inVariable && this.atEnd()) {
      const colon = this.source.lastIndexOf(":");
      if (colon > start) this.index = colon;
    }
    const text = this.decode(start);
    if (text === "." || text === "..") this.fail('a segment other than "." and ".."', start, `"${text}"`);
    this.push({ kind: "literal", text }, start);
  }

  private readVerb(): void {
    const start = ++this.index;
    while (!this.atEnd() && this.peek() !== "/" && this.peek() !== ":" && !STRUCTURE.includes(this.peek()))
      this.pchar();
    if (this.index === start) this.fail("a verb");
    if (!this.atEnd()) this.fail("the end after the verb");
    this.verb = this.decode(start);
  }

  private pchar(): void {
    const char = this.peek();
    if (char === "%") {
      if (!/^[0-9A-Fa-f]{2}/.test(this.source.slice(this.index + 1, this.index + 3))) {
        this.fail('two hexadecimal digits after "%"', this.index, quote(this.source.slice(this.index, this.index + 3)));
      }
      const escape = this.source.slice(this.index, this.index + 3).toUpperCase();
      if (escape === "%2F" || escape === "%00") this.fail(`no ${escape} in a literal`, this.index, quote(escape));
      this.index += 3;
    } else if (/^[A-Za-z0-9\-._~!$&'()+,;=:@]$/.test(char)) {
      this.index++;
    } else {
      this.fail("a character that may stand in a URL path, or its percent-encoding");
    }
  }

  private decode(start: number): string {
    const raw = this.source.slice(start, this.index);
    try {
      return decodeURIComponent(raw);
    } catch {
      // The digits were checked, so what is left to go wrong is UTF-8; the thrown URIError says no more.
      return this.fail("percent-encoded UTF-8", start, quote(raw));
    }
  }

  private push(segment: TemplateSegment, index: number): void {
    if (this.segments.length === MAX_SEGMENTS) this.fail(`at most ${MAX_SEGMENTS} segments`, index, "more");
    this.segments.push(segment);
  }

  private peek(): string {
    const code = this.source.codePointAt(this.index);
    return code === undefined ? "" : String.fromCodePoint(code);
  }

  private atEnd(): boolean {
    return this.index >= this.source.length;
  }

  private fail(expected: string, index = this.index, found = this.atEnd() ? "the end" : quote(this.peek())): never {
    throw new TemplateError(index, expected, found);
  }
}

function isIdentStart(char: string): boolean {
  return /^[A-Za-z_]$/.test(char);
}

function isDigit(char: string): boolean {
  return /^[0-9]$/.test(char);
}

function quote(text: string): string {
  return JSON.stringify(text);
}
