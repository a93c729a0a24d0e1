import { create } from "@bufbuild/protobuf";
import { Edition } from "@bufbuild/protobuf/wkt";
import type { Cursor } from "./cursor.ts";
import { optionsSchemas } from "./options-schemas.ts";
import { SyntaxFailure, type Problems, type SourceText } from "./source.ts";
import type { OptionList, OptionsKind, OptionsOwner, OptionStatement, TypeReference } from "./unit.ts";

/** What the parsing functions of one file share. */
export interface ParseContext {
  readonly cursor: Cursor;
  readonly source: SourceText;
  readonly problems: Problems;
  /** EDITION_PROTO2 until the file says otherwise. */
  edition: Edition;
  readonly references: TypeReference[];
  readonly options: OptionList[];
  readonly offsets: Map<object, number>;
}

export function isEditions({ edition }: ParseContext): boolean {
  return edition !== Edition.EDITION_PROTO2 && edition !== Edition.EDITION_PROTO3;
}

/** `outer.inner`, or `inner` where there is no outer. */
export function joinName(outer: string, inner: string): string {
  return outer === "" ? inner : `${outer}.${inner}`;
}

/** A problem that does not keep the parser from understanding what follows. */
export function report(context: ParseContext, offset: number, message: string): void {
  context.problems.add(context.source, offset, message);
}

/**
 * Reads statements up to `}`. A statement with a syntax error is reported and skipped, so that one slip hides no other.
 * `what` names the block, for the error where the file ends within it.
 */
export function parseBlock(context: ParseContext, what: string, statement: () => void): void {
  const { cursor } = context;
  const open = cursor.offset;
  cursor.expect("{", ` to begin the ${what}`);
  while (!cursor.take("}")) {
    if (cursor.atEnd()) throw new SyntaxFailure(open, `${what} is not closed; expected "}"`);
    if (!cursor.take(";")) parseOrSkip(context, statement);
  }
}

/** Runs `statement`; where its syntax is wrong, reports that and moves behind it. */
export function parseOrSkip(context: ParseContext, statement: () => void): void {
  try {
    statement();
  } catch (error) {
    if (!(error instanceof SyntaxFailure)) throw error;
    report(context, error.offset, error.message);
    context.cursor.skipStatement();
  }
}

/** Leaves the options of `owner` to the linker. */
export function addOptions(
  context: ParseContext,
  list: { owner: OptionsOwner; kind: OptionsKind; scope: string; statements: readonly OptionStatement[] },
): void {
  if (list.statements.length === 0) return;
  const { owner, kind, scope, statements } = list;
  // protoc leaves an options message wherever an option was written, even if nothing remains in it.
  (owner as { options?: unknown }).options ??= create(optionsSchemas[kind]);
  context.options.push({ owner, kind, scope, statements: [...statements] });
}
