import { SyntaxFailure } from "./source.ts";

export type TokenKind = "identifier" | "integer" | "float" | "string" | "symbol" | "end";

export interface Token {
  readonly kind: TokenKind;
  /** As written, a string with its quotes; "" at the end of the file. */
  readonly text: string;
  /** Of its first character. */
  readonly offset: number;
}

const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const NUMBER = /0[xX][0-9A-Fa-f]*|(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]*)?/y;
const IS_WORD_START = /[A-Za-z_]/;
const IS_DIGIT = /[0-9]/;

/**
 * Splits a .proto file into tokens, without white space and comments; the last one is always `end`. Follows protoc's
 * io/tokenizer.cc. Of our own, because protobufjs's tokenizer tells no columns, takes `int32/*c*\/` for one token and
 * reads escapes as characters where protobuf means bytes.
 *
 * @throws SyntaxFailure for an unclosed string or comment, or a malformed number.
 */
export function lex(text: string): Token[] {
  const tokens: Token[] = [];
  // A byte order mark is allowed by protoc.
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  for (;;) {
    at = skipBlank(text, at);
    if (at >= text.length) {
      tokens.push({ kind: "end", text: "", offset: text.length });
      return tokens;
    }
    const token = tokenAt(text, at);
    tokens.push(token);
    at += token.text.length;
  }
}

function skipBlank(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code === 0x20 || (code >= 0x09 && code <= 0x0d)) {
      at++;
    } else if (code === 0x2f && text[at + 1] === "/") {
      const end = text.indexOf("\n", at);
      if (end < 0) return text.length;
      at = end + 1;
    } else if (code === 0x2f && text[at + 1] === "*") {
      const end = text.indexOf("*/", at + 2);
      if (end < 0) throw new SyntaxFailure(at, 'comment is not closed; expected "*/"');
      at = end + 2;
    } else {
      return at;
    }
  }
}

function tokenAt(text: string, at: number): Token {
  const first = text[at] ?? "";
  if (IS_WORD_START.test(first)) return { kind: "identifier", text: match(WORD, text, at), offset: at };
  if (IS_DIGIT.test(first) || (first === "." && IS_DIGIT.test(text[at + 1] ?? ""))) return numberAt(text, at);
  if (first === '"' || first === "'") return { kind: "string", text: stringAt(text, at, first), offset: at };
  return { kind: "symbol", text: first, offset: at };
}

function numberAt(text: string, at: number): Token {
  const written = match(NUMBER, text, at);
  const next = text[at + written.length] ?? "";
  if (IS_WORD_START.test(next) || IS_DIGIT.test(next) || next === ".") {
    throw new SyntaxFailure(at, `malformed number "${written}${next}"`);
  }
  if (/^0[xX]/.test(written)) {
    if (written.length === 2) throw new SyntaxFailure(at, `"${written}" must be followed by hexadecimal digits`);
    return { kind: "integer", text: written, offset: at };
  }
  if (/[eE][+-]?$/.test(written)) throw new SyntaxFailure(at, `"${written}" must be followed by an exponent`);
  if (/[.eE]/.test(written)) return { kind: "float", text: written, offset: at };
  if (/^0[0-9]*[89]/.test(written)) throw new SyntaxFailure(at, `octal number "${written}" has a digit above 7`);
  return { kind: "integer", text: written, offset: at };
}

function stringAt(text: string, start: number, quote: string): string {
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at];
    if (char === quote) return text.slice(start, at + 1);
    if (char === "\n") break;
    // The escaped character is read later; here it must only not end the string. A line end is no character to escape.
    if (char === "\\" && text[at + 1] !== "\n") at++;
  }
  throw new SyntaxFailure(start, `string is not closed; expected ${quote} on the same line`);
}

function match(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? "";
}
