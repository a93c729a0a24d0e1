import { integerValue, stringBytes } from "./literal.ts";
import type { Token, TokenKind } from "./lexer.ts";
import { SyntaxFailure } from "./source.ts";

const MAX_INT32 = 2n ** 31n - 1n;

/** Walks over tokens. Every `expect…` takes what it names or throws a SyntaxFailure that says what stands there. */
export class Cursor {
  private readonly text: string;
  private readonly tokens: readonly Token[];
  private index = 0;

  /** `tokens` are those of `text` and end with an `end` token. */
  constructor(text: string, tokens: readonly Token[]) {
    this.text = text;
    this.tokens = tokens;
  }

  get current(): Token {
    return this.tokens[this.index] as Token; // advance() never moves past the `end` token
  }

  get offset(): number {
    return this.current.offset;
  }

  atEnd(): boolean {
    return this.current.kind === "end";
  }

  /** Whether the current token is this word or symbol. Strings keep their quotes and so never are. */
  at(text: string): boolean {
    return this.current.text === text;
  }

  atKind(kind: TokenKind): boolean {
    return this.current.kind === kind;
  }

  /** The text of the token after the current one. */
  get following(): string {
    return this.tokens[this.index + 1]?.text ?? "";
  }

  advance(): Token {
    const token = this.current;
    if (token.kind !== "end") this.index++;
    return token;
  }

  /** Takes the word or symbol if it stands here. */
  take(text: string): boolean {
    if (!this.at(text)) return false;
    this.advance();
    return true;
  }

  /** Throws `expected <what>, found <token>`. */
  fail(what: string): never {
    throw new SyntaxFailure(this.offset, `expected ${what}, found ${describeToken(this.current)}`);
  }

  expect(text: string, where = ""): void {
    if (!this.take(text)) this.fail(`"${text}"${where}`);
  }

  expectIdentifier(what: string): Token {
    return this.atKind("identifier") ? this.advance() : this.fail(what);
  }

  /** `a.b.c`, also `.a.b.c` where `leadingDot`. */
  expectDottedName(what: string, leadingDot: boolean): string {
    let name = leadingDot && this.take(".") ? "." : "";
    name += this.expectIdentifier(what).text;
    while (this.take(".")) name += `.${this.expectIdentifier("a name after the dot").text}`;
    return name;
  }

  /** A string, adjacent ones joined. */
  expectString(what: string): Uint8Array {
    if (!this.atKind("string")) this.fail(what);
    const parts = [stringBytes(this.advance())];
    while (this.atKind("string")) parts.push(stringBytes(this.advance()));
    return parts.length === 1 ? (parts[0] as Uint8Array) : Buffer.concat(parts); // length 1 has an element 0
  }

  expectText(what: string): string {
    return Buffer.from(this.expectString(what)).toString("utf8");
  }

  /** An integer within 32 bits; with a sign where `signed`. */
  expectInt32(what: string, signed = false): number {
    const start = this.offset;
    const negative = signed && this.take("-");
    if (!this.atKind("integer")) this.fail(what);
    const { text } = this.advance();
    const value = integerValue(text);
    if (value > (negative ? MAX_INT32 + 1n : MAX_INT32)) {
      throw new SyntaxFailure(start, `${negative ? "-" : ""}${text} does not fit into 32 bits; expected ${what}`);
    }
    return negative ? -Number(value) : Number(value);
  }

  /** Moves behind comments of protobuf's text format, `# …` to the end of the line; the lexer knows none. */
  skipHashComments(): void {
    while (this.at("#")) {
      const newline = this.text.indexOf("\n", this.offset);
      const end = newline < 0 ? this.text.length : newline;
      while (!this.atEnd() && this.offset < end) this.advance();
    }
  }

  /** Runs `read` at a `{`; when that fails, moves behind the matching `}` before the error goes on. */
  withinBraces<T>(read: () => T): T {
    const start = this.index;
    try {
      return read();
    } catch (error) {
      this.index = start + 1;
      this.skipBlock();
      throw error;
    }
  }

  /** Moves behind the statement that went wrong: past the next `;` or block, but not past the enclosing `}`. */
  skipStatement(): void {
    while (!this.atEnd() && !this.at("}")) {
      if (this.take(";")) return;
      if (this.take("{")) return this.skipBlock();
      this.advance();
    }
  }

  private skipBlock(): void {
    for (let depth = 1; depth > 0 && !this.atEnd();) {
      const { text } = this.advance();
      if (text === "{") depth++;
      else if (text === "}") depth--;
    }
  }
}

function describeToken(token: Token): string {
  if (token.kind === "end") return "the end of the file";
  return token.kind === "string" ? `the string ${token.text}` : `"${token.text}"`;
}
